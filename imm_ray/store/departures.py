"""Items that leave clusters: the counts follow, and who is left alone is forgotten."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import delete, select, update

from imm_ray.model import ClusterKind, DatasetId, FileId
from imm_ray.store import datasets, lineage, tables
from imm_ray.store.columns import unindexed
from imm_ray.store.database import Tx


def leave_clusters(
    tx: Tx,
    dataset_id: DatasetId,
    now: datetime,
    *,
    file_ids: Sequence[FileId] = (),
    kind_items: tuple[ClusterKind, Sequence[str]] | None = None,
) -> None:
    """Take items out of all clusters, in the visible run and in one being staged; counts follow.

    Either every item of the files, or the named items of one kind. A cluster that no item is left
    in is gone, with all that a client has said of it.
    """
    m, s = tables.membership, tables.cluster_state
    if kind_items is not None:
        of_kind, items = kind_items
        where = [m.c.dataset_id == dataset_id, m.c.kind == of_kind, m.c.item_id.in_(items)]
    else:
        where = [m.c.file_id.in_(file_ids)]
    gone = tx.execute(select(m).where(*where)).all()
    tx.execute(delete(m).where(*where))
    by_cluster = groupby(sorted(gone, key=_cluster_of), key=_cluster_of)
    for (kind, cluster_id), rows in by_cluster:
        left = list(rows)
        here = (s.c.dataset_id == dataset_id, s.c.kind == kind, s.c.cluster_id == cluster_id)
        for state in tx.execute(select(s).where(*here)).all():
            members = [row for row in left if row.from_run <= state.from_run < row.to_run]
            _shrink(tx, state, members, now)
    for kind in {ClusterKind(row.kind) for row in gone}:
        run = datasets.visible_run(tx, dataset_id, kind)
        left_now = {row.cluster_id for row in gone if row.kind == kind and row.to_run > run}
        _bury(tx, dataset_id, kind, left_now - _peopled(tx, dataset_id, kind, run, left_now))


def _peopled(
    tx: Tx, dataset_id: DatasetId, kind: ClusterKind, run: int, cluster_ids: set[str]
) -> set[str]:
    """Return those clusters that have an item in the visible ``run`` or in one being staged."""
    m = tables.membership.c
    query = select(m.cluster_id).where(
        m.dataset_id == dataset_id,
        m.kind == kind,
        m.cluster_id.in_(cluster_ids),
        unindexed(m.to_run) > run,
    )
    return set(tx.scalars(query.distinct()))


def _bury(tx: Tx, dataset_id: DatasetId, kind: ClusterKind, cluster_ids: set[str]) -> None:
    """Forget what clients have said of clusters whose last item is gone.

    The rows themselves stay for the owner's next sweep: a run in progress may refer to them.
    """
    if not cluster_ids:
        return
    c = tables.cluster
    tx.execute(
        update(c)
        .where(c.c.cluster_id.in_(cluster_ids))  # unique; by dataset SQLite would walk them all
        .values(name="", custom_id="", custom_labels={}, has_labels=False, chosen_cover="")
    )
    lineage.forget(tx, dataset_id, cluster_ids)


def _cluster_of(row: Any) -> tuple[str, str]:
    return (row.kind, row.cluster_id)


def _shrink(tx: Tx, state: Any, members: Sequence[Any], now: datetime) -> None:
    """Lower the counts of one state row by members that have left, and find it another cover."""
    if not members:
        return
    m, s, g = tables.membership, tables.cluster_state, tables.figure
    inside = (
        m.c.dataset_id == state.dataset_id,
        m.c.kind == state.kind,
        m.c.cluster_id == state.cluster_id,
        unindexed(m.c.from_run) <= state.from_run,
        unindexed(m.c.to_run) > state.from_run,
    )
    images = 0
    for file_id in {row.file_id for row in members}:
        stays = select(m.c.item_id).where(*inside, m.c.file_id == file_id).limit(1)
        images += tx.scalar(stays) is None
    cover = state.cover_item
    if cover in {row.item_id for row in members}:
        best = (
            select(m.c.item_id)
            .outerjoin(g, g.c.figure_id == m.c.item_id)
            .where(*inside)
            .order_by(g.c.quality.desc().nulls_last(), m.c.item_id)
            .limit(1)
        )
        cover = tx.scalar(best) or ""
    tx.execute(
        update(s)
        .where(
            s.c.dataset_id == state.dataset_id,
            s.c.kind == state.kind,
            s.c.cluster_id == state.cluster_id,
            s.c.from_run == state.from_run,
        )
        .values(
            item_count=state.item_count - len(members),
            image_count=state.image_count - images,
            cover_item=cover,
            updated_at=now,
        )
    )
