"""A short storm over a real server: nothing acknowledged is lost, nothing doubled, nothing stuck.

The long one is ``.ci/chaos``. The order of the faults and the requests follow from the seed, which
is printed; what happens between them is the machine's.
"""

import os
from pathlib import Path

import pytest

from benchmarks.chaos.command import print_report
from benchmarks.chaos.run import Plan, run

SEED = int(os.environ.get("IMM_RAY_CHAOS_SEED", "20261122"))
FAULTS = ("frozen owner", "embedder", "owner", "inbox", "ingress", "decoder", "controller", "proxy")


@pytest.mark.chaos
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_nothing_is_lost_in_a_storm(tmp_path: Path) -> None:
    plan = Plan(
        folder=tmp_path,
        seed=SEED,
        seconds=75,
        faults=FAULTS,
        pause_s=(0.5, 1.0),
        rebuild=False,
    )
    found = run(plan)
    print(f"seed {SEED}")  # noqa: T201 - shown by pytest when the test fails
    print_report(plan, found)
    assert found.verdict.all() == []
    assert sum(cost.injected for name, cost in found.by_fault.items() if name in FAULTS) >= 4
