"""A service in a process of its own, so that limits of the process can be set and lifted.

Run as ``python -m tests.recovery.outage_world FOLDER``: reads one command a line (JSON), answers
each with one line.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.wire.rig import Rig

_LEFT = 3
"""File handles that the event loop of one request needs; a connection needs two more."""


class Process:
    """The service and its limits, from outside."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.outage_world", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def ask(self, command: str, **given: Any) -> Any:
        """Return the answer to a command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def call(self, action: str, **given: Any) -> tuple[int, dict[str, Any]]:
        """Return status and body of a request, which comes with x-acs-retry-after if it has one."""
        status, body = self.ask("call", action=action, given=given)
        return status, body

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def _serve(folder: Path) -> None:
    with Rig(folder) as rig:
        held: list[int] = []
        for line in sys.stdin:
            asked = json.loads(line)
            sys.stdout.write(json.dumps(_answer(rig, held, asked)) + "\n")
            sys.stdout.flush()


def _answer(rig: Rig, held: list[int], asked: dict[str, Any]) -> Any:
    match asked["command"]:
        case "call":
            response = rig.send(rig.request(asked["action"], **asked["given"]))
            body = json.loads(response.body)
            return response.status, body | {
                "retry": int(response.headers.get("x-acs-retry-after", 0))
            }
        case "repeat":
            request = rig.request(asked["action"], **asked["given"])
            return [rig.send(request).status, json.loads(rig.send(request).body)["Code"]]
        case "largest_file":
            most = asked["bytes"] if asked["bytes"] >= 0 else resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        case "hold_files":
            soft = asked["most"]
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
            _take_all(held)
        case "let_files_go":
            while held:
                os.close(held.pop())
        case "new_connections":
            rig.database.engine.dispose()
    return None


def _take_all(held: list[int]) -> None:
    while True:
        try:
            held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            break
    for _ in range(_LEFT):
        os.close(held.pop())


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
