"""Files as clients say and read them: index requests, reads, deletes."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, insert, select, update

from imm_ray.crash_point import reached
from imm_ray.errors import LimitExceeded
from imm_ray.model import (
    NO_CLUSTER,
    Box,
    ClusterId,
    ClusterKind,
    Dataset,
    DatasetId,
    Figure,
    FigureId,
    File,
    FileId,
    FileStatus,
    HeadPose,
    JsonObject,
    SourceStat,
)
from imm_ray.store import constraints, datasets, departures, requests, searchable, tables
from imm_ray.store.columns import any_of
from imm_ray.store.database import Tx

_IDS_AT_ONCE = 500
# Made once: taking in each column of a query costs as much as the query. Rows are read by position,
# in the order of `_figure` and `_file`: a look-up by name costs as much as the member's object.
_G, _F = tables.figure.c, tables.file.c
_READ_OF_FIGURES = select(
    *(_G.file_id, _G.seq, _G.figure_id, _G.left, _G.top, _G.width, _G.height),
    *(_G.confidence, _G.quality, _G.sharpness, _G.pitch, _G.roll, _G.yaw),
    *(tables.membership.c.cluster_id, tables.membership.c.confidence),
)
_READ = select(
    *(_F.dataset_id, _F.file_id, _F.uri, _F.status, _F.reason, _F.attributes, _F.size, _F.etag),
    *(_F.modified_at, _F.content_hash, _F.content_type, _F.width, _F.height, _F.orientation),
    *(_F.image_score, _F.produce_time, _F.lat_long, _F.exif, _F.created_at, _F.updated_at),
)


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file to index: its URI, and what the client says of it (wire spelling)."""

    uri: str
    attributes: JsonObject


def index(
    tx: Tx,
    dataset: Dataset,
    inputs: Sequence[InputFile],
    now: datetime,
    request: "requests.IndexRequest | None" = None,
) -> None:
    """Make the files Pending, new or again; the owner does the rest.

    A file that exists gets a higher revision, and the attributes given now replace those of the
    same names. When a URI stands twice in ``inputs`` the later one holds. ``request`` is stored
    when its end is to be notified.

    Raises
    ------
    LimitExceeded
        The dataset may not have so many files.
    """
    wanted = {item.uri: item for item in inputs}
    seq = datasets.next_seq(tx, dataset.dataset_id)
    known = _known(tx, dataset.dataset_id, list(wanted))
    fresh = [item for uri, item in wanted.items() if uri not in known]
    # Read again: `next_seq` holds the dataset's row now, so no other request adds files meanwhile.
    stored = datasets.file_count(tx, dataset.dataset_id)
    if stored + len(fresh) > dataset.quotas.dataset_max_file_count:
        raise LimitExceeded(f"The dataset may have {dataset.quotas.dataset_max_file_count} files.")
    for uri, row in known.items():
        _index_again(tx, row, wanted[uri], seq, now)
    again = {row.file_id: wanted[uri].attributes for uri, row in known.items()}
    searchable.relabel(tx, dataset.dataset_id, again)
    revisions = {uri: (row.file_id, row.revision + 1) for uri, row in known.items()}
    revisions |= _insert(tx, dataset.dataset_id, fresh, seq, now)
    if request is not None:
        requests.create(tx, dataset, request, revisions, now)
    reached("files.index_written")


def get(tx: Tx, dataset_id: DatasetId, uris: Sequence[str]) -> list[File]:
    """Return the files of these URIs with figures, in their order, without unknown ones."""
    f = tables.file
    query = _READ.where(f.c.dataset_id == dataset_id, f.c.uri.in_(uris))
    found = {file.uri: file for file in _files(tx, dataset_id, tx.execute(query).all())}
    return [found[uri] for uri in dict.fromkeys(uris) if uri in found]


def count_contents(tx: Tx, file_ids: Iterable[FileId]) -> int:
    """Return how many different contents files have."""
    f = tables.file.c
    contents: set[str] = set()
    ids = list(file_ids)
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[start : start + _IDS_AT_ONCE]
        contents.update(tx.scalars(select(f.content_hash).where(f.file_id.in_(some)).distinct()))
    return len(contents)


def by_id(tx: Tx, dataset_id: DatasetId, file_ids: Iterable[FileId]) -> dict[FileId, File]:
    """Return files with their figures by id."""
    # By id alone: told the dataset too, SQLite would walk through all its files.
    query = _READ.where(tables.file.c.file_id.in_(any_of(file_ids)))
    rows = [row for row in tx.execute(query).all() if row[0] == dataset_id]
    return {file.file_id: file for file in _files(tx, dataset_id, rows)}


def delete(
    tx: Tx, dataset_id: DatasetId, uris: Sequence[str], now: datetime, notices: "requests.Notices"
) -> int:
    """Delete files, their figures and their places in clusters; return how many there were.

    A cluster whose last figure goes takes its name, cover and constraints with it. Clusters shrink
    in this transaction; the owner is told by tombstones and mends its index. Requests that waited
    for these files are answered through ``notices``.
    """
    known = _known(tx, dataset_id, list(dict.fromkeys(uris)))
    if not known:
        return 0
    seq = datasets.next_seq(tx, dataset_id)
    file_ids = [FileId(row.file_id) for row in known.values()]
    datasets.disturb(tx, dataset_id, seq)
    g = tables.figure.c
    figures = tx.scalars(select(g.figure_id).where(g.file_id.in_(file_ids))).all()
    constraints.forget_items(tx, dataset_id, figures)
    departures.leave_clusters(tx, dataset_id, now, file_ids=file_ids)
    for row in known.values():
        requests.settle(
            tx, FileId(row.file_id), row.revision, "The file was deleted.", now, notices
        )
    size = tx.scalar(
        select(func.sum(tables.file.c.size)).where(tables.file.c.file_id.in_(file_ids))
    )
    tx.execute(sql_delete(tables.file).where(tables.file.c.file_id.in_(file_ids)))
    tx.execute(
        insert(tables.tombstone),
        [{"dataset_id": dataset_id, "seq": seq, "file_id": file_id} for file_id in file_ids],
    )
    d = tables.dataset
    tx.execute(
        update(d)
        .where(d.c.dataset_id == dataset_id)
        .values(
            file_count=d.c.file_count - len(file_ids),
            total_file_size=d.c.total_file_size - int(size or 0),
        )
    )
    reached("files.delete_written")
    return len(file_ids)


def _known(tx: Tx, dataset_id: DatasetId, uris: Sequence[str]) -> dict[str, Any]:
    f = tables.file.c
    known = (f.attributes, f.image_score, f.produce_time, f.lat_long)
    query = (
        select(f.file_id, f.uri, f.revision, f.seq, f.status, *known)
        .where(f.dataset_id == dataset_id, f.uri.in_(uris))
        .with_for_update()
    )
    return {row.uri: row for row in tx.execute(query)}


def _index_again(tx: Tx, row: Any, item: InputFile, seq: int, now: datetime) -> None:
    # A file that still waits keeps its place: a task that covers it must not lose it to a repeated
    # request.
    waits = row.status == FileStatus.PENDING
    attributes = {**row.attributes, **item.attributes}
    tx.execute(
        update(tables.file)
        .where(tables.file.c.file_id == row.file_id)
        .values(
            revision=row.revision + 1,
            seq=row.seq if waits else seq,
            status=FileStatus.PENDING,
            reason="",
            attempts=0,
            attributes=attributes,
            updated_at=now,
            **searchable.described(row.uri, attributes, **searchable.read_from(row)),
        )
    )


def _insert(
    tx: Tx, dataset_id: DatasetId, items: Sequence[InputFile], seq: int, now: datetime
) -> dict[str, tuple[str, int]]:
    if not items:
        return {}
    rows: list[dict[str, Any]] = [
        {
            "file_id": str(uuid.uuid4()),
            "dataset_id": dataset_id,
            "uri": item.uri,
            "revision": 1,
            "seq": seq,
            "status": FileStatus.PENDING,
            "attributes": dict(item.attributes),
            "exif": {},
            "created_at": now,
            "updated_at": now,
            **searchable.described(item.uri, item.attributes),
        }
        for item in items
    ]
    tx.execute(insert(tables.file), rows)
    searchable.relabel(tx, dataset_id, {str(row["file_id"]): row["attributes"] for row in rows})
    d = tables.dataset
    tx.execute(
        update(d).where(d.c.dataset_id == dataset_id).values(file_count=d.c.file_count + len(rows))
    )
    return {str(row["uri"]): (str(row["file_id"]), 1) for row in rows}


def _files(tx: Tx, dataset_id: DatasetId, rows: Sequence[Sequence[Any]]) -> list[File]:
    figures = _figures(tx, dataset_id, [FileId(row[1]) for row in rows])
    return [_file(row, figures.get(FileId(row[1]), ())) for row in rows]


def _figures(
    tx: Tx, dataset_id: DatasetId, file_ids: Sequence[FileId]
) -> dict[FileId, tuple[Figure, ...]]:
    g, m, d = tables.figure, tables.membership, tables.dataset
    visible = tx.execute(
        select(d.c.figure_run, d.c.figure_watermark).where(d.c.dataset_id == dataset_id)
    ).first()
    if visible is None or not file_ids:
        return {}
    query = (
        _READ_OF_FIGURES.outerjoin_from(
            g,
            m,
            (m.c.dataset_id == g.c.dataset_id)
            & (m.c.kind == ClusterKind.FIGURE)
            & (m.c.item_id == g.c.figure_id)
            & (m.c.from_run <= visible.figure_run)
            & (m.c.to_run > visible.figure_run),
        )
        .where(g.c.file_id.in_(any_of(file_ids)))
        .order_by(g.c.left, g.c.top, g.c.figure_id)
    )
    found: dict[FileId, list[Figure]] = {}
    for row in tx.execute(query).all():
        file_id, seq, *values = row
        figure = _figure(file_id, values, processed=seq <= visible.figure_watermark)
        found.setdefault(figure.file_id, []).append(figure)
    return {file_id: tuple(figures) for file_id, figures in found.items()}


def _figure(file_id: str, row: Sequence[Any], *, processed: bool) -> Figure:
    figure_id, left, top, width, height, *of_face, cluster_id, cluster_confidence = row
    confidence, quality, sharpness, pitch, roll, yaw = of_face
    if cluster_id is None:
        cluster_id = NO_CLUSTER if processed else None
    return Figure(
        figure_id=FigureId(figure_id),
        file_id=FileId(file_id),
        box=Box(left, top, width, height),
        confidence=confidence,
        quality=quality,
        sharpness=sharpness,
        head_pose=HeadPose(pitch, roll, yaw),
        cluster_id=None if cluster_id is None else ClusterId(cluster_id),
        cluster_confidence=cluster_confidence or 0.0,
    )


def _file(row: Sequence[Any], figures: tuple[Figure, ...]) -> File:
    _, file_id, uri, status, reason, attributes, size, etag, modified_at, content_hash, *seen = row
    content_type, width, height, orientation, image_score, *said, created_at, updated_at = seen
    produce_time, lat_long, exif = said
    return File(
        file_id=FileId(file_id),
        uri=uri,
        status=FileStatus(status),
        reason=reason,
        attributes=attributes,
        stat=SourceStat(size=size, etag=etag, modified_at=modified_at, content_hash=content_hash),
        content_type=content_type,
        width=width,
        height=height,
        orientation=orientation,
        image_score=image_score,
        produce_time=produce_time,
        lat_long=lat_long,
        exif=exif,
        created_at=created_at,
        updated_at=updated_at,
        figures=figures,
    )
