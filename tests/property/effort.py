"""How hard the property tests look: the same bounded search every time, or a long random one.

``IMM_RAY_PROPERTY=long pytest tests/property`` looks for hours where the default takes a minute.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

LONG = os.environ.get("IMM_RAY_PROPERTY") == "long"

NO_HURRY = pytest.mark.timeout(0 if LONG else 120)


def effort(examples: int, *, steps: int = 20) -> settings:
    """Settings for so many examples, or a hundred times as many and longer ones."""
    return settings(
        deadline=None,
        derandomize=not LONG,
        max_examples=examples * (100 if LONG else 1),
        stateful_step_count=steps * (3 if LONG else 1),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        print_blob=True,
    )
