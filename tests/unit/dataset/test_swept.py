"""Rows of clusters without any figure: gone after the run that leaves them, unless wanted."""

from pathlib import Path

import pytest
from sqlalchemy import select

from imm_ray.model import ClusterId, EditKind, EditStatus, TaskStatus
from imm_ray.store import tables
from tests.unit.dataset.owner import InterruptedDatabase, Owner
from tests.unit.dataset.photos import portraits, uri, uris
from tests.unit.dataset.test_splits import ask_split

ANN, BOB = uris("ann", 0, 1, 2, 3), uris("bob", 0, 1, 2)


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


def test_the_row_of_a_split_that_waits_stays(owner: Owner, known: ClusterId) -> None:
    """Somebody else's run may look at everything that is left over."""
    new, edit_id = ask_split(owner, known, uri("bob", 0))
    owner.restart()
    owner.drain()
    assert owner.edit(edit_id).status is EditStatus.APPLIED
    assert owner.people()[new] == uris("bob", 0)


STEPS = 16


@pytest.mark.parametrize("step", range(1, STEPS))
def test_a_cluster_that_ends_stays_for_the_edit_that_waits_for_it(
    tmp_path: Path, step: int
) -> None:
    """Whenever in a run the edit comes; once it has ended the row goes too."""
    owner = Owner(tmp_path)
    owner.engine_database = database = InterruptedDatabase(owner.url)
    owner.restart()
    owner.index(portraits("ann", 4) | portraits("bob", 3))
    owner.cluster()
    bob = owner.cluster_of(uri("bob", 0))
    owner.delete(*BOB)
    task_id = owner.create_task()
    edit_ids: list[str] = []
    database.interrupt(step, lambda: edit_ids.append(owner.ask(EditKind.NAME, {"cluster_id": bob})))
    owner.engine.mend()
    assert owner.engine.run_due_task()
    assert owner.task(task_id).status is TaskStatus.SUCCEEDED
    waits = [i for i in edit_ids if owner.edit(i).status is EditStatus.PENDING]
    assert is_stored(owner, bob) or not waits
    owner.drain()
    assert all(owner.edit(edit_id).status is EditStatus.REFUSED for edit_id in edit_ids)
    assert not is_stored(owner, bob)
    assert owner.people() == {owner.cluster_of(uri("ann", 0)): ANN}
    database.close()
    owner.database.close()
