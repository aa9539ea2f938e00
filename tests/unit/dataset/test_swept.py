"""What runs leave behind: rows of clusters without any figure, and what nobody was shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from imm_ray.model import ClusterId, EditKind, EditStatus, TaskStatus
from imm_ray.store import tables
from imm_ray.store.database import Database, Tx
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits, uri, uris
from tests.unit.dataset.test_splits import ask_split, cancel

BOB = uris("bob", 0, 1, 2)


def is_stored(owner: Owner, cluster_id: ClusterId) -> bool:
    c = tables.cluster.c
    with owner.database.read() as tx:
        found = tx.scalar(select(c.cluster_id).where(c.cluster_id == cluster_id))
    return found is not None


@pytest.fixture
def known(owner: Owner) -> ClusterId:
    """Bob; the owner has run before, so it looks at what each run names and no further."""
    owner.index(portraits("ann", 4) | portraits("bob", 3))
    owner.cluster()
    return owner.cluster_of(uri("bob", 0))


def test_the_row_of_a_refused_split_is_gone_after_the_run_that_refuses_it(
    owner: Owner, known: ClusterId
) -> None:
    new, edit_id = ask_split(owner, known, *BOB)
    assert is_stored(owner, new)
    assert owner.engine.run_due_edit()
    assert owner.edit(edit_id).status is EditStatus.REFUSED
    assert not is_stored(owner, new)


class Watched(Database):
    """Has somebody look before every write transaction of the owner."""

    look: Callable[[], object] = staticmethod(lambda: None)

    @contextmanager
    def write(self) -> Iterator[Tx]:
        self.look()
        with super().write() as tx:
            yield tx


def test_a_cluster_that_ends_stays_for_the_edit_that_waits_for_it(owner: Owner) -> None:
    """It came when the run that ends the cluster was visible, and had not swept yet."""
    owner.engine_database = database = Watched(owner.url)
    owner.restart()
    owner.index(portraits("ann", 4) | portraits("bob", 3))
    owner.cluster()
    bob = owner.cluster_of(uri("bob", 0))
    owner.delete(*BOB)
    task_id = owner.create_task()
    asked: list[str] = []

    def ask_once() -> None:
        if not asked and owner.task(task_id).status is TaskStatus.SUCCEEDED:
            asked.append(owner.ask(EditKind.NAME, {"cluster_id": bob}))

    database.look = ask_once
    owner.engine.mend()
    assert owner.engine.run_due_task()
    assert owner.edit(asked[0]).status is EditStatus.PENDING
    assert is_stored(owner, bob)
    assert owner.engine.run_due_edit()
    assert owner.edit(asked[0]).status is EditStatus.REFUSED
    assert not is_stored(owner, bob)
    database.close()


def test_what_a_cancelled_run_has_looked_at_stays_out_until_another_covers_it(
    owner: Owner,
) -> None:
    owner.engine_database = database = Watched(owner.url)
    owner.restart()
    owner.index(portraits("ann", 4))
    owner.cluster()
    before = owner.people()
    owner.index(portraits("eve", 3) | portraits("ann", 1, first=4))
    owner.drain()
    task_id = owner.create_task()
    owner.engine.mend()

    def cancel_once() -> None:
        database.look = lambda: None
        cancel(owner, task_id)

    database.look = cancel_once
    owner.engine.run_due_task()
    assert owner.task(task_id).status is TaskStatus.FAILED
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == before
    assert owner.figure(uri("eve", 0)).cluster_id is None
    assert owner.figure(uri("ann", 4)).cluster_id is None
    owner.cluster()
    assert sorted(map(len, owner.people().values())) == [3, 5]
    database.close()
