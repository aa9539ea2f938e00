"""Which transactions a test of crashes dies at: a sample, or all with IMM_RAY_CRASH_POINTS=all.

`tests.recovery.test_every_crash_point` dies at every kind of moment in each run of the tests.
"""

import os
from typing import Literal

_STEP = 1 if os.environ.get("IMM_RAY_CRASH_POINTS") == "all" else 5


def sampled(moment: Literal["before", "after"], *, most: int) -> range:
    """Return numbers of transactions from 1 up to ``most``, others before a commit than after."""
    first = 1 if moment == "before" or _STEP == 1 else 3
    return range(first, most, _STEP)
