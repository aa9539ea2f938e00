"""What publishing a run costs the database."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from imm_ray.model import EditKind, EditStatus, FileStatus, TaskType
from imm_ray.store import tables
from imm_ray.store.tables import FOREVER
from tests.unit.dataset.owner import InterruptedDatabase, Owner
from tests.unit.dataset.photos import portraits, shots, uri

SIMILAR = TaskType.SIMILAR_IMAGE_CLUSTERING


class Steps:
    """Counts the steps of SQLite's virtual machine, in tens."""

    def __init__(self, owner: Owner) -> None:
        self.count = 0
        event.listen(owner.engine_database.engine, "checkout", self._watch)

    def _watch(self, dbapi: Any, *_: object) -> None:
        dbapi.set_progress_handler(self._step, 10)

    def _step(self) -> int:
        self.count += 1
        return 0


def add_strangers(owner: Owner, kind: str, count: int) -> None:
    """Give the dataset clusters that no run touches, and as many that were merged away."""
    now = owner.clock()
    facts = {"dataset_id": owner.dataset_id, "kind": kind}
    named = {"custom_labels": {}, "created_at": now}
    with owner.database.write() as tx:
        ids = [f"{kind} {number}" for number in range(count)]
        tx.execute(
            insert(tables.file),
            [
                {
                    "dataset_id": owner.dataset_id,
                    "file_id": cluster,
                    "uri": f"oss://b/{cluster}",
                    "revision": 1,
                    "seq": 1,
                    "status": FileStatus.SUCCEEDED,
                    "attributes": {},
                    "exif": {},
                    "created_at": now,
                    "updated_at": now,
                }
                for cluster in ids
            ],
        )
        tx.execute(
            insert(tables.membership),
            [
                {
                    **facts,
                    "item_id": cluster,
                    "from_run": 1,
                    "to_run": FOREVER,
                    "cluster_id": cluster,
                    "file_id": cluster,
                    "confidence": 1.0,
                }
                for cluster in ids
            ],
        )
        tx.execute(
            insert(tables.cluster), [{**facts, **named, "cluster_id": cluster} for cluster in ids]
        )
        tx.execute(
            insert(tables.cluster_state),
            [
                {
                    **facts,
                    "cluster_id": cluster,
                    "from_run": 1,
                    "to_run": FOREVER,
                    "item_count": 2,
                    "image_count": 2,
                    "updated_at": now,
                }
                for cluster in ids
            ],
        )
        tx.execute(
            insert(tables.retired_cluster),
            [
                {
                    **facts,
                    **named,
                    "cluster_id": f"former {cluster}",
                    "run": 1,
                    "to_run": FOREVER,
                    "into_id": cluster,
                    "at": now,
                }
                for cluster in ids
            ],
        )


@pytest.mark.parametrize(
    "task_type", [TaskType.FIGURE_CLUSTERING, TaskType.SIMILAR_IMAGE_CLUSTERING]
)
def test_the_cost_of_deletes_and_of_a_run_follows_what_they_change(
    owner: Owner, task_type: TaskType
) -> None:
    steps = Steps(owner)
    costs = []
    owner.index(portraits("ann", 3) | portraits("bob", 2) | shots("sea", 3))
    owner.cluster(task_type)
    add_strangers(owner, task_type.kind, 4_000)
    for number in (3, 4):
        owner.index(portraits("ann", 1, first=number) | shots("sea", 1, first=number))
        owner.drain()
        before = steps.count
        owner.delete(uri("ann", number - 3), uri("sea", number - 3))
        owner.cluster(task_type)
        costs.append(steps.count - before)
    # Looking at 4,000 rows takes four steps for each at least, however few columns are asked for.
    assert max(costs) < 1_000, costs


def rows(owner: Owner) -> set[str]:
    with owner.database.read() as tx:
        return set(tx.scalars(select(tables.cluster.c.cluster_id)))


def test_a_cluster_that_an_edit_has_spared_goes_when_the_edit_has_ended(owner: Owner) -> None:
    owner.index(portraits("ann", 2) | shots("sea", 2) | shots("sky", 2))
    owner.cluster(SIMILAR)
    (sea,) = (i for i, files in owner.groups().items() if uri("sea", 0) in files)
    owner.delete(uri("sea", 0), uri("sea", 1))
    edit_id = owner.ask(EditKind.NAME, {"cluster_id": sea})
    # A run of pictures does not wait for edits.
    task_id = owner.create_task(SIMILAR)
    owner.engine.mend()
    owner.engine._runs.run_task(owner.task(task_id))
    assert owner.edit(edit_id).status is EditStatus.PENDING
    assert rows(owner) == {*owner.groups(), sea}
    owner.drain()
    owner.cluster(SIMILAR)
    assert rows(owner) == set(owner.groups())


@pytest.mark.parametrize("restarted", [False, True])
def test_the_rows_of_a_run_that_was_planned_again_go(tmp_path: Path, restarted: bool) -> None:
    owner = Owner(tmp_path)
    with closing(owner.database), closing(InterruptedDatabase(owner.url)) as database:
        owner.engine_database = database
        owner.restart()
        owner.index(portraits("ann", 2))
        owner.cluster()
        owner.index(portraits("bob", 2))
        owner.drain()
        owner.create_task()
        ann = owner.cluster_of(uri("ann", 0))
        # Members and states of Bob are staged when a name for Ann makes the run stale.
        database.interrupt(3, lambda: owner.ask_name(ann, "Ann"))
        owner.drain()
        assert database.interrupted
        if restarted:
            owner.restart()
            owner.cluster()
        assert rows(owner) == set(owner.people())
        assert len(owner.people()) == 2
