"""Death at every named point: the next life ends the story as an undisturbed one does.

`tests.recovery.crash` has the story, what a client may expect of its end, and the processes. The
default run dies at a sample of all moments, every other time twice in a row; with
``IMM_RAY_CRASH_POINTS=all`` it dies at every moment, with a list of names the first time that each
is reached.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.recovery.crash import points

WANTED = os.environ.get("IMM_RAY_CRASH_POINTS", "")
ALL = WANTED == "all"
ONLY = frozenset() if ALL or not WANTED else frozenset(WANTED.split(","))
DEATH = 137
STRIDE = 1 if ALL else 61
"""One of so many moments is died at."""

pytestmark = pytest.mark.timeout(0 if ALL else 600)


class Zygote:
    """The process from which all lives are forked."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.crash.zygote", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "IMM_RAY_CRASH_AT": "", "OMP_NUM_THREADS": "1"},
        )

    def play(self, *deaths: str) -> dict[str, Any]:
        """Return how the story ends whose lives die at these points, ``NAME:N`` each."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(deaths) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    process = Zygote(tmp_path_factory.mktemp("lives"))
    yield process
    process.close()


@pytest.fixture(scope="module")
def undisturbed(zygote: Zygote) -> dict[str, Any]:
    """How the story ends when nothing dies, and the points that it comes to."""
    return zygote.play()


def test_names_are_unique_and_of_a_known_area() -> None:
    found = Counter(name for name, _ in points.places())
    assert [name for name, times in found.items() if times > 1] == []
    areas = {name.split(".")[0] for name in found}
    assert areas == points.AREAS.keys() | points.ELSEWHERE.keys(), (
        "say in tests/recovery/crash/points.py what an area is, and who dies at its points"
    )
    assert len(found) >= 40
    assert points.table().count("\n") == len(found) + 1


def test_the_story_comes_to_every_point_and_ends_well(undisturbed: dict[str, Any]) -> None:
    assert undisturbed["statuses"] == [0, 0]
    assert undisturbed["wrong"] == []
    named = {name for name, _ in points.places() if name.split(".")[0] in points.AREAS}
    assert set(undisturbed["points"]) == named


def moments(reached: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield where to die."""
    if ONLY:
        yield from ((f"{name}:1",) for name in sorted(ONLY))
        return
    for number in range(STRIDE, len(reached) + 1, STRIDE):
        once, again = f"*:{number}", f"*:{1 + number % 41}"
        if ALL or number // STRIDE % 2:
            yield (once,)
        if ALL or number // STRIDE % 2 == 0:
            yield once, again
    if ALL:
        yield from ((f"{name}:1",) for name in dict.fromkeys(reached))


def test_whenever_it_dies_nothing_is_lost_or_doubled(
    zygote: Zygote, undisturbed: dict[str, Any]
) -> None:
    for deaths in moments(undisturbed["points"]):
        played = zygote.play(*deaths)
        assert played["statuses"][0] == DEATH or "*" in deaths[0], (deaths, played)
        assert set(played["statuses"][:-1]) <= {0, DEATH}, (deaths, played)
        assert played["statuses"][-1] == 0, (deaths, played)
        assert played["wrong"] == [], (deaths, played["points"][-1])
        assert played["partition"] == undisturbed["partition"], (deaths, played["points"][-1])
