"""Writing a clustering run: staged in short transactions, visible by one update.

Notes
-----
Order of a run, each step its own transaction (or several, of at most `CHUNK` rows):

1. `discard` what a crashed run left beyond the visible run.
2. `stage_members`: close the rows that end with the visible run, open new ones.
3. `lineage.restore`: clusters come back, before their states.
4. `stage_states`: as 2 for the clusters, whose counts are read from the staged members, so that a
   delete between 2 and 4 is counted.
5. `lineage.retire` and `lineage.stage`: who is whose heir, and what happened.
6. `publish`: the run becomes visible in the transaction that ends its task and its edits.
7. `sweep` rows that no visible run needs any more, and `sweep_clusters` that have no state left.

Only what a run names can end with it, so 7 looks at that alone; `leftovers` finds what earlier
owners have left behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Exists,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from imm_ray.errors import ResourceNotFound
from imm_ray.model import (
    NO_CLUSTER,
    ClusterId,
    ClusterKind,
    Constraint,
    DatasetId,
    EditStatus,
    FileId,
    JsonObject,
    Task,
    TaskStatus,
)
from imm_ray.store import constraints, edits, lineage, people, tables, tasks
from imm_ray.store.columns import unindexed
from imm_ray.store.database import Tx
from imm_ray.store.edits import SettledEdit
from imm_ray.store.ownership import Lease, check
from imm_ray.store.tables import FOREVER

CHUNK = 500


class EditsArrived(Exception):
    """An edit was acknowledged that the run does not know of; plan it again with the edit."""


@dataclass(frozen=True, slots=True)
class Move:
    """One item's new place: a cluster, or ``NO_CLUSTER``."""

    item_id: str
    file_id: FileId
    cluster_id: ClusterId
    confidence: float


@dataclass(frozen=True, slots=True)
class StatedCluster:
    """One cluster that a run makes or changes, with the item to show for it."""

    cluster_id: ClusterId
    cover_item: str
    """'' if the run leaves it without items."""
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """What becomes true together with a run."""

    watermark: int
    """The kind's processed mark from now on."""
    task: Task | None = None
    """The ended task; None for a run that no task asked for."""
    edits: Sequence[SettledEdit] = ()
    added: Sequence[Constraint] = ()
    removed: Sequence[Constraint] = ()
    inheritances: Sequence[people.Inheritance] = ()
    ledger: JsonObject = field(default_factory=dict)
    """What the run has cost, for the tasks that end with its edits."""
    edits_until: int
    """The seq of the last edit that the run applies, 0 for none. One that waits beyond it makes the
    run stale, whenever it came."""
    at: datetime


def discard(tx: Tx, lease: Lease, kind: ClusterKind, visible: int) -> bool:
    """Undo some rows staged beyond ``visible``; return whether there were any.

    Rows of `cluster` itself stay: without a state nobody sees them; `sweep_clusters` takes them.
    """
    check(tx, lease)
    m, s, r = tables.membership, tables.cluster_state, tables.retired_cluster
    for table, key, first in (
        (m, m.c.item_id, m.c.from_run),
        (s, s.c.cluster_id, s.c.from_run),
        (r, r.c.cluster_id, r.c.run),
    ):
        mine = (table.c.dataset_id == lease.dataset_id, table.c.kind == kind)
        gone = _delete_some(tx, table, key, [*mine, first > visible])
        closed = (*mine, table.c.to_run > visible, table.c.to_run < FOREVER)
        reopen = select(key).where(*closed).limit(CHUNK)
        opened = tx.execute(update(table).where(*closed, key.in_(reopen)).values(to_run=FOREVER))
        if gone + opened.rowcount > 0:
            return True
    v = tables.cluster_event
    staged = [v.c.dataset_id == lease.dataset_id, v.c.kind == kind, v.c.run > visible]
    return _delete_some(tx, v, v.c.position, staged) > 0


def _delete_some(tx: Tx, table: Table, key: Column[Any], where: Sequence[Any]) -> int:
    some = select(key).where(*where).limit(CHUNK)
    return tx.execute(delete(table).where(*where, key.in_(some))).rowcount


def stage_members(tx: Tx, lease: Lease, kind: ClusterKind, run: int, moves: Sequence[Move]) -> None:
    """Stage new places; items whose file was deleted meanwhile are left out."""
    check(tx, lease)
    m, f = tables.membership, tables.file
    mine = (m.c.dataset_id == lease.dataset_id, m.c.kind == kind)
    moved = [move.item_id for move in moves]
    tx.execute(update(m).where(*mine, m.c.item_id.in_(moved), _is_open(m)).values(to_run=run))
    alive = set(
        tx.scalars(select(f.c.file_id).where(f.c.file_id.in_({move.file_id for move in moves})))
    )
    rows = [
        {
            "dataset_id": lease.dataset_id,
            "kind": kind,
            "item_id": move.item_id,
            "from_run": run,
            "to_run": FOREVER,
            "cluster_id": move.cluster_id,
            "file_id": move.file_id,
            "confidence": move.confidence,
        }
        for move in moves
        if move.cluster_id != NO_CLUSTER and move.file_id in alive
    ]
    if rows:
        tx.execute(insert(m), rows)


def stage_states(
    tx: Tx,
    lease: Lease,
    kind: ClusterKind,
    run: int,
    clusters: Sequence[StatedCluster],
    now: datetime,
) -> None:
    """Stage the counts of clusters that the run makes, changes or (no member left) dissolves.

    A cluster whose items were all deleted since the run was planned gets an empty state: nobody
    sees it, and a later run finds it and tells of its end (`loading.emptied`).
    """
    check(tx, lease)
    c, s = tables.cluster, tables.cluster_state
    fresh = [cluster for cluster in clusters if cluster.is_new]
    if fresh:
        rows = [_new_row(lease.dataset_id, kind, cluster.cluster_id, now) for cluster in fresh]
        tx.execute(insert(c), rows)
    ids = [cluster.cluster_id for cluster in clusters]
    mine = (s.c.dataset_id == lease.dataset_id, s.c.kind == kind)
    tx.execute(update(s).where(*mine, s.c.cluster_id.in_(ids), _is_open(s)).values(to_run=run))
    counts = _counts(tx, lease.dataset_id, kind, ids)
    covers = {
        cluster.cluster_id: _living_cover(tx, lease.dataset_id, kind, cluster)
        for cluster in clusters
        if cluster.cover_item and cluster.cluster_id in counts
    }
    states = [
        {
            "dataset_id": lease.dataset_id,
            "kind": kind,
            "cluster_id": cluster.cluster_id,
            "from_run": run,
            "to_run": FOREVER,
            "item_count": counts.get(cluster.cluster_id, (0, 0))[0],
            "image_count": counts.get(cluster.cluster_id, (0, 0))[1],
            "cover_item": covers.get(cluster.cluster_id, ""),
            "updated_at": now,
        }
        for cluster in clusters
        if cluster.cluster_id in counts or cluster.cover_item
    ]
    if states:
        tx.execute(insert(s), states)


def publish(
    tx: Tx, lease: Lease, kind: ClusterKind, run: int, end: RunEnd, notices: tasks.Notices
) -> bool:
    """Make ``run`` visible, end its task and its edits and change the constraints, all at once.

    Return False, with nothing changed, when the task had ended otherwise. A run of similar images
    depends on no edit, so none can make it stale.

    Raises
    ------
    EditsArrived
        An edit waits that came after ``end.edits_until``. Nothing was written.
    Fenced
    """
    check(tx, lease)
    d = tables.dataset
    # Holds the dataset's row, so that no seq is given out until the end of the transaction.
    tx.execute(select(d.c.seq).where(d.c.dataset_id == lease.dataset_id).with_for_update())
    if kind is ClusterKind.FIGURE and edits.pending_after(tx, lease.dataset_id, end.edits_until):
        raise EditsArrived(
            f"dataset {lease.dataset_id} has edits after seq {end.edits_until} that run {run} does "
            "not know: discard the run and plan it again"
        )
    if end.task is not None:
        assert end.task.ended_at is not None
        if not tasks.finish(tx, end.task, notices, end.at):
            return False
    marks = (
        {"figure_run": run, "figure_watermark": end.watermark}
        if kind is ClusterKind.FIGURE
        else {"similar_run": run, "similar_watermark": end.watermark}
    )
    tx.execute(update(d).where(d.c.dataset_id == lease.dataset_id).values(**marks))
    edits.settle(tx, lease, run, end.edits, end.at)
    for edit in end.edits:
        _end_task_of(tx, lease.dataset_id, edit, end, notices)
    constraints.change(tx, lease, added=end.added, removed=end.removed)
    people.inherit(tx, lease, end.inheritances)
    return True


def _end_task_of(
    tx: Tx, dataset_id: DatasetId, edit: SettledEdit, end: RunEnd, notices: tasks.Notices
) -> None:
    """End the task that waits for an edit, as the edit ends; a cancelled one stays cancelled."""
    task = tasks.of_dataset(tx, dataset_id, edit.task_id) if edit.task_id else None
    if task is None:
        return
    if edit.status is EditStatus.REFUSED:
        tasks.fail(tx, task, ResourceNotFound.code, edit.reason, end.at, notices)
        return
    ended = replace(
        task, status=TaskStatus.SUCCEEDED, progress=100, ended_at=end.at, ledger=end.ledger
    )
    tasks.finish(tx, ended, notices, end.at)


def sweep(tx: Tx, lease: Lease, kind: ClusterKind, visible: int) -> bool:
    """Delete some places and states that ended before ``visible``; return whether any did."""
    check(tx, lease)
    m, s = tables.membership, tables.cluster_state
    swept = 0
    for table, key in ((m, m.c.item_id), (s, s.c.cluster_id)):
        mine = [table.c.dataset_id == lease.dataset_id, table.c.kind == kind]
        swept += _delete_some(tx, table, key, [*mine, table.c.to_run <= visible])
    return swept > 0


def leftovers(tx: Tx, dataset_id: DatasetId, kind: ClusterKind, visible: int) -> set[ClusterId]:
    """Return the clusters that `sweep_clusters` may have to look at; looks at all.

    A run that was given up has made some; of others an owner died before it could sweep them.
    """
    c, r = tables.cluster.c, tables.retired_cluster.c
    stateless = select(c.cluster_id).where(
        c.dataset_id == dataset_id, c.kind == kind, ~_has_state(dataset_id, kind, visible)
    )
    ended = select(r.cluster_id).where(
        r.dataset_id == dataset_id, r.kind == kind, r.to_run <= visible
    )
    return {ClusterId(i) for query in (stateless, ended) for i in tx.scalars(query)}


def sweep_clusters(
    tx: Tx, lease: Lease, kind: ClusterKind, visible: int, cluster_ids: Sequence[ClusterId]
) -> set[ClusterId]:
    """Delete those clusters of which no state is left, unless an edit that waits names them.

    What a retired one needs to be restored stays; of others, whose last item was deleted, nothing.
    Return those that an edit has spared: they are to be looked at again.
    """
    check(tx, lease)
    c, r = tables.cluster, tables.retired_cluster
    retired_here = (r.c.dataset_id == lease.dataset_id, r.c.cluster_id.in_(cluster_ids))
    tx.execute(delete(r).where(*retired_here, r.c.kind == kind, r.c.to_run <= visible))
    # Ids are unique; a condition on the dataset would have SQLite walk all of its clusters.
    stateless = select(c.c.cluster_id).where(
        c.c.cluster_id.in_(cluster_ids), ~_has_state(lease.dataset_id, kind, visible)
    )
    found = set(map(ClusterId, tx.scalars(stateless)))
    if not found:
        return found
    # Asked afterwards: a split makes its cluster together with its edit.
    spared = found & edits.mentioned(tx, lease.dataset_id)
    gone = found - spared
    retired = set(map(ClusterId, tx.scalars(select(r.c.cluster_id).where(*retired_here))))
    lineage.forget(tx, lease.dataset_id, gone - retired)
    tx.execute(delete(c).where(c.c.cluster_id.in_(gone)))
    return spared


def _has_state(dataset_id: DatasetId, kind: ClusterKind, visible: int) -> Exists:
    """Return the condition that a cluster of the query has a state that has not ended."""
    s = tables.cluster_state.c
    return exists().where(
        s.dataset_id == dataset_id,
        s.kind == kind,
        s.cluster_id == tables.cluster.c.cluster_id,
        unindexed(s.to_run) > visible,
    )


def _is_open(table: Table) -> ColumnElement[bool]:
    """Return the condition that a row does not end with any run."""
    condition: ColumnElement[bool] = unindexed(table.c.to_run) == FOREVER
    return condition


def _new_row(
    dataset_id: DatasetId, kind: ClusterKind, cluster_id: ClusterId, now: datetime
) -> dict[str, object]:
    return {
        "cluster_id": cluster_id,
        "dataset_id": dataset_id,
        "kind": kind,
        "custom_labels": {},
        "created_at": now,
    }


def _living_cover(tx: Tx, dataset_id: DatasetId, kind: ClusterKind, cluster: StatedCluster) -> str:
    """Return the cover, or, if its file was deleted since the run was planned, the best member."""
    m, g = tables.membership.c, tables.figure.c
    members = (
        select(m.item_id)
        .outerjoin(tables.figure, g.figure_id == m.item_id)
        .where(
            m.dataset_id == dataset_id,
            m.kind == kind,
            m.cluster_id == cluster.cluster_id,
            _is_open(tables.membership),
        )
    )
    if tx.scalar(members.where(m.item_id == cluster.cover_item)) is not None:
        return cluster.cover_item
    return tx.scalar(members.order_by(g.quality.desc().nulls_last(), m.item_id).limit(1)) or ""


def _counts(
    tx: Tx, dataset_id: DatasetId, kind: ClusterKind, ids: Sequence[ClusterId]
) -> dict[str, tuple[int, int]]:
    m = tables.membership.c
    query = (
        select(m.cluster_id, func.count(), func.count(m.file_id.distinct()))
        .where(
            m.dataset_id == dataset_id,
            m.kind == kind,
            m.cluster_id.in_(list(ids)),
            _is_open(tables.membership),
        )
        .group_by(m.cluster_id)
    )
    return {row[0]: (row[1], row[2]) for row in tx.execute(query)}
