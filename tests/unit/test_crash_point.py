"""A process ends at the named moment, and only there."""

import os
import subprocess
import sys

import pytest

from imm_ray import crash_point

_STEPS = """
from imm_ray import crash_point
for name in ("a", "b", "a"):
    crash_point.reached(name)
    print(name, flush=True)
"""


def _steps(at: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _STEPS],
        env={**os.environ, "IMM_RAY_CRASH_AT": at},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize(
    ("at", "seen"),
    [("a:1", []), ("a:2", ["a", "b"]), ("b:1", ["a"]), ("*:2", ["a"]), ("*:3", ["a", "b"])],
)
def test_process_ends_at_the_named_moment(at: str, seen: list[str]) -> None:
    assert _steps(at) == (crash_point.EXIT_STATUS, seen)


@pytest.mark.parametrize("at", ["c:1", "a:3", "*:4", ""])
def test_process_completes_when_the_moment_never_comes(at: str) -> None:
    assert _steps(at) == (0, ["a", "b", "a"])


@pytest.mark.parametrize("at", ["a", "a:", "a:0", ":1", "a:-1"])
def test_malformed_moment_is_refused(at: str) -> None:
    with pytest.raises(ValueError, match="NAME:N"):
        crash_point.Countdown(at)


def test_watch_sees_the_points_of_its_block_only() -> None:
    names: list[str] = []
    crash_point.reached("before")
    with crash_point.watched(names.append):
        crash_point.reached("inside")
    crash_point.reached("after")
    assert names == ["inside"]
