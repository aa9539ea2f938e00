"""A fenced owner: whatever it still tries to write, it is stopped and nothing is stored."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from imm_ray.model import (
    ClusterEvent,
    ClusterId,
    ClusterKind,
    Constraint,
    ConstraintKind,
    EditStatus,
    EventKind,
    FileId,
    Refused,
    Retirement,
)
from imm_ray.store import (
    constraints,
    door,
    edits,
    lineage,
    ownership,
    people,
    results,
    staging,
    tables,
    work,
)
from imm_ray.store.database import Tx
from imm_ray.store.edits import SettledEdit
from imm_ray.store.ownership import DatasetGone, Fenced, Lease
from imm_ray.store.results import PendingFile, Result
from imm_ray.store.staging import Move, RunEnd, StatedCluster
from tests.unit.dataset.owner import Owner, tell_request, tell_task
from tests.unit.dataset.photos import portraits, uri

KIND = ClusterKind.FIGURE
CLUSTER = ClusterId("Cluster-new")


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    owner = Owner(tmp_path)
    with closing(owner.database):
        owner.index(portraits("ann", 2))
        owner.cluster()
        owner.index(portraits("bob", 1))
        yield owner


def _waiting(owner: Owner) -> PendingFile:
    with owner.database.read() as tx:
        return results.pending(tx, owner.dataset_id, limit=1)[0]


def _end(owner: Owner) -> RunEnd:
    return RunEnd(watermark=9, edits_until=99, at=owner.clock())


def _settled() -> SettledEdit:
    return SettledEdit(edit_id="E", status=EditStatus.APPLIED, reason="", effect={})


def _move(owner: Owner) -> Move:
    figure = owner.figure(uri("ann", 0))
    return Move(figure.figure_id, figure.file_id, CLUSTER, 1.0)


def _pin(owner: Owner) -> Constraint:
    figure = owner.figure(uri("ann", 0))
    return Constraint(figure.figure_id, CLUSTER, ConstraintKind.PIN, "E")


Write = Callable[[Tx, Lease, Owner], Any]
_EVENT = ClusterEvent(EventKind.BORN, CLUSTER, ClusterId(""), ())

WRITES: dict[str, Write] = {
    "results": lambda tx, lease, owner: results.commit(
        tx, lease, [Result(_waiting(owner), Refused("no"))], owner.clock(), tell_request
    ),
    "attempts": lambda tx, lease, owner: results.count_attempt(
        tx, lease, [FileId(_waiting(owner).file_id)]
    ),
    "discard": lambda tx, lease, owner: staging.discard(tx, lease, KIND, 0),
    "places": lambda tx, lease, owner: staging.stage_members(tx, lease, KIND, 2, [_move(owner)]),
    "states": lambda tx, lease, owner: staging.stage_states(
        tx, lease, KIND, 2, [StatedCluster(CLUSTER, "", True)], owner.clock()
    ),
    "publish": lambda tx, lease, owner: staging.publish(tx, lease, KIND, 2, _end(owner), tell_task),
    "sweep": lambda tx, lease, owner: staging.sweep(tx, lease, KIND, 99),
    "clusters": lambda tx, lease, owner: staging.sweep_clusters(tx, lease, KIND, 99, [CLUSTER]),
    "history": lambda tx, lease, owner: lineage.stage(
        tx, lease, KIND, 2, [_EVENT], 0, now=owner.clock()
    ),
    "ends": lambda tx, lease, owner: lineage.retire(
        tx,
        lease,
        KIND,
        2,
        [Retirement(owner.cluster_of(uri("ann", 0)), CLUSTER)],
        owner.clock(),
    ),
    "returns": lambda tx, lease, owner: lineage.restore(tx, lease, KIND, 2, [CLUSTER]),
    "edits": lambda tx, lease, owner: edits.settle(tx, lease, 2, [_settled()], owner.clock()),
    "constraints": lambda tx, lease, owner: constraints.change(
        tx, lease, added=[_pin(owner)], removed=[]
    ),
    "heirs": lambda tx, lease, owner: people.inherit(tx, lease, []),
    "deletes": lambda tx, lease, owner: work.mended(tx, lease, 1),
    "tombstones": lambda tx, lease, owner: work.forget_tombstones(tx, lease, limit=1),
    "stop": lambda tx, lease, owner: work.stopped(tx, lease, 1),
    "door": lambda tx, lease, owner: door.set_held(tx, lease, held=True),
    "renewal": lambda tx, lease, owner: ownership.renew(tx, lease),
    "release": lambda tx, lease, owner: ownership.release(tx, lease),
}


def stored(owner: Owner) -> dict[str, list[Any]]:
    with owner.database.read() as tx:
        return {
            table.name: [tuple(row) for row in tx.execute(table.select())]
            for table in tables.metadata.sorted_tables
        }


def lease_of(owner: Owner, *, older_by: int = 0) -> Lease:
    o = tables.ownership.c
    with owner.database.read() as tx:
        (epoch,) = tx.scalars(tables.ownership.select().with_only_columns(o.epoch))
    return Lease(owner.dataset_id, epoch - older_by)


@pytest.mark.parametrize("name", WRITES)
def test_an_owner_of_an_older_epoch_writes_nothing(owner: Owner, name: str) -> None:
    owner.restart()
    before = stored(owner)
    with pytest.raises(Fenced), owner.database.write() as tx:
        WRITES[name](tx, lease_of(owner, older_by=1), owner)
    assert stored(owner) == before


@pytest.mark.parametrize("name", WRITES)
def test_the_owner_of_a_deleted_dataset_writes_nothing(owner: Owner, name: str) -> None:
    lease = lease_of(owner)
    with owner.database.write() as tx:
        tx.execute(tables.ownership.delete())
    before = stored(owner)
    with pytest.raises(DatasetGone), owner.database.write() as tx:
        WRITES[name](tx, lease, owner)
    assert stored(owner) == before


def test_a_lapsed_lease_is_taken_over_by_an_older_cluster_and_a_held_one_is_not(
    owner: Owner,
) -> None:
    with owner.database.write() as tx:
        newer = ownership.take(tx, owner.dataset_id, "new", 7)
    with pytest.raises(Fenced), owner.database.write() as tx:
        ownership.take(tx, owner.dataset_id, "old", 6)
    with owner.database.write() as tx:
        ownership.release(tx, newer)
    with owner.database.write() as tx:
        assert ownership.take(tx, owner.dataset_id, "old", 6).epoch == newer.epoch + 1
