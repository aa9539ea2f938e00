"""Every seeded bug still fits the module that it changes, and names tests that there are."""

from pathlib import Path

import pytest

import imm_ray
from benchmarks.mutants.catalogue import MUTANTS
from benchmarks.mutants.mutant import Mutant, NoLongerThere
from tests.recovery.crash import points

ROOT = Path(imm_ray.__file__).parents[1]
POINTS = frozenset(name for name, _ in points.places())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_seeded(mutant: Mutant) -> None:
    healthy = (ROOT / "imm_ray" / mutant.module).read_text()
    seeded = mutant.applied(healthy)
    assert seeded != healthy
    compile(seeded, mutant.module, "exec")
    assert mutant.tests or mutant.points
    for tests in mutant.tests:
        path, _, name = tests.partition("::")
        assert f"def {name.partition('[')[0]}" in (ROOT / path).read_text()
    assert set(mutant.points) <= POINTS


def test_there_are_enough_and_each_has_a_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30


def test_a_text_that_is_gone_is_refused() -> None:
    mutant = Mutant(name="old", module="m.py", changes=(("gone", "bug"),))
    with pytest.raises(NoLongerThere, match="stands 0 times"):
        mutant.applied("something else")
