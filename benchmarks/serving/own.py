"""Our own share: the service called without HTTP, one request after the other, stage by stage."""

import asyncio
import functools
import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.result import report
from benchmarks.serving.requests import KINDS, Kind, signed
from tests.wire.rig import HOST, Rig

STAGES = {
    "parse": ("imm_ray.api.service", "parse_request"),
    "verify": ("imm_ray.api.service", "verify"),
    "policy": ("imm_ray.api.policy.gate", "Gate.refusal"),
    "parameters": ("imm_ray.api.service", "_prepared"),
    "nonce": ("imm_ray.store.nonces", "remember"),
    "read": ("imm_ray.api.service", "_run_read"),
    "render clusters": ("imm_ray.api.actions.figures", "figure_cluster_body"),
    "write files": ("imm_ray.store.files", "index"),
    "serialise": ("imm_ray.api.response", "write_json"),
}
"""What is timed by itself. ``read`` holds the SQL, the objects made of it, and the rendering."""


def measure(data: Path, number: int) -> None:
    """Report the milliseconds of each kind of request, and of its stages.

    ``cpu_ms`` is the processor's time of all threads, the client's signing included: other work on
    the machine does not raise it.
    """
    with Rig(data) as rig:
        rig.clock.now = None
        for kind in KINDS:
            wanted = max(int(number * kind.share), 10)
            calls(rig, kind, 5)
            begun = time.process_time()
            total = calls(rig, kind, wanted)
            cpu_ms = (time.process_time() - begun) * 1000
            with timed() as spent:
                calls(rig, kind, wanted)
            report(
                "serving own share",
                action=kind.action,
                requests=wanted,
                p50_ms=round(float(np.percentile(total, 50)), 3),
                p99_ms=round(float(np.percentile(total, 99)), 3),
                cpu_ms=round(cpu_ms / wanted, 3),
                stages_ms={stage: round(ms / wanted, 3) for stage, ms in spent.items()},
            )


def calls(rig: Rig, kind: Kind, number: int) -> list[float]:
    """Return the milliseconds of each call."""

    async def call() -> list[float]:
        taken = []
        for _ in range(number):
            http = signed(kind, HOST)
            begun = time.perf_counter()
            response = await rig.service.handle(http)
            taken.append((time.perf_counter() - begun) * 1000)
            if response.status != 200:
                raise SystemExit(f"{kind.action}: {response.body[:300]!r}")
        return taken

    return asyncio.run(call())


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Yield the milliseconds that each stage has taken in all; stages that are not there are not.

    A stage runs in one thread at a time here, for there is one request at a time.
    """
    spent: dict[str, float] = defaultdict(float)
    with ExitStack() as stack:
        for stage, (module, name) in STAGES.items():
            owner = _owner(module, name)
            if owner is not None:
                attribute = name.rpartition(".")[2]
                wrapped = _timing(getattr(owner, attribute), stage, spent)
                stack.enter_context(patch.object(owner, attribute, wrapped))
        yield spent


def _owner(module: str, name: str) -> Any | None:
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError:
        return None
    outer = name.rpartition(".")[0]
    return getattr(found, outer) if outer else found


def _timing(run: Callable[..., Any], stage: str, spent: dict[str, float]) -> Callable[..., Any]:
    @functools.wraps(run)
    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return run(*args, **kwargs)
        finally:
            spent[stage] += (time.perf_counter() - begun) * 1000

    return timed
