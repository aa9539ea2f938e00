"""The server under test: real processes, found below our own and ended by their ids."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

READY = "imm-ray ready at http://"
_START_S = 240.0
_STOP_S = 90.0

RPC_FAILURES = {
    "CoreWorkerService.grpc_client.PushTask": (3, 3),
    "ActorManagerGcsService.grpc_client.CreateActor": (20, 20),
    "NodeManagerService.grpc_client.RequestWorkerLease": (20, 20),
}
"""Ray's calls that are lost, with the percent of requests and of replies: F10."""


def free_port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One life after another of a server on the same data and port.

    Parameters
    ----------
    nodes
        1: `imm-ray serve`. More: the same application on so many Ray nodes of this machine
        (`benchmarks.chaos.nodes`), which take commands on stdin.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, nodes: int = 1) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.nodes = nodes
        self.lives = 0
        self._log_path = folder / "server.log"
        config = folder / "settings.yaml"
        config.write_text(json.dumps(settings))  # JSON is YAML
        module = ["imm_ray.cli", "serve"] if nodes == 1 else ["benchmarks.chaos.nodes"]
        self._command = [
            *(sys.executable, "-m", *module, "--config", str(config)),
            *("--data", str(self.data), "--port", str(self.port)),
            *([] if nodes == 1 else ["--nodes", str(nodes)]),
        ]

    def start(self, *, lossy: bool = False) -> None:
        """Return when requests are served; ``lossy``: Ray loses some of its own calls."""
        environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
        if self.nodes > 1:
            environment["RAY_AUTH_MODE"] = "token"  # Ray reads it when it is imported
            environment["RAY_AUTH_TOKEN_PATH"] = str(self.data.absolute() / "ray-token")
        if lossy:
            environment["RAY_testing_rpc_failure"] = json.dumps(
                {
                    call: {
                        "num_failures": -1,
                        "req_failure_prob": request,
                        "resp_failure_prob": reply,
                    }
                    for call, (request, reply) in RPC_FAILURES.items()
                }
            )
        self.lives += 1
        with self._log_path.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                env=environment,
            )
        line = self._line(READY)
        if not line:
            self.kill_all()
            raise RuntimeError(f"no server within {_START_S:g} s:\n{self.log()[-4000:]}")

    def tell(self, command: str) -> str:
        """Send a command to a server of several nodes; return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._line("done")

    def stop(self) -> int:
        """Ask the server to stop; return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(_STOP_S)
        self._close()
        return code

    def kill_all(self) -> None:
        """SIGKILL every process of the server, as when the machine is lost."""
        processes = self.processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(10)
        psutil.wait_procs(processes, timeout=20)
        self._close()

    def is_running(self) -> bool:
        """Return whether the first process of the server lives."""
        return self._process.poll() is None

    def processes(self) -> list[psutil.Process]:
        """Return the server's process and all below it."""
        try:
            me = psutil.Process(self._process.pid)
            return [me, *me.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def find(self, mark: str) -> list[psutil.Process]:
        """Return the processes in whose command line ``mark`` is: Ray writes the class there."""
        return [process for process in self.processes() if mark in _command_line(process)]

    def log(self) -> str:
        """Return what it wrote to stderr."""
        return self._log_path.read_text()

    def _close(self) -> None:
        """Close the pipes of a process that has ended."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _line(self, mark: str) -> str:
        """Return the next line on stdout that begins with ``mark``, '' when none comes in time.

        Ray writes there too, when it loses calls.
        """
        assert self._process.stdout is not None
        deadline = time.monotonic() + _START_S
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self._process.stdout], [], [], left)
            line = self._process.stdout.readline() if readable else ""
            if line.startswith(mark) or not line:
                return line.strip()
        return ""


def wait_gone(processes: Sequence[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Return the processes that still live after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while (alive := [p for p in processes if _lives(p)]) and time.monotonic() < deadline:
        time.sleep(0.2)  # there is no event for the end of a process that is not our child
    return alive


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
