"""``python -m benchmarks serving``: requests a second and their times, and our share of them.

A bare FastAPI and uvicorn app that answers a constant is measured in the same run, with the same
requests from the same clients: absolute figures of a shared machine say little, ratios do.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.result import report
from benchmarks.serving import own
from benchmarks.serving.load import send
from benchmarks.serving.requests import KINDS, LONG, on_the_wire
from benchmarks.serving.store import fill
from imm_ray.runtime.port import take_port
from tests.ray.server import ServerProcess, wait_until_steady

CLIENTS = (1, 8, 32)
HAPROXY = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": "131072",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
}
INGRESSES = {"plain": {"RAY_SERVE_ENABLE_HA_PROXY": "0"}, "haproxy": HAPROXY}
"""Ways in, and what Ray must find in its environment when it starts."""

_LIMITS = {"limits": {"max_pending_per_dataset": 10**8, "max_pending_per_account": 10**9}}


def main(arguments: Sequence[str]) -> None:
    """Fill a store, measure in process, then over HTTP."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks serving")
    parser.add_argument("--figures", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=600, help="GetTask of one measurement")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument(
        "--parts",
        default="own,bare,plain,haproxy",
        help="of own, bare, plain, haproxy, joined by commas",
    )
    parser.add_argument("--store", type=Path, help="folder for the filled store, to use it again")
    options = parser.parse_args(arguments)
    tenth = 10 if options.quick else 1
    with TemporaryDirectory() as folder:
        data = options.store or Path(folder) / "data"
        if not (data / "imm.db").exists():
            _fill(data, options.figures // tenth)
        _run(options.parts.split(","), data, options.requests // tenth)


def _fill(data: Path, figures: int) -> None:
    begun = time.perf_counter()
    filled = fill(data, figures)
    report(
        "serving store",
        seconds=round(time.perf_counter() - begun, 1),
        figures=filled.figures,
        files=filled.files,
        clusters=filled.clusters,
        bytes=(data / "imm.db").stat().st_size,
    )


def _run(parts: Sequence[str], data: Path, number: int) -> None:
    if "own" in parts:
        own.measure(data, number)
    if "bare" in parts:
        with _bare() as address:
            _measure("bare", address, number)
    for ingress in (name for name in INGRESSES if name in parts):
        _serve(ingress, data, number)


def _serve(ingress: str, data: Path, number: int) -> None:
    with (
        _environment(INGRESSES[ingress]),
        ServerProcess(data, buckets={}, settings=_LIMITS) as server,
    ):
        _measure(ingress, server.address, number)
        (long,) = on_the_wire(LONG, server.address, 1)
        line = len(long.partition(b"\r\n")[0])
        load = send(server.address, [long], 1)
        report(
            "serving long line",
            server=ingress,
            bytes=line,
            works=load.answers[200] == 1,
            answers=dict(load.answers),
        )


def _measure(server: str, address: str, number: int) -> None:
    for kind in KINDS:
        wait_until_steady(address)
        send(address, on_the_wire(kind, address, 5), 1)
        for clients in CLIENTS:
            wanted = max(int(number * kind.share), 2 * clients)
            load = send(address, on_the_wire(kind, address, wanted), clients)
            report("serving", server=server, action=kind.action, clients=clients, **load.figures())


@contextmanager
def _bare() -> Iterator[str]:
    port = take_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "benchmarks.serving.bare", str(port)]
    process = subprocess.Popen(command)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
