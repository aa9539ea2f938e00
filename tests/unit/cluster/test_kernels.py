import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from imm_ray.cluster import kernels

TOTALS = st.integers(-(2**62), 2**62)
PAIRS = st.integers(1, 2**34)


@settings(deadline=None)
@given(a=TOTALS, b=PAIRS, c=TOTALS, d=PAIRS, scale=st.integers(1, 2**10))
@example(a=2**62 - 1, b=2**34 - 1, c=2**62, d=2**34, scale=1)
@example(a=-(2**60), b=3, c=-(2**60) - 1, d=3, scale=1)
def test_means_compare_as_exact_fractions(a: int, b: int, c: int, d: int, scale: int) -> None:
    # As in a cluster, a mean is at most 2**29.
    a, c = max(min(a, b * 2**29), -b * 2**29), max(min(c, d * 2**29), -d * 2**29)
    gap = Fraction(a, b) - Fraction(c, d)
    assert kernels._compare(a, b, c, d) == (gap > 0) - (gap < 0)
    if abs(a) <= 2**52 and b <= 2**24:
        assert kernels._compare(a, b, a * scale, b * scale) == 0
        assert kernels._compare(a, b, a * scale + 1, b * scale) == -1


def test_kernels_are_cached_where_the_environment_says(tmp_path: Path) -> None:
    code = (
        "import numpy as np; from imm_ray.cluster.component_kernels import roots;"
        "print(roots(np.array([0, 0, 1], np.int32), np.array([2])).tolist())"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    root = Path(__file__).parents[3]
    output = subprocess.check_output([sys.executable, "-c", code], env=environment, cwd=root)
    assert output.decode().strip() == "[0]"
    assert list(tmp_path.rglob("component_kernels.roots-*.nbi"))
