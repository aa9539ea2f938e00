"""Clusters as clients read them, at the visible run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    RowMapping,
    Select,
    Table,
    and_,
    func,
    literal,
    select,
    tuple_,
)

from imm_ray.model import (
    ClusterId,
    ClusterKind,
    DatasetId,
    FigureCluster,
    File,
    FileId,
    JsonObject,
    SimilarImage,
    SimilarImageCluster,
)
from imm_ray.store import datasets, files, people, tables
from imm_ray.store.columns import any_of, unindexed
from imm_ray.store.database import Tx
from imm_ray.store.filters import between, labelled

_FEW = 2000


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

    @property
    def filters_nothing(self) -> bool:
        """Whether every cluster matches."""
        limits = (self.created_from, self.created_to, self.updated_from, self.updated_to)
        return not self.labels and not any(limits)


def figure_clusters(
    tx: Tx, dataset_id: DatasetId, cluster_ids: Sequence[str]
) -> list[FigureCluster]:
    """Return the figure clusters of these ids, in their order; unknown ones are left out."""
    query = _visible(tx, dataset_id, ClusterKind.FIGURE).where(
        tables.cluster_state.c.cluster_id.in_(list(cluster_ids))
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
    query = _page(tx, dataset_id, ClusterKind.FIGURE, wanted, after)
    return _figure_clusters(tx, dataset_id, query.limit(limit))


def count_figure_clusters(tx: Tx, dataset_id: DatasetId, wanted: ClusterQuery) -> int:
    """Return how many figure clusters match."""
    figure, s = ClusterKind.FIGURE, tables.cluster_state.c
    if wanted.filters_nothing:
        run = datasets.visible_run(tx, dataset_id, figure)
        query = select(s.cluster_id).where(
            s.dataset_id == dataset_id,
            s.kind == figure,
            s.from_run <= run,
            s.to_run > run,
            s.item_count >= figure.smallest,
        )
    else:
        query = _filtered(_visible(tx, dataset_id, figure), wanted)
    few = _few(tx, dataset_id, figure, wanted)
    if few is not None:
        query = query.where(s.cluster_id.in_(few))
    return int(tx.scalar(query.with_only_columns(func.count())) or 0)


def page_similar_clusters(
    tx: Tx,
    dataset_id: DatasetId,
    wanted: ClusterQuery,
    *,
    limit: int,
    after: tuple[Any, str] | None = None,
) -> list[SimilarImageCluster]:
    """Return at most ``limit`` groups with their pictures, from behind ``after``."""
    query = _page(tx, dataset_id, ClusterKind.SIMILAR, wanted, after)
    rows = tx.execute(query.limit(limit)).mappings().all()
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


def _visible(
    tx: Tx, dataset_id: DatasetId, kind: ClusterKind, *, led_by: Table = tables.cluster_state
) -> Select[Any]:
    """Return the query of the visible clusters, in which ``led_by`` is read first.

    So an index of that table can give the order of a page. SQLite, which knows nothing of how many
    rows a condition leaves, would rather look for what is true of nearly all: such conditions are
    hidden from it, and the second table of an outer join it never reads first.
    """
    c, s = tables.cluster, tables.cluster_state
    run = datasets.visible_run(tx, dataset_id, kind)
    columns = (*c.c, s.c.item_count, s.c.image_count, s.c.cover_item, s.c.updated_at)
    same = c.c.cluster_id == s.c.cluster_id
    mine = (s.c.dataset_id == dataset_id, s.c.kind == kind)
    shown = (unindexed(s.c.from_run) <= run, unindexed(s.c.to_run) > run)
    if led_by is s:
        query = select(*columns).join_from(s, c, same).where(*mine, *shown)
        return query.where(unindexed(s.c.item_count) >= kind.smallest)
    query = select(*columns).outerjoin_from(c, s, and_(same, *mine, *shown))
    return query.where(
        c.c.dataset_id == dataset_id,
        c.c.kind == kind,
        func.coalesce(s.c.item_count, 0) >= kind.smallest,
    )


def _filtered(query: Select[Any], wanted: ClusterQuery) -> Select[Any]:
    c, s = tables.cluster.c, tables.cluster_state.c
    labels = labelled(c.custom_labels, wanted.labels)
    if labels:
        labels.append(c.has_labels.is_(True))
    # Hidden, as in `_visible`, unless the page is in their order; `_few` has seen to narrow ranges.
    created = c.created_at if wanted.sort == "created_at" else unindexed(c.created_at)
    updated = s.updated_at if wanted.sort == "updated_at" else unindexed(s.updated_at)
    return query.where(
        *labels,
        *between(
            (created, wanted.created_from, wanted.created_to),
            (updated, wanted.updated_from, wanted.updated_to),
        ),
    )


def _page(
    tx: Tx,
    dataset_id: DatasetId,
    kind: ClusterKind,
    wanted: ClusterQuery,
    after: tuple[Any, str] | None,
) -> Select[Any]:
    """Return the query of a page, so that an index gives the order and no more rows are read."""
    key, cluster_id = _order(wanted.sort)
    query = _filtered(_visible(tx, dataset_id, kind, led_by=key.table), wanted)
    few = _few(tx, dataset_id, kind, wanted)
    if few is not None:
        query = query.where(cluster_id.in_(few))
    if after is not None:
        here = tuple_(literal(after[0], key.type), literal(after[1], cluster_id.type))
        order = tuple_(key, cluster_id)
        query = query.where(order < here if wanted.descending else order > here)
    if wanted.descending:
        return query.order_by(key.desc(), cluster_id.desc())
    return query.order_by(key, cluster_id)


def _order(sort: str) -> tuple[Column[Any], Column[Any]]:
    """Return the columns, of one table, that a page is ordered by."""
    c, s = tables.cluster.c, tables.cluster_state.c
    if sort in ("name", "created_at"):
        return c[sort], c.cluster_id
    return s[sort], s.cluster_id


def _few(
    tx: Tx, dataset_id: DatasetId, kind: ClusterKind, wanted: ClusterQuery
) -> Sequence[str] | None:
    """Return the clusters that one of the conditions leaves when they are few, else None.

    A page of a narrow range must not read the whole dataset in the order of the page, and one of a
    wide range must not sort it; how narrow it is the database can not know.
    """
    c, s = tables.cluster.c, tables.cluster_state.c
    labels = labelled(c.custom_labels, wanted.labels)
    conditions: list[tuple[Column[Any], list[ColumnElement[bool]]]] = [
        (c.cluster_id, [c.has_labels.is_(True), *labels] if labels else []),
        (c.cluster_id, between((c.created_at, wanted.created_from, wanted.created_to))),
        (s.cluster_id, between((s.updated_at, wanted.updated_from, wanted.updated_to))),
    ]
    for cluster_id, condition in conditions:
        if condition:
            mine = cluster_id.table.c.dataset_id == dataset_id, cluster_id.table.c.kind == kind
            query = select(cluster_id).where(*mine, *condition).limit(_FEW + 1)
            ids = tx.scalars(query).all()
            if len(ids) <= _FEW:
                return ids
    return None


def _figure_clusters(tx: Tx, dataset_id: DatasetId, query: Select[Any]) -> list[FigureCluster]:
    rows = tx.execute(query).mappings().all()
    shown = _shown(tx, dataset_id, rows)
    g = tables.figure.c
    faces = select(g.figure_id, g.file_id).where(g.figure_id.in_(any_of(set(shown.values()))))
    covers = {figure_id: FileId(file_id) for figure_id, file_id in tx.execute(faces).all()}
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
            cover=_led_by(
                by_id.get(covers.get(shown[row["cluster_id"]], FileId(""))),
                shown[row["cluster_id"]],
            ),
        )
        for row in rows
    ]


def _led_by(cover: File | None, figure_id: str) -> File | None:
    """Return a cover with the figure that is shown before the others of the picture."""
    if cover is None or (cover.figures and cover.figures[0].figure_id == figure_id):
        return cover
    figures = sorted(cover.figures, key=lambda figure: figure.figure_id != figure_id)
    return replace(cover, figures=tuple(figures))


def _shown(tx: Tx, dataset_id: DatasetId, rows: Sequence[RowMapping]) -> dict[str, str]:
    """Return the figure that each cluster shows: the chosen one while it is there, or the best."""
    chosen = {row["chosen_cover"]: row["cluster_id"] for row in rows if row["chosen_cover"]}
    homes = people.homes(tx, dataset_id, list(chosen)) if chosen else {}
    return {
        row["cluster_id"]: row["chosen_cover"]
        if homes.get(row["chosen_cover"]) == row["cluster_id"]
        else row["cover_item"]
        for row in rows
    }


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
        .order_by(f.image_score.desc().nulls_last(), f.uri)
    )
    images: dict[str, list[SimilarImage]] = {cluster_id: [] for cluster_id in cluster_ids}
    for row in tx.execute(query):
        images[row.cluster_id].append(SimilarImage(uri=row.uri, image_score=row.image_score or 0.0))
    return images
