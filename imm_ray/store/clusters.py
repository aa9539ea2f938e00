"""Clusters as clients read them, at the visible run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from imm_ray.model import (
    ClusterId,
    ClusterKind,
    DatasetId,
    FigureCluster,
    FileId,
    JsonObject,
    SimilarImage,
    SimilarImageCluster,
)
from imm_ray.store import datasets, files, tables
from imm_ray.store.columns import unindexed
from imm_ray.store.database import Tx
from imm_ray.store.filters import between, labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterQuery:
    """What QueryFigureClusters and QuerySimilarImageClusters may ask for.

    ``sort`` is ``cluster_id``, ``item_count``, ``image_count``, ``name``, ``created_at`` or
    ``updated_at``; ties are ordered by id.
    """

    sort: str = "cluster_id"
    descending: bool = False
    labels: JsonObject | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None


def figure_clusters(
    tx: Tx, dataset_id: DatasetId, cluster_ids: Sequence[str]
) -> list[FigureCluster]:
    """Return the figure clusters of these ids, in their order; unknown ones are left out."""
    query = _visible(tx, dataset_id, ClusterKind.FIGURE).where(
        tables.cluster.c.cluster_id.in_(list(cluster_ids))
    )
    found = {c.cluster_id: c for c in _figure_clusters(tx, dataset_id, query)}
    return [found[ClusterId(i)] for i in dict.fromkeys(cluster_ids) if ClusterId(i) in found]


def page_figure_clusters(
    tx: Tx,
    dataset_id: DatasetId,
    wanted: ClusterQuery,
    *,
    limit: int,
    after: tuple[Any, str] | None = None,
) -> list[FigureCluster]:
    """Return at most ``limit`` figure clusters, from behind the (sort value, id) ``after``."""
    query = _paged(_visible(tx, dataset_id, ClusterKind.FIGURE), wanted, after).limit(limit)
    return _figure_clusters(tx, dataset_id, query)


def count_figure_clusters(tx: Tx, dataset_id: DatasetId, wanted: ClusterQuery) -> int:
    """Return how many figure clusters match."""
    query = _filtered(_visible(tx, dataset_id, ClusterKind.FIGURE), wanted)
    return int(tx.scalar(select(func.count()).select_from(query.subquery())) or 0)


def page_similar_clusters(
    tx: Tx,
    dataset_id: DatasetId,
    wanted: ClusterQuery,
    *,
    limit: int,
    after: tuple[Any, str] | None = None,
) -> list[SimilarImageCluster]:
    """Return at most ``limit`` groups with their pictures, from behind ``after``."""
    query = _paged(_visible(tx, dataset_id, ClusterKind.SIMILAR), wanted, after).limit(limit)
    rows = tx.execute(query).mappings().all()
    images = _images(tx, dataset_id, [row["cluster_id"] for row in rows])
    return [
        SimilarImageCluster(
            cluster_id=ClusterId(row["cluster_id"]),
            custom_labels=row["custom_labels"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            images=tuple(images[row["cluster_id"]]),
        )
        for row in rows
    ]


def _visible(tx: Tx, dataset_id: DatasetId, kind: ClusterKind) -> Select[Any]:
    c, s = tables.cluster, tables.cluster_state
    run = datasets.visible_run(tx, dataset_id, kind)
    return (
        select(c, s.c.item_count, s.c.image_count, s.c.cover_item, s.c.updated_at)
        .join(s, s.c.cluster_id == c.c.cluster_id)
        .where(
            s.c.dataset_id == dataset_id,
            s.c.kind == kind,
            s.c.from_run <= run,
            s.c.to_run > run,
            s.c.item_count >= kind.smallest,
        )
    )


def _filtered(query: Select[Any], wanted: ClusterQuery) -> Select[Any]:
    c, s = tables.cluster.c, tables.cluster_state.c
    return query.where(
        *labelled(c.custom_labels, wanted.labels),
        *between(
            (c.created_at, wanted.created_from, wanted.created_to),
            (s.updated_at, wanted.updated_from, wanted.updated_to),
        ),
    )


def _paged(query: Select[Any], wanted: ClusterQuery, after: tuple[Any, str] | None) -> Select[Any]:
    c, s = tables.cluster.c, tables.cluster_state.c
    key: Any = {
        "cluster_id": c.cluster_id,
        "item_count": s.item_count,
        "image_count": s.image_count,
        "name": c.name,
        "created_at": c.created_at,
        "updated_at": s.updated_at,
    }[wanted.sort]
    query = _filtered(query, wanted)
    if after is not None:
        value, cluster_id = after
        beyond = key < value if wanted.descending else key > value
        next_id = c.cluster_id < cluster_id if wanted.descending else c.cluster_id > cluster_id
        query = query.where(or_(beyond, and_(key == value, next_id)))
    if wanted.descending:
        return query.order_by(key.desc(), c.cluster_id.desc())
    return query.order_by(key, c.cluster_id)


def _figure_clusters(tx: Tx, dataset_id: DatasetId, query: Select[Any]) -> list[FigureCluster]:
    rows = tx.execute(query).mappings().all()
    g = tables.figure.c
    covers = {
        row.figure_id: FileId(row.file_id)
        for row in tx.execute(
            select(g.figure_id, g.file_id).where(
                g.figure_id.in_([row["cover_item"] for row in rows])
            )
        )
    }
    by_id = files.by_id(tx, dataset_id, set(covers.values()))
    return [
        FigureCluster(
            cluster_id=ClusterId(row["cluster_id"]),
            name=row["name"],
            custom_id=row["custom_id"],
            custom_labels=row["custom_labels"],
            meta_lock_version=row["meta_lock_version"],
            figure_count=row["item_count"],
            image_count=row["image_count"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            cover=by_id.get(covers[row["cover_item"]]) if row["cover_item"] in covers else None,
        )
        for row in rows
    ]


def _images(
    tx: Tx, dataset_id: DatasetId, cluster_ids: Sequence[str]
) -> dict[str, list[SimilarImage]]:
    m, f = tables.membership.c, tables.file.c
    run = datasets.visible_run(tx, dataset_id, ClusterKind.SIMILAR)
    query = (
        select(m.cluster_id, f.uri, f.image_score)
        .join(tables.file, f.file_id == m.file_id)
        .where(
            m.dataset_id == dataset_id,
            m.kind == ClusterKind.SIMILAR,
            m.cluster_id.in_(list(cluster_ids)),
            unindexed(m.from_run) <= run,
            unindexed(m.to_run) > run,
        )
        .order_by(f.image_score.desc(), f.uri)
    )
    images: dict[str, list[SimilarImage]] = {cluster_id: [] for cluster_id in cluster_ids}
    for row in tx.execute(query):
        images[row.cluster_id].append(SimilarImage(uri=row.uri, image_score=row.image_score or 0.0))
    return images
