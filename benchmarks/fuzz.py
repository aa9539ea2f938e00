"""Does any of many hostile requests make a 5xx, an exception or a lasting use of memory?

Every action of the table gets COUNT requests, made from a good one by the mutations of the tests,
through the whole service (signature, nonce, policy, store) in this process. The same seed makes
the same requests. What is kept shows in the growth of objects; the resident memory also grows by
what the C library's allocator keeps for each of the service's threads, up to a bound.
"""

import argparse
import asyncio
import gc
import json
import logging
import random
import resource
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.result import report
from imm_ray.api.actions.registry import ACTIONS
from tests.security.examples import example
from tests.security.mutation import Signer, mutated
from tests.security.world import OWNER, SECRET, World
from tests.wire.rig import HOST

_WARM = 500


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="requests per action")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--actions", nargs="+", choices=ACTIONS, default=list(ACTIONS))
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)  # tracebacks of what should not have happened
    begun = _rss()
    totals: Counter[str] = Counter()
    with TemporaryDirectory() as folder:
        for action in options.actions:
            totals += _attack(Path(folder) / action, action, options.count, options.seed)
    report(
        "fuzz",
        action="all",
        requests=totals.total(),
        answers=dict(sorted(totals.items())),
        server_errors=_server_errors(totals),
        rss_growth_mb=round((_rss() - begun) / 2**20, 1),
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
    if _server_errors(totals):
        raise SystemExit(1)


def _attack(folder: Path, action: str, count: int, seed: int) -> Counter[str]:
    """Send ``count`` requests to a service of their own, and report."""
    folder.mkdir()
    chance = random.Random(f"{seed} {action}")
    answers: Counter[str] = Counter()
    slowest, warm = 0.0, min(_WARM, count // 2)
    limits = {"requests_per_second": 0}
    with World(folder, limits=limits) as world, asyncio.Runner() as runner:
        good = example(action, world.fill())
        signer = Signer(HOST, OWNER, SECRET, world.clock)
        begun, marks, objects = time.perf_counter(), dict[int, int](), 0
        for number in range(count):
            if number in (warm, count // 2):
                marks[number] = _rss()
                objects = len(gc.get_objects())
            http = mutated(signer, action, good, chance)
            sent = time.perf_counter()
            response = runner.run(world.service.handle(http))
            slowest = max(slowest, time.perf_counter() - sent)
            code = json.loads(response.body).get("Code", "")
            answers[f"{response.status} {code}".strip()] += 1
        seconds = time.perf_counter() - begun
        end = _rss()
        objects = len(gc.get_objects()) - objects
    report(
        "fuzz",
        action=action,
        requests=count,
        answers=dict(sorted(answers.items())),
        server_errors=_server_errors(answers),
        requests_per_s=round(count / seconds),
        slowest_ms=round(slowest * 1000),
        rss_growth_mb=round((end - marks[warm]) / 2**20, 1),
        objects_growth_second_half=objects,
        rss_growth_second_half_mb=round((end - marks[count // 2]) / 2**20, 1),
    )
    return answers


def _server_errors(answers: Counter[str]) -> int:
    return sum(number for answer, number in answers.items() if answer.startswith("5"))


def _rss() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)
