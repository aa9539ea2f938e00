"""An implausible run that no task asked for is not made again, by nobody, until more has come."""

from pathlib import Path

import pytest

from imm_ray.dataset.rules import DatasetRules
from imm_ray.settings import Clustering
from imm_ray.store import work
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits


@pytest.fixture
def stopped(tmp_path: Path) -> Owner:
    rules = Clustering(min_entity_count=2, implausible_from=3, implausible_share=0.5)
    owner = Owner(tmp_path, rules=rules)
    owner.holding = DatasetRules(auto=True, min_entity_count=2)
    owner.restart()
    owner.index(portraits("ann", 4))
    owner.drain()
    assert owner.people() == {}
    return owner


def is_work(owner: Owner) -> bool:
    with owner.database.read() as tx:
        return bool(work.datasets_with_work(tx, auto=True))


def test_nobody_is_woken_for_it(stopped: Owner) -> None:
    assert not is_work(stopped)
    stopped.database.close()


def test_a_new_owner_does_not_make_it_again(
    stopped: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped.restart()
    monkeypatch.setattr(type(stopped.figures), "plan", _no_plan)
    assert not stopped.engine.run_new()
    stopped.database.close()


def test_more_files_have_it_made_again(stopped: Owner) -> None:
    stopped.index(portraits("bob", 5) | portraits("cid", 5))
    assert is_work(stopped)
    stopped.restart()
    stopped.drain()
    assert sorted(map(len, stopped.people().values())) == [4, 5, 5]
    assert not is_work(stopped)
    stopped.database.close()


def _no_plan(*args: object, **more: object) -> None:
    raise AssertionError("a run was planned")
