"""What an owner reads when it starts: every vector and every visible membership, in portions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, RowMapping, Select, select

from imm_ray.model import Box, ClusterId, ClusterKind, DatasetId, FigureId, FileId, HeadPose
from imm_ray.store import tables
from imm_ray.store.columns import any_of
from imm_ray.store.database import Database
from imm_ray.store.results import StoredFigure, StoredImage, from_blob

_PORTION = 2000
_NARROW = 20_000  # rows without vectors
_BY_ID = 500


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
        yield _figure(row)


def images(database: Database, dataset_id: DatasetId) -> Iterator[StoredImage]:
    """Yield every picture with a vector in the order of file ids."""
    f = tables.file.c
    for row in _walk(database, tables.file, f.file_id, {"dataset_id": dataset_id}):
        if row["vector"] is not None:
            yield _image(row)


def figures_of(
    database: Database, dataset_id: DatasetId, figure_ids: Sequence[str]
) -> Iterator[StoredFigure]:
    """Yield those of the named figures that exist."""
    g = tables.figure.c
    for some in _portions(figure_ids):
        where = (g.dataset_id == dataset_id, g.figure_id.in_(any_of(some)))
        with database.read() as tx:
            rows = tx.execute(select(tables.figure).where(*where)).mappings().all()
        yield from map(_figure, rows)


def images_of(
    database: Database, dataset_id: DatasetId, file_ids: Sequence[str]
) -> Iterator[StoredImage]:
    """Yield the pictures of those of the named files that have one."""
    f = tables.file.c
    columns = (f.file_id, f.vector_seq, f.vector)
    for some in _portions(file_ids):
        where = (f.dataset_id == dataset_id, f.file_id.in_(any_of(some)), f.vector.is_not(None))
        with database.read() as tx:
            rows = tx.execute(select(*columns).where(*where)).mappings().all()
        yield from map(_image, rows)


def versions(
    database: Database, dataset_id: DatasetId, kind: ClusterKind
) -> Iterator[tuple[Sequence[str], Sequence[int]]]:
    """Yield the ids and the seqs of all items of a kind, in portions.

    An item's vector is another one only when its seq is.
    """
    g, f = tables.figure.c, tables.file.c
    if kind is ClusterKind.FIGURE:
        columns, where = (g.figure_id, g.seq), [g.dataset_id == dataset_id]
    else:
        columns, where = (f.file_id, f.vector_seq), [f.dataset_id == dataset_id]
        where.append(f.vector.is_not(None))
    yield from _columns(database, select(*columns).where(*where), columns[0])


def placed(
    database: Database, dataset_id: DatasetId, kind: ClusterKind, run: int
) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Yield item ids and cluster ids of the visible ``run``, in portions."""
    m = tables.membership.c
    query = select(m.item_id, m.cluster_id).where(
        m.dataset_id == dataset_id, m.kind == kind, m.from_run <= run, m.to_run > run
    )
    yield from _columns(database, query, m.item_id)


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


def _figure(row: RowMapping) -> StoredFigure:
    return StoredFigure(
        figure_id=FigureId(row["figure_id"]),
        file_id=FileId(row["file_id"]),
        seq=row["seq"],
        box=Box(row["left"], row["top"], row["width"], row["height"]),
        quality=row["quality"],
        head_pose=HeadPose(row["pitch"], row["roll"], row["yaw"]),
        vector=from_blob(row["vector"]),
    )


def _image(row: RowMapping) -> StoredImage:
    return StoredImage(
        file_id=FileId(row["file_id"]), seq=row["vector_seq"], vector=from_blob(row["vector"])
    )


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _BY_ID):
        yield ids[start : start + _BY_ID]


def _columns(
    database: Database, query: Select[Any], key: Column[Any]
) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """Yield the two columns of a query by ``key``, the first of them."""
    after = ""
    while True:
        with database.read() as tx:
            rows = tx.execute(query.where(key > after).order_by(key).limit(_NARROW)).all()
        if rows:
            first, second = zip(*rows, strict=True)
            yield first, second
        if len(rows) < _NARROW:
            return
        after = rows[-1][0]


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
