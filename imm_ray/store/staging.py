"""Writing a clustering run: staged in short transactions, visible by one update.

Notes
-----
Order of a run, each step its own transaction (or several, of at most `CHUNK` rows):

1. `discard` what a crashed run left beyond the visible run.
2. `stage_members`: close the rows that end with the visible run, open new ones.
3. `stage_states`: the same for the clusters, whose counts are read from the staged members, so that
   a delete between 2 and 3 is counted.
4. `publish`: the run becomes visible in the transaction that ends its task.
5. `sweep` rows that no visible run needs any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, false, func, insert, select, update

from imm_ray.model import NO_CLUSTER, ClusterId, ClusterKind, DatasetId, FileId, Task
from imm_ray.store import tables, tasks
from imm_ray.store.database import Tx
from imm_ray.store.ownership import Lease, check
from imm_ray.store.tables import FOREVER

CHUNK = 500


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
    is_new: bool


def discard(tx: Tx, lease: Lease, kind: ClusterKind, visible: int) -> bool:
    """Undo some rows staged beyond ``visible``; return whether there were any."""
    check(tx, lease)
    left = False
    for table, key in (
        (tables.membership, tables.membership.c.item_id),
        (tables.cluster_state, tables.cluster_state.c.cluster_id),
    ):
        mine = (table.c.dataset_id == lease.dataset_id, table.c.kind == kind)
        staged = select(key).where(*mine, table.c.from_run > visible).limit(CHUNK)
        gone = tx.execute(delete(table).where(*mine, table.c.from_run > visible, key.in_(staged)))
        closed = (*mine, table.c.to_run > visible, table.c.to_run < FOREVER)
        reopen = select(key).where(*closed).limit(CHUNK)
        opened = tx.execute(update(table).where(*closed, key.in_(reopen)).values(to_run=FOREVER))
        left = left or gone.rowcount + opened.rowcount > 0
    return left


def stage_members(tx: Tx, lease: Lease, kind: ClusterKind, run: int, moves: Sequence[Move]) -> None:
    """Stage new places; items whose file was deleted meanwhile are left out."""
    check(tx, lease)
    m, f = tables.membership, tables.file
    mine = (m.c.dataset_id == lease.dataset_id, m.c.kind == kind)
    moved = [move.item_id for move in moves]
    tx.execute(
        update(m).where(*mine, m.c.item_id.in_(moved), m.c.to_run == FOREVER).values(to_run=run)
    )
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
    """Stage the counts of clusters that the run makes, changes or (no member left) dissolves."""
    check(tx, lease)
    c, s = tables.cluster, tables.cluster_state
    fresh = [cluster for cluster in clusters if cluster.is_new]
    if fresh:
        rows = [_new_row(lease.dataset_id, kind, cluster.cluster_id, now) for cluster in fresh]
        tx.execute(insert(c), rows)
    ids = [cluster.cluster_id for cluster in clusters]
    mine = (s.c.dataset_id == lease.dataset_id, s.c.kind == kind)
    tx.execute(
        update(s).where(*mine, s.c.cluster_id.in_(ids), s.c.to_run == FOREVER).values(to_run=run)
    )
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
            "item_count": counts[cluster.cluster_id][0],
            "image_count": counts[cluster.cluster_id][1],
            "cover_item": covers.get(cluster.cluster_id, ""),
            "updated_at": now,
        }
        for cluster in clusters
        if cluster.cluster_id in counts
    ]
    if states:
        tx.execute(insert(s), states)


def publish(
    tx: Tx, lease: Lease, kind: ClusterKind, run: int, task: Task, notices: tasks.Notices
) -> bool:
    """Make ``run`` visible and end its task; return False when the task had ended otherwise.

    ``task`` is the ended task, whose watermark becomes the kind's processed mark.
    """
    check(tx, lease)
    assert task.ended_at is not None
    if not tasks.finish(tx, task, notices, task.ended_at):
        return False
    d = tables.dataset
    marks = (
        {"figure_run": run, "figure_watermark": task.watermark}
        if kind is ClusterKind.FIGURE
        else {"similar_run": run, "similar_watermark": task.watermark}
    )
    tx.execute(update(d).where(d.c.dataset_id == lease.dataset_id).values(**marks))
    return True


def sweep(tx: Tx, lease: Lease, kind: ClusterKind, visible: int) -> bool:
    """Delete some rows that ended before ``visible``; return whether there were any."""
    check(tx, lease)
    swept = 0
    empty = tables.cluster_state.c.item_count <= 0
    for table, key, useless in (
        (tables.membership, tables.membership.c.item_id, false()),
        (tables.cluster_state, tables.cluster_state.c.cluster_id, empty),
    ):
        over = (
            table.c.dataset_id == lease.dataset_id,
            table.c.kind == kind,
            (table.c.to_run <= visible) | useless,
        )
        some = select(key).where(*over).limit(CHUNK)
        swept += tx.execute(delete(table).where(*over, key.in_(some))).rowcount
    if swept:
        return True
    return _sweep_clusters(tx, lease.dataset_id, kind) > 0


def _sweep_clusters(tx: Tx, dataset_id: DatasetId, kind: ClusterKind) -> int:
    """Delete clusters of which no state is left: they have dissolved."""
    c, s = tables.cluster, tables.cluster_state
    has_state = select(s.c.cluster_id).where(
        s.c.dataset_id == dataset_id, s.c.kind == kind, s.c.cluster_id == c.c.cluster_id
    )
    gone = (
        select(c.c.cluster_id)
        .where(c.c.dataset_id == dataset_id, c.c.kind == kind, ~has_state.exists())
        .limit(CHUNK)
    )
    return tx.execute(delete(c).where(c.c.cluster_id.in_(gone))).rowcount


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
            m.to_run == FOREVER,
        )
    )
    if tx.scalar(members.where(m.item_id == cluster.cover_item)) is not None:
        return cluster.cover_item
    return tx.scalar(members.order_by(g.quality.desc(), m.item_id).limit(1)) or ""


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
            m.to_run == FOREVER,
        )
        .group_by(m.cluster_id)
    )
    return {row[0]: (row[1], row[2]) for row in tx.execute(query)}
