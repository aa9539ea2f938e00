"""What has become of every cluster: its history, and the way from a retired id to its heir.

Notes
-----
Lineage is staged with the run that makes it and becomes visible with it. Events are only ever
added. A retired cluster keeps what a restore needs: its name, custom id and labels; they go with
the last figure of its heir.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    delete,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from imm_ray.model import (
    NO_CLUSTER,
    NO_TASK,
    ClusterEvent,
    ClusterId,
    ClusterKind,
    DatasetId,
    EventKind,
    RecordedEvent,
    Retirement,
    TaskId,
)
from imm_ray.store import constraints, tables
from imm_ray.store.columns import unindexed
from imm_ray.store.database import Tx
from imm_ray.store.ownership import Lease, check
from imm_ray.store.tables import FOREVER

ITEMS_OF_ROW = 500
"""An event with more items is stored in parts."""


def stage(
    tx: Tx,
    lease: Lease,
    kind: ClusterKind,
    run: int,
    events: Iterable[ClusterEvent],
    first_position: int,
    *,
    task_id: TaskId = NO_TASK,
    now: datetime,
) -> int:
    """Stage events at positions from ``first_position`` on; return the next free one.

    An event takes one position for each `ITEMS_OF_ROW` items that it has.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    facts = {
        "dataset_id": lease.dataset_id,
        "kind": kind,
        "run": run,
        "task_id": task_id,
        "at": now,
    }
    parts = [part for event in events for part in _parts(event)]
    if parts:
        rows = [
            {**facts, **part, "position": position}
            for position, part in enumerate(parts, first_position)
        ]
        tx.execute(insert(tables.cluster_event), rows)
    return first_position + len(parts)


def retire(
    tx: Tx,
    lease: Lease,
    kind: ClusterKind,
    run: int,
    retirements: Sequence[Retirement],
    now: datetime,
) -> None:
    """Stage the end of clusters, each with what a restore of it needs.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    c, r = tables.cluster, tables.retired_cluster
    heirs = {retirement.cluster_id: retirement.into for retirement in retirements}
    mine = (r.c.dataset_id == lease.dataset_id, r.c.kind == kind, r.c.cluster_id.in_(heirs))
    tx.execute(update(r).where(*mine, r.c.to_run == FOREVER).values(to_run=run))
    # Ids are unique; a condition on the dataset would have SQLite walk all of its clusters.
    known = select(c).where(c.c.cluster_id.in_(heirs))
    rows = [
        {
            **_described(row),
            "run": run,
            "to_run": FOREVER,
            "into_id": heirs[row["cluster_id"]],
            "at": now,
        }
        for row in tx.execute(known).mappings()
    ]
    if rows:
        tx.execute(insert(r), rows)


def restore(
    tx: Tx, lease: Lease, kind: ClusterKind, run: int, cluster_ids: Sequence[ClusterId]
) -> list[ClusterId]:
    """Stage the return of retired clusters under their ids; return those that can return.

    Each has its row again, with name, custom id, labels and time of creation, before
    ``staging.stage_states`` states its figures. The others are not retired, or went for good when
    the last figure of their heir was deleted.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    c, r = tables.cluster, tables.retired_cluster
    ends = (
        r.c.dataset_id == lease.dataset_id,
        r.c.kind == kind,
        r.c.cluster_id.in_(cluster_ids),
        r.c.run < run,
        r.c.to_run == FOREVER,
    )
    retired = {row["cluster_id"]: row for row in tx.execute(select(r).where(*ends)).mappings()}
    there = set(tx.scalars(select(c.c.cluster_id).where(c.c.cluster_id.in_(retired))))
    rows = [_described(row) for cluster_id, row in retired.items() if cluster_id not in there]
    if rows:
        tx.execute(insert(c), rows)
    tx.execute(update(r).where(*ends).values(to_run=run))
    return [cluster_id for cluster_id in cluster_ids if cluster_id in retired]


def history(
    tx: Tx,
    dataset_id: DatasetId,
    cluster_id: ClusterId,
    *,
    limit: int,
    after: tuple[int, int] | None = None,
) -> list[RecordedEvent]:
    """Return at most ``limit`` events of a cluster, the newest first, retired or not.

    ``after`` is the (run, position) of the last event of the page before.
    """
    v, d = tables.cluster_event, tables.dataset
    query = (
        select(v)
        .join(d, d.c.dataset_id == v.c.dataset_id)
        .where(
            v.c.dataset_id == dataset_id,
            v.c.cluster_id == cluster_id,
            v.c.run <= _visible_run(v.c.kind),
        )
        .order_by(v.c.run.desc(), v.c.position.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(v.c.run, v.c.position) < after)
    return [_recorded(row) for row in tx.execute(query).mappings()]


def dataset_history(
    tx: Tx,
    dataset_id: DatasetId,
    *,
    limit: int,
    after: tuple[datetime, str, int, int] | None = None,
) -> list[RecordedEvent]:
    """Return at most ``limit`` events of all clusters of a dataset, the newest first.

    ``after`` is the (at, kind, run, position) of the last event of the page before.
    """
    v, d = tables.cluster_event, tables.dataset
    place = (v.c.at, v.c.kind, v.c.run, v.c.position)
    query = (
        select(v)
        .join(d, d.c.dataset_id == v.c.dataset_id)
        .where(v.c.dataset_id == dataset_id, v.c.run <= _visible_run(v.c.kind))
        .order_by(*(column.desc() for column in place))
        .limit(limit)
    )
    if after is not None:
        here = [literal(value, c.type) for value, c in zip(after, place, strict=True)]
        query = query.where(tuple_(*place) < tuple_(*here))
    return [_recorded(row) for row in tx.execute(query).mappings()]


def has_been(tx: Tx, dataset_id: DatasetId, cluster_id: ClusterId) -> bool:
    """Return whether the dataset has or had a cluster of this id."""
    for table in (tables.cluster, tables.retired_cluster, tables.cluster_event):
        query = select(table.c.cluster_id).where(
            table.c.dataset_id == dataset_id, table.c.cluster_id == cluster_id
        )
        if tx.scalar(query.limit(1)) is not None:
            return True
    return False


def resolve(tx: Tx, dataset_id: DatasetId, cluster_id: ClusterId) -> ClusterId | None:
    """Return the visible cluster that an id leads to: itself or its heir; None if there is none."""
    return resolve_all(tx, dataset_id, [cluster_id]).get(cluster_id)


def resolve_all(
    tx: Tx, dataset_id: DatasetId, cluster_ids: Iterable[str]
) -> dict[ClusterId, ClusterId]:
    """Return the visible cluster that each id leads to, in their order, without those of none."""
    origins = list(dict.fromkeys(map(ClusterId, cluster_ids)))
    visible: set[ClusterId] = set()
    heirs: dict[ClusterId, ClusterId] = {}
    asked: set[ClusterId] = set()
    wanted = set(origins)
    while wanted:
        asked |= wanted
        visible |= _visible(tx, dataset_id, wanted)
        found = _heirs(tx, dataset_id, wanted - visible)
        heirs |= found
        wanted = set(found.values()) - asked
    ends = {origin: _end(origin, visible, heirs) for origin in origins}
    return {origin: end for origin, end in ends.items() if end is not None}


def forget(tx: Tx, dataset_id: DatasetId, cluster_ids: Iterable[str]) -> None:
    """Delete what is kept of clusters that are gone for good: constraints, and whom they took in.

    Their history stays, and so do clusters that have been restored out of them.
    """
    r = tables.retired_cluster
    gone = set(cluster_ids)
    while gone:
        constraints.forget_clusters(tx, dataset_id, gone)
        taken_in = (r.c.dataset_id == dataset_id, r.c.into_id.in_(gone), r.c.to_run == FOREVER)
        kept = set(tx.scalars(select(r.c.cluster_id).where(*taken_in)))
        tx.execute(delete(r).where(*taken_in))
        tx.execute(delete(r).where(r.c.dataset_id == dataset_id, r.c.cluster_id.in_(gone)))
        gone = kept - gone


def _parts(event: ClusterEvent) -> Iterator[dict[str, Any]]:
    for start in range(0, max(1, len(event.items)), ITEMS_OF_ROW):
        yield {
            "event": event.event,
            "cluster_id": event.cluster_id,
            "other_id": event.other_id,
            "items": list(event.items[start : start + ITEMS_OF_ROW]),
            "item_count": len(event.items),
            "edit_id": event.edit_id,
        }


def _described(row: Any) -> dict[str, Any]:
    """Return what a cluster's row and its retired row both hold."""
    return {
        column.name: row[column.name]
        for column in tables.cluster.c
        if column.name in tables.retired_cluster.c
    }


def _recorded(row: Any) -> RecordedEvent:
    return RecordedEvent(
        event=EventKind(row["event"]),
        cluster_id=ClusterId(row["cluster_id"]),
        other_id=ClusterId(row["other_id"]),
        items=tuple(row["items"]),
        edit_id=row["edit_id"],
        kind=ClusterKind(row["kind"]),
        run=row["run"],
        position=row["position"],
        item_count=row["item_count"],
        task_id=TaskId(row["task_id"]),
        at=row["at"],
    )


def _visible_run(kind: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the visible run of a row's kind, in a query that joins the dataset."""
    d = tables.dataset.c
    return case((kind == ClusterKind.FIGURE, d.figure_run), else_=d.similar_run)


def _visible(tx: Tx, dataset_id: DatasetId, cluster_ids: Iterable[ClusterId]) -> set[ClusterId]:
    s, d = tables.cluster_state.c, tables.dataset
    large = or_(
        *(and_(s.kind == kind, unindexed(s.item_count) >= kind.smallest) for kind in ClusterKind)
    )
    query = (
        select(s.cluster_id)
        .join(d, d.c.dataset_id == s.dataset_id)
        .where(
            s.dataset_id == dataset_id,
            s.kind.in_(
                list(ClusterKind)
            ),  # the key's second column: without it nothing is looked up
            s.cluster_id.in_(cluster_ids),
            unindexed(s.from_run) <= _visible_run(s.kind),
            unindexed(s.to_run) > _visible_run(s.kind),
            large,
        )
    )
    return set(map(ClusterId, tx.scalars(query)))


def _heirs(
    tx: Tx, dataset_id: DatasetId, cluster_ids: Iterable[ClusterId]
) -> dict[ClusterId, ClusterId]:
    r, d = tables.retired_cluster.c, tables.dataset
    query = (
        select(r.cluster_id, r.into_id)
        .join(d, d.c.dataset_id == r.dataset_id)
        .where(
            r.dataset_id == dataset_id,
            r.cluster_id.in_(cluster_ids),
            r.run <= _visible_run(r.kind),
            r.to_run > _visible_run(r.kind),
        )
    )
    heirs = {ClusterId(row.cluster_id): ClusterId(row.into_id) for row in tx.execute(query)}
    return {cluster_id: heir for cluster_id, heir in heirs.items() if heir != NO_CLUSTER}


def _end(
    origin: ClusterId, visible: set[ClusterId], heirs: dict[ClusterId, ClusterId]
) -> ClusterId | None:
    here, passed = origin, set[ClusterId]()
    while here not in visible:
        if here in passed or here not in heirs:
            return None
        passed.add(here)
        here = heirs[here]
    return here
