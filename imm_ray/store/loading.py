"""What an owner reads when it starts: every vector and every visible membership, in portions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, RowMapping, select

from imm_ray.model import Box, ClusterId, ClusterKind, DatasetId, FigureId, FileId, HeadPose
from imm_ray.store import tables
from imm_ray.store.database import Database
from imm_ray.store.results import StoredFigure, StoredImage, from_blob

_PORTION = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the runs of one kind stand."""

    run: int
    watermark: int
    disturbed: bool = False
    """Whether items were taken away since the last run."""


def figures(database: Database, dataset_id: DatasetId) -> Iterator[StoredFigure]:
    """Yield every figure of the dataset in the order of ids."""
    g = tables.figure.c
    for row in _walk(database, tables.figure, g.figure_id, {"dataset_id": dataset_id}):
        yield StoredFigure(
            figure_id=FigureId(row["figure_id"]),
            file_id=FileId(row["file_id"]),
            seq=row["seq"],
            box=Box(row["left"], row["top"], row["width"], row["height"]),
            quality=row["quality"],
            head_pose=HeadPose(row["pitch"], row["roll"], row["yaw"]),
            vector=from_blob(row["vector"]),
        )


def images(database: Database, dataset_id: DatasetId) -> Iterator[StoredImage]:
    """Yield every picture with a vector in the order of file ids."""
    f = tables.file.c
    for row in _walk(database, tables.file, f.file_id, {"dataset_id": dataset_id}):
        if row["vector"] is not None:
            yield StoredImage(
                file_id=FileId(row["file_id"]),
                seq=row["vector_seq"],
                vector=from_blob(row["vector"]),
            )


def memberships(
    database: Database, dataset_id: DatasetId, kind: ClusterKind, run: int
) -> Iterator[tuple[str, ClusterId]]:
    """Yield (item id, cluster id) of the visible ``run``."""
    m = tables.membership.c
    where = {"dataset_id": dataset_id, "kind": kind}
    for row in _walk(database, tables.membership, m.item_id, where, visible=run):
        yield row["item_id"], ClusterId(row["cluster_id"])


def emptied(
    database: Database, dataset_id: DatasetId, kind: ClusterKind, run: int
) -> list[ClusterId]:
    """Return the clusters whose last items were deleted and of whose end no run has told yet."""
    s = tables.cluster_state.c
    query = select(s.cluster_id).where(
        s.dataset_id == dataset_id,
        s.kind == kind,
        s.from_run <= run,
        s.to_run > run,
        s.item_count <= 0,
    )
    with database.read() as tx:
        return [ClusterId(cluster_id) for cluster_id in tx.scalars(query)]


def named_clusters(database: Database, dataset_id: DatasetId) -> list[ClusterId]:
    """Return the figure clusters that have a name."""
    c = tables.cluster.c
    query = select(c.cluster_id).where(
        c.dataset_id == dataset_id, c.kind == ClusterKind.FIGURE, c.name != ""
    )
    with database.read() as tx:
        return [ClusterId(cluster_id) for cluster_id in tx.scalars(query)]


def progress(database: Database, dataset_id: DatasetId, kind: ClusterKind) -> Progress:
    """Return the visible run of a kind and its watermark."""
    d = tables.dataset.c
    columns = (
        (d.figure_run, d.figure_watermark)
        if kind is ClusterKind.FIGURE
        else (d.similar_run, d.similar_watermark)
    )
    with database.read() as tx:
        query = select(*columns, d.disturbed_seq).where(d.dataset_id == dataset_id)
        row = tx.execute(query).first()
    if row is None:
        return Progress(run=0, watermark=0)
    return Progress(run=row[0], watermark=row[1], disturbed=row[2] > row[1])


def _walk(
    database: Database,
    table: Any,
    key: Column[Any],
    where: Mapping[str, Any],
    *,
    visible: int | None = None,
) -> Iterator[RowMapping]:
    """Yield rows by ``key``, in portions: one long read would keep the WAL from shrinking."""
    after = ""
    while True:
        query = select(table).where(key > after, *(table.c[k] == v for k, v in where.items()))
        if visible is not None:
            query = query.where(table.c.from_run <= visible, table.c.to_run > visible)
        with database.read() as tx:
            rows = tx.execute(query.order_by(key).limit(_PORTION)).mappings().all()
        yield from rows
        if len(rows) < _PORTION:
            return
        after = rows[-1][key.name]
