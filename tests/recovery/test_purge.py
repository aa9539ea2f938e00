"""A purge that dies between any two transactions is finished by whoever comes next."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import func, insert, select

from imm_ray.dataset.engine import Notices
from imm_ray.dataset.purge import purge_datasets
from imm_ray.errors import ResourceNotFound, StatusConflict
from imm_ray.model import Binding, DatasetId, EditKind, Outcome, TaskStatus, TaskType
from imm_ray.store import (
    bindings,
    datasets,
    extent,
    migrate,
    outbox,
    ownership,
    projects,
    purge,
    searchable,
    tables,
    tasks,
    work,
)
from imm_ray.store.database import Database
from imm_ray.store.ownership import DatasetGone
from imm_ray.store.requests import IndexRequest
from imm_ray.testing import ManualClock, face, near, picture, random_vector
from tests.recovery.test_crash import Crash, CrashingDatabase
from tests.unit.dataset.owner import DIMENSION, Owner, tell_request, tell_task

NOTICES = Notices(task=tell_task, request=tell_request)
OF_NO_DATASET = {"duty", "meta", "project", "outbox", "nonce", "writer"}
"""Tables without rows of a dataset; a new table belongs here, or has a ``dataset_id``."""
BY_REFERENCE = {"index_request_file"}
"""Tables whose rows go with the rows that they refer to."""


def portraits(name: str, count: int) -> dict[str, Outcome]:
    base = random_vector(name, DIMENSION)
    shot = random_vector(f"shot {name}", DIMENSION)
    return {
        f"oss://b/{name}{i}": picture(
            f"{name}{i}",
            face(near(base, f"{name}{i}", 0.95)),
            vector=near(shot, f"{name}{i}", 0.97),
        )
        for i in range(count)
    }


def waiting_request(event_id: str) -> IndexRequest:
    told = {"MNS": {"TopicName": "topic"}}
    return IndexRequest(event_id=event_id, request_id="R", batch=True, notification=told)


@pytest.fixture
def full(tmp_path: Path) -> Owner:
    """A dataset with something in every table: two tasks run, and two requests wait."""
    owner = Owner(tmp_path)
    owner.index({**portraits("ann", 3), **portraits("bob", 3), **portraits("cid", 2)})
    owner.cluster()
    owner.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING)
    first, second = sorted(owner.people(), key=lambda cluster_id: len(owner.people()[cluster_id]))[
        :2
    ]
    owner.name(first, "Ann")
    owner.applied(EditKind.MERGE, {"to": first, "from": [second]})
    owner.delete("oss://b/cid0")
    owner.create_task()
    owner.create_task(TaskType.SIMILAR_IMAGE_CLUSTERING)
    for event_id in ("E1", "E2"):
        late = portraits(event_id, 3)
        owner.index(late, request=waiting_request(event_id))
    now = owner.clock()
    with owner.database.write() as tx:
        dataset = datasets.get(tx, "a", "p", "d")
        uri = "oss://b"
        bindings.create(tx, dataset, Binding(uri=uri, created_at=now, updated_at=now))
        pin = {"item_id": "i", "cluster_id": "c", "kind": "pin", "edit_id": "e"}
        tx.execute(insert(tables.figure_constraint).values(dataset_id=owner.dataset_id, **pin))
        sizes = dict.fromkeys(("manifest_bytes", "bytes_in_all", "items", "run"), 1)
        row = {"kind": "figure", "number": 1, "epoch": 1, "manifest": "m", "sha256": "", **sizes}
        tx.execute(
            insert(tables.snapshot).values(dataset_id=owner.dataset_id, created_at=now, **row)
        )
        labels = {"CustomLabels": {"City": "Bonn"}}
        searchable.relabel(tx, owner.dataset_id, {owner.file("oss://b/ann0").file_id: labels})
    return owner


def rows(database: Database) -> Counter[str]:
    """Return how many rows each table has."""
    with database.read() as tx:
        found = {
            table.name: int(tx.scalar(select(func.count()).select_from(table)) or 0)
            for table in tables.metadata.sorted_tables
        }
    return Counter({name: count for name, count in found.items() if count})


def mark(owner: Owner) -> DatasetId:
    with owner.database.write() as tx:
        return purge.mark(tx, "a", "p", "d", owner.clock())


def messages(database: Database, clock: ManualClock) -> list[str]:
    with database.read() as tx:
        return sorted(w.message.body for w in outbox.due(tx, clock(), limit=1000))


def test_the_story_fills_every_table_of_a_dataset(full: Owner) -> None:
    everything = {table.name for table in tables.metadata.sorted_tables}
    with_id = {table.name for table in extent.of_datasets()} | {"dataset", "task"}
    assert everything == with_id | OF_NO_DATASET | BY_REFERENCE
    assert rows(full.database).keys() == everything - (OF_NO_DATASET - {"project", "outbox"})


def test_nothing_is_left_but_tasks_until_they_expire(full: Owner) -> None:
    before = rows(full.database)
    mark(full)
    assert purge_datasets(full.database, notices=NOTICES, clock=full.clock) == 1
    after = rows(full.database)
    kept = {"meta", "alembic_version", "project", "task", "outbox"}
    assert after.keys() <= kept
    assert after["task"] == before["task"]
    assert purge_datasets(full.database, notices=NOTICES, clock=full.clock) == 0
    with full.database.write() as tx:
        tasks.purge(tx, full.clock() + timedelta(days=8), limit=500)
        projects.delete(tx, "a", "p")
    assert "task" not in rows(full.database)


def test_tasks_fail_and_everything_that_waits_is_told(full: Owner) -> None:
    told = messages(full.database, full.clock)
    mark(full)
    purge_datasets(full.database, notices=NOTICES, clock=full.clock)
    with full.database.read() as tx:
        wanted = tasks.TaskFilter(status=TaskStatus.FAILED)
        ended = tasks.page(tx, "a", "p", wanted, alive_since=full.clock.now - timedelta(1), limit=9)
        assert tasks.oldest_running(tx, full.dataset_id) is None
    assert [(task.code, task.message, task.ended_at) for task in ended] == [
        ("ResourceNotFound", "The dataset was purged before the task had ended.", full.clock())
    ] * 2
    news = Counter(messages(full.database, full.clock)) - Counter(told)
    assert sorted(news.elements()) == sorted(
        [
            "Failed",
            "Failed",
            *(
                str(tuple((f"oss://b/{event}{i}", "The file was deleted.") for i in range(3)))
                for event in ("E1", "E2")
            ),
        ]
    )


def test_a_marked_dataset_is_gone_for_everybody(full: Owner) -> None:
    with full.database.read() as tx:
        assert work.datasets_with_work(tx) == [full.dataset_id]
    mark(full)
    with full.database.write() as tx:
        with pytest.raises(ResourceNotFound):
            datasets.get(tx, "a", "p", "d")
        with pytest.raises(ResourceNotFound):
            purge.mark(tx, "a", "p", "d", full.clock())
        assert datasets.by_id(tx, full.dataset_id) is None
        assert datasets.terms(tx, full.dataset_id) is None
        assert datasets.page(tx, "a", "p", limit=9) == []
        assert projects.get(tx, "a", "p").dataset_count == 0
        assert projects.get(tx, "a", "p").file_count == 0
        assert work.datasets_with_work(tx) == []
        assert work.datasets_with_work(tx, auto=True) == []
        assert work.pending_of_account(tx, "a") == 0
        with pytest.raises(StatusConflict):
            projects.delete(tx, "a", "p")


def test_the_owner_of_a_marked_dataset_ends_and_writes_nothing(full: Owner) -> None:
    pending = full.engine.pull(10, [])
    mark(full)
    before = rows(full.database)
    with pytest.raises(DatasetGone):
        full.drain()
    with pytest.raises(DatasetGone):
        full.engine.blame(pending)
    with pytest.raises(DatasetGone), full.database.write() as tx:
        ownership.take(tx, full.dataset_id, "host", 9)
    with pytest.raises(DatasetGone), full.database.write() as tx:
        ownership.place(tx, full.dataset_id, ["host"])
    assert rows(full.database) == before


def test_another_dataset_takes_the_name_and_keeps_its_rows(full: Owner) -> None:
    with full.database.read() as tx:
        old = datasets.get(tx, "a", "p", "d")
    mark(full)
    with full.database.write() as tx:
        datasets.create(tx, replace(old, dataset_id=DatasetId("new"), bind_count=0))
        ownership.place(tx, DatasetId("new"), ["host"])
    purge_datasets(full.database, notices=NOTICES, clock=full.clock)
    with full.database.read() as tx:
        assert datasets.get(tx, "a", "p", "d").dataset_id == "new"
        assert ownership.find(tx, DatasetId("new")) == "host"


def test_a_step_touches_few_rows(full: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "CHUNK", 2)
    dataset_id = mark(full)
    more = True
    while more:
        before = rows(full.database)
        with full.database.write() as tx:
            more = purge.step(
                tx, dataset_id, full.clock(), task_notices=tell_task, request_notices=tell_request
            )
        gone = before - rows(full.database)
        assert sum(gone.values()) <= 2 or set(gone) == {"index_request", "index_request_file"}
    assert "dataset" not in rows(full.database)


def survive(database: CrashingDatabase, clock: ManualClock) -> int:
    """Purge; return how often the process died on the way."""
    deaths = 0
    while True:
        try:
            purge_datasets(database, notices=NOTICES, clock=clock)
        except Crash:
            deaths += 1
        else:
            return deaths


@pytest.fixture
def copies(full: Owner, tmp_path: Path) -> Callable[[str], CrashingDatabase]:
    """Open copies of the database in which the full dataset is marked."""
    mark(full)
    full.database.close()

    def copy(name: str) -> CrashingDatabase:
        to = tmp_path / f"{name}.db"
        shutil.copy(full.url.removeprefix("sqlite:///"), to)
        return CrashingDatabase(f"sqlite:///{to}")

    return copy


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_at_any_transaction(
    full: Owner,
    copies: Callable[[str], CrashingDatabase],
    moment: Literal["before", "after"],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(purge, "CHUNK", 8)
    monkeypatch.setattr(purge, "_TASKS_AT_ONCE", 1)
    monkeypatch.setattr(purge, "_REQUESTS_AT_ONCE", 1)
    calm = copies("calm")
    assert survive(calm, full.clock) == 0
    expected, told = rows(calm), messages(calm, full.clock)
    assert expected.keys() <= OF_NO_DATASET | {"task", "alembic_version"}
    calm.close()
    for at in range(1, calm.writes + 1):
        crashing = copies(f"{moment}{at}")
        crashing.at, crashing.moment = at, moment
        assert survive(crashing, full.clock) == 1
        migrate.require_current(crashing)
        assert rows(crashing) == expected
        assert messages(crashing, full.clock) == told
        crashing.close()
    assert calm.writes > 15
