"""Edits that keep coming while a run is made: none may starve it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imm_ray.dataset.door import STALE_RUNS
from imm_ray.dataset.health import ImplausibleRun
from imm_ray.errors import ThrottledUser
from imm_ray.model import EditKind, EditStatus, TaskStatus
from imm_ray.settings import Clustering
from imm_ray.store import door, ownership
from imm_ray.store.database import Database, Tx
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits, uri

MANY = 200


class Busy(Database):
    """Has a client ask for an edit before every write transaction of the owner."""

    owner: Owner | None = None
    asked = 0
    refused = 0

    @contextmanager
    def write(self) -> Iterator[Tx]:
        if self.owner is not None and self.asked < MANY:
            self.asked += 1
            try:
                self.owner.ask_name(self.owner.cluster_of(uri("ann", 0)), f"Ann {self.asked}")
            except ThrottledUser:
                self.refused += 1
        with super().write() as tx:
            yield tx


@pytest.fixture
def busy(owner: Owner) -> Iterator[Busy]:
    """The owner's database; it becomes busy when it is told its owner."""
    database = Busy(owner.url)
    owner.engine_database = database
    owner.restart()
    owner.index(portraits("ann", 3) | portraits("bob", 2))
    owner.cluster()
    yield database
    database.close()


@pytest.fixture
def plans(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each plan of figures."""
    made: list[int] = []
    plan = type(owner.figures).plan

    def counted(collection: object, *args: object, **more: object) -> object:
        if collection is owner.figures:
            made.append(1)
        return plan(collection, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(type(owner.figures), "plan", counted)
    return made


def is_held(owner: Owner) -> bool:
    with owner.database.read() as tx:
        return door.is_held(tx, owner.dataset_id)


def hold(owner: Owner) -> None:
    with owner.database.write() as tx:
        lease = ownership.take(tx, owner.dataset_id, "host", 1)
        door.set_held(tx, lease, held=True)


def test_a_task_ends_though_an_edit_comes_in_every_attempt(
    owner: Owner, busy: Busy, plans: list[int]
) -> None:
    owner.index(portraits("cid", 2))
    owner.drain()
    task_id = owner.create_task()
    plans.clear()
    busy.owner = owner
    assert owner.engine.run_due_task()
    busy.owner = None
    assert busy.refused
    assert owner.task(task_id).status is TaskStatus.SUCCEEDED
    assert sorted(map(len, owner.people().values())) == [2, 2, 3]
    assert not is_held(owner)
    # What was acknowledged was applied, and what was not left nothing.
    assert [edit.status for edit in owner.edits()] == [EditStatus.APPLIED] * (
        busy.asked - busy.refused
    )
    assert owner.names()[owner.cluster_of(uri("ann", 0))].startswith("Ann ")
    assert len(plans) <= 2 * (STALE_RUNS + 1)


def test_an_edit_becomes_visible_though_another_comes_in_every_attempt(
    owner: Owner, busy: Busy, plans: list[int]
) -> None:
    owner.ask(EditKind.CONSOLIDATE, {})
    busy.owner = owner
    owner.engine.run_due_edit()
    busy.owner = None
    assert len(plans) == STALE_RUNS + 1
    assert not is_held(owner)
    assert all(edit.status is EditStatus.APPLIED for edit in owner.edits())


def test_a_stopped_run_opens_the_door(tmp_path: Path) -> None:
    rules = Clustering(min_entity_count=2, implausible_from=5, implausible_share=0.5)
    owner = Owner(tmp_path, rules=rules)
    owner.index(portraits("ann", 9))
    owner.drain()
    task = owner.task(owner.create_task())
    owner.engine._runs._door.knocked(STALE_RUNS)
    assert is_held(owner)
    with pytest.raises(ImplausibleRun):
        owner.engine._runs.run_task(task)
    assert not is_held(owner)
    owner.database.close()


def test_a_new_owner_opens_what_a_dead_one_has_closed(owner: Owner, busy: Busy) -> None:
    hold(owner)
    with pytest.raises(ThrottledUser):
        owner.ask(EditKind.CONSOLIDATE, {})
    owner.restart()
    assert not is_held(owner)
    owner.applied(EditKind.CONSOLIDATE, {})


def test_a_refused_edit_leaves_nothing(owner: Owner, busy: Busy) -> None:
    hold(owner)
    with pytest.raises(ThrottledUser) as refusal:
        owner.ask(EditKind.CONSOLIDATE, {})
    assert refusal.value.retry_after_ms == door.RETRY_AFTER_MS
    assert owner.edits() == []


def test_many_waiting_edits_are_one_run(owner: Owner, busy: Busy, plans: list[int]) -> None:
    ann = owner.cluster_of(uri("ann", 0))
    for _ in range(1100):
        owner.ask(EditKind.NAME, {"cluster_id": ann})
    owner.drain()
    assert plans == [1]
    assert {edit.status for edit in owner.edits()} == {EditStatus.APPLIED}
