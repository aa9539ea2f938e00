"""What clients say of figure clusters, and the clusters that they found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from imm_ray.errors import InvalidArgument, ResourceNotFound, StatusConflict
from imm_ray.model import ClusterId, ClusterKind, DatasetId, JsonObject
from imm_ray.store import datasets, lineage, tables
from imm_ray.store.database import Tx
from imm_ray.store.ownership import Lease, check

_FIGURE = ClusterKind.FIGURE

_COLUMNS = {
    "Name": ("name",),
    "CustomId": ("custom_id",),
    "CustomLabels": ("custom_labels", "has_labels"),
    "Cover": ("chosen_cover",),
}
"""Where the members are kept that an edit records as changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChanges:
    """What a client wants said of a cluster; None leaves a member as it is."""

    name: str | None = None
    custom_id: str | None = None
    custom_labels: JsonObject | None = None
    chosen_cover: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The members that change, by column."""
        said = {
            "name": self.name,
            "custom_id": self.custom_id,
            "custom_labels": None if self.custom_labels is None else dict(self.custom_labels),
            "has_labels": None if self.custom_labels is None else bool(self.custom_labels),
            "chosen_cover": self.chosen_cover,
        }
        return {name: value for name, value in said.items() if value is not None}


def current(tx: Tx, dataset_id: DatasetId, object_ids: Iterable[str]) -> dict[ClusterId, ClusterId]:
    """Return the visible figure cluster that each id leads to, in their order, without the others.

    The id of a visible figure cluster leads to itself, that of a retired one to its heir.
    """
    leads_to = lineage.resolve_all(tx, dataset_id, object_ids)
    c = tables.cluster.c
    # Ids are unique; a condition on the dataset would have SQLite walk all of its clusters.
    query = select(c.cluster_id).where(c.cluster_id.in_(set(leads_to.values())), c.kind == _FIGURE)
    found = set(tx.scalars(query))
    return {object_id: to for object_id, to in leads_to.items() if to in found}


def require_current(tx: Tx, dataset_id: DatasetId, object_ids: Sequence[str]) -> list[ClusterId]:
    """Return the visible figure cluster that each id leads to, in their order.

    Raises
    ------
    ResourceNotFound
        An id leads to none.
    """
    leads_to = current(tx, dataset_id, object_ids)
    if any(ClusterId(object_id) not in leads_to for object_id in object_ids):
        raise ResourceNotFound.of("figure-cluster")
    return [leads_to[ClusterId(object_id)] for object_id in object_ids]


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What clients have said of a cluster after a merge had given it to another."""

    origin: ClusterId
    heir: ClusterId
    members: tuple[str, ...]
    """As the edits record them: ``Name``, ``Cover`` …"""


def change(
    tx: Tx,
    dataset_id: DatasetId,
    cluster_id: ClusterId,
    changes: ClusterChanges,
    *,
    expected_version: int | None,
    now: datetime,
) -> None:
    """Change what is said of a visible figure cluster, and raise its MetaLockVersion by one.

    Raises
    ------
    StatusConflict
        The stored MetaLockVersion is not the expected one.
    """
    c = tables.cluster
    here = [c.c.cluster_id == cluster_id, c.c.dataset_id == dataset_id, c.c.kind == _FIGURE]
    if expected_version is not None:
        here.append(c.c.meta_lock_version == expected_version)
    values = {**changes.values, "meta_lock_version": c.c.meta_lock_version + 1}
    if tx.execute(update(c).where(*here).values(**values)).rowcount != 1:
        stored = tx.scalar(select(c.c.meta_lock_version).where(c.c.cluster_id == cluster_id))
        raise StatusConflict(
            f"The figure cluster {cluster_id} has MetaLockVersion {stored}, not "
            f"{expected_version}: it was updated meanwhile. Get it again and repeat the update."
        )
    s = tables.cluster_state
    run = datasets.visible_run(tx, dataset_id, _FIGURE)
    tx.execute(
        update(s)
        .where(
            s.c.dataset_id == dataset_id,
            s.c.kind == _FIGURE,
            s.c.cluster_id == cluster_id,
            s.c.to_run > run,
        )
        .values(updated_at=now)
    )


def inherit(tx: Tx, lease: Lease, inheritances: Iterable[Inheritance]) -> None:
    """Say of heirs what was said of their origins, and raise their MetaLockVersion by one.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    c = tables.cluster
    for inheritance in inheritances:
        names = [name for member in inheritance.members for name in _COLUMNS[member]]
        query = select(*(c.c[name] for name in names)).where(
            c.c.cluster_id == inheritance.origin, c.c.dataset_id == lease.dataset_id
        )
        said = tx.execute(query).mappings().first()
        if said is None:
            continue  # every figure of it was deleted meanwhile, and its row with them
        tx.execute(
            update(c)
            .where(c.c.cluster_id == inheritance.heir, c.c.dataset_id == lease.dataset_id)
            .values(**said, meta_lock_version=c.c.meta_lock_version + 1)
        )


def found(tx: Tx, dataset_id: DatasetId, cluster_id: ClusterId, now: datetime) -> None:
    """Make the row of a figure cluster that an edit of the same transaction will fill.

    Nobody sees it until a run has put figures into it; an owner that sweeps keeps it while the edit
    waits.
    """
    tx.execute(
        insert(tables.cluster).values(
            cluster_id=cluster_id,
            dataset_id=dataset_id,
            kind=_FIGURE,
            custom_labels={},
            created_at=now,
        )
    )


def members(
    tx: Tx, dataset_id: DatasetId, cluster_id: ClusterId, figure_ids: list[str]
) -> set[str]:
    """Return those of the figures that are visible in a cluster."""
    return {item for item, home in homes(tx, dataset_id, figure_ids).items() if home == cluster_id}


def homes(tx: Tx, dataset_id: DatasetId, figure_ids: list[str]) -> dict[str, ClusterId]:
    """Return the visible cluster of each figure that is in one."""
    m = tables.membership.c
    run = datasets.visible_run(tx, dataset_id, _FIGURE)
    query = select(m.item_id, m.cluster_id).where(
        m.dataset_id == dataset_id,
        m.kind == _FIGURE,
        m.item_id.in_(figure_ids),
        m.from_run <= run,
        m.to_run > run,
    )
    return {row.item_id: ClusterId(row.cluster_id) for row in tx.execute(query)}


def require_members(
    tx: Tx, dataset_id: DatasetId, cluster_id: ClusterId, figure_ids: list[str], parameter: str
) -> None:
    """Return when all figures are visible in a cluster.

    Raises
    ------
    InvalidArgument
        It names ``parameter`` and the first figure that is not.
    """
    inside = members(tx, dataset_id, cluster_id, figure_ids)
    outside = [figure_id for figure_id in figure_ids if figure_id not in inside]
    if outside:
        raise InvalidArgument.of(
            parameter, f"the figure {outside[0]} is not in the figure cluster {cluster_id}"
        )
