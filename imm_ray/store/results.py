"""Results of indexing: written by the dataset's owner, guarded by revision and epoch."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import RowMapping, delete, func, insert, select, update

from imm_ray.model import (
    Box,
    ClusterKind,
    DatasetId,
    DetectedFace,
    FigureId,
    FileId,
    FileStatus,
    HeadPose,
    ImageAnalysis,
    Indexed,
    Outcome,
    Refused,
    SourceStat,
    Vector,
)
from imm_ray.store import constraints, datasets, departures, requests, searchable, tables
from imm_ray.store.database import Tx
from imm_ray.store.ownership import Lease, check

SAME_FACE_IOU = 0.5
"""A new detection that overlaps an old one by this much is the same figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFile:
    """A file that waits for its owner."""

    file_id: FileId
    uri: str
    revision: int
    seq: int
    media_type: str
    attempts: int
    known: SourceStat | None
    """The version whose results are stored; None if there are none."""
    asked_at: datetime | None = None
    """When a client has asked for it last."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one revision of one file."""

    file: PendingFile
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFigure:
    """A face in the engine's terms."""

    figure_id: FigureId
    file_id: FileId
    seq: int
    box: Box
    quality: float
    head_pose: HeadPose
    vector: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """A picture in the engine's terms."""

    file_id: FileId
    seq: int
    vector: Vector


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a committed result changed: the file's items now, None where they stay as they were."""

    file_id: FileId
    figures: tuple[StoredFigure, ...] | None
    image: StoredImage | None
    replaced: bool


def pending(
    tx: Tx, dataset_id: DatasetId, *, limit: int, skip: Sequence[FileId] = ()
) -> list[PendingFile]:
    """Return files that wait, the oldest first and suspects last, without those in ``skip``."""
    f = tables.file.c
    query = (
        select(tables.file)
        .where(f.dataset_id == dataset_id, f.status == FileStatus.PENDING)
        .order_by(f.attempts > 0, f.seq, f.file_id)
        .limit(limit + len(skip))
    )
    left_out = set(skip)
    rows = [row for row in tx.execute(query).mappings() if row["file_id"] not in left_out]
    return [_pending(row) for row in rows[:limit]]


def pending_until(tx: Tx, dataset_id: DatasetId, watermark: int) -> int:
    """Return how many files acknowledged up to ``watermark`` are not indexed yet."""
    f = tables.file.c
    query = select(func.count()).where(
        f.dataset_id == dataset_id, f.status == FileStatus.PENDING, f.seq <= watermark
    )
    return int(tx.scalar(query) or 0)


def count_attempt(tx: Tx, lease: Lease, file_ids: Sequence[FileId]) -> None:
    """Record that the embedder failed as a whole while it held these files."""
    check(tx, lease)
    f = tables.file
    tx.execute(update(f).where(f.c.file_id.in_(file_ids)).values(attempts=f.c.attempts + 1))


def commit(
    tx: Tx, lease: Lease, results: Sequence[Result], now: datetime, notices: requests.Notices
) -> list[Accepted]:
    """Store results; those for a revision that is no longer the file's are dropped.

    Raises
    ------
    Fenced
        Nothing was written.
    """
    check(tx, lease)
    accepted = [_commit(tx, lease.dataset_id, result, now, notices) for result in results]
    return [change for change in accepted if change is not None]


def _commit(
    tx: Tx, dataset_id: DatasetId, result: Result, now: datetime, notices: requests.Notices
) -> Accepted | None:
    file, outcome = result.file, result.outcome
    f = tables.file
    row = tx.execute(
        select(f.c.size, f.c.seq, f.c.attributes)
        .where(f.c.file_id == file.file_id, f.c.revision == file.revision)
        .with_for_update()
    ).first()
    if row is None:
        return None
    refused = isinstance(outcome, Refused)
    values: dict[str, Any] = {
        "status": FileStatus.FAILED if refused else FileStatus.SUCCEEDED,
        "reason": outcome.reason if isinstance(outcome, Refused) else "",
        "updated_at": now,
    }
    accepted = Accepted(file.file_id, None, None, False)
    if isinstance(outcome, Indexed):
        values |= _stat_values(outcome)
    if _says_something_new(outcome):
        analysis = outcome.analysis if isinstance(outcome, Indexed) else None
        values |= _analysis_values(analysis, row.seq)
        values |= searchable.described(file.uri, row.attributes, **_taken(analysis))
        accepted = _replace_items(tx, dataset_id, file, row.seq, analysis, now)
    tx.execute(update(f).where(f.c.file_id == file.file_id).values(**values))
    _add_size(tx, dataset_id, values.get("size", row.size) - row.size)
    requests.settle(tx, file.file_id, file.revision, values["reason"], now, notices)
    return accepted


def _says_something_new(outcome: Outcome) -> bool:
    """Return whether what is stored of the file's content no longer holds."""
    if isinstance(outcome, Refused):
        return not outcome.transient
    return not outcome.unchanged


def _stat_values(outcome: Indexed) -> dict[str, Any]:
    stat = {
        "size": outcome.stat.size,
        "etag": outcome.stat.etag,
        "modified_at": outcome.stat.modified_at,
        "content_hash": outcome.stat.content_hash,
    }
    return stat if outcome.unchanged else stat | {"content_type": outcome.content_type}


def _analysis_values(analysis: ImageAnalysis | None, seq: int) -> dict[str, Any]:
    if analysis is None:
        return {"vector": None, "vector_seq": seq, "image_score": None, "content_hash": ""}
    return {
        "width": analysis.width,
        "height": analysis.height,
        "orientation": analysis.orientation,
        "image_score": analysis.image_score,
        "produce_time": analysis.produce_time,
        "lat_long": analysis.lat_long,
        "exif": dict(analysis.exif),
        "vector": None if analysis.vector is None else to_blob(analysis.vector),
        "vector_seq": seq,
    }


def _taken(analysis: ImageAnalysis | None) -> dict[str, str]:
    if analysis is None:
        return {}
    return {"produce_time": analysis.produce_time, "lat_long": analysis.lat_long}


def _add_size(tx: Tx, dataset_id: DatasetId, delta: int) -> None:
    if delta:
        d = tables.dataset
        tx.execute(
            update(d)
            .where(d.c.dataset_id == dataset_id)
            .values(total_file_size=d.c.total_file_size + delta)
        )


def _replace_items(
    tx: Tx,
    dataset_id: DatasetId,
    file: PendingFile,
    seq: int,
    analysis: ImageAnalysis | None,
    now: datetime,
) -> Accepted:
    """Store a picture's new figures in place of its old ones; the same face keeps its id."""
    g = tables.figure
    old = tx.execute(select(g).where(g.c.file_id == file.file_id).order_by(g.c.figure_id)).all()
    faces = analysis.faces if analysis is not None else ()
    ids = _inherit([(row.figure_id, _box(row)) for row in old], faces)
    gone = [row.figure_id for row in old if row.figure_id not in ids]
    if gone:
        constraints.forget_items(tx, dataset_id, gone)
        departures.leave_clusters(tx, dataset_id, now, kind_items=(ClusterKind.FIGURE, gone))
    if file.known is not None:
        here = (ClusterKind.SIMILAR, [file.file_id])
        departures.leave_clusters(tx, dataset_id, now, kind_items=here)
    tx.execute(delete(g).where(g.c.file_id == file.file_id))
    if old or file.known is not None:
        datasets.disturb(tx, dataset_id, seq)
    figures = tuple(
        StoredFigure(
            figure_id=FigureId(figure_id),
            file_id=file.file_id,
            seq=seq,
            box=face.box,
            quality=face.quality,
            head_pose=face.head_pose,
            vector=face.vector,
        )
        for figure_id, face in zip(ids, faces, strict=True)
    )
    if figures:
        rows = zip(figures, faces, strict=True)
        tx.execute(insert(g), [_figure_row(dataset_id, figure, face) for figure, face in rows])
    image = None
    if analysis is not None and analysis.vector is not None:
        image = StoredImage(file_id=file.file_id, seq=seq, vector=analysis.vector)
    return Accepted(file.file_id, figures, image, True)


def _inherit(old: Sequence[tuple[str, Box]], faces: Sequence[DetectedFace]) -> list[str]:
    """Return an id for each face: the old figure's of best overlap, else a new one."""
    overlaps = sorted(
        (
            (-iou(box, face.box), figure_id, position)
            for figure_id, box in old
            for position, face in enumerate(faces)
        ),
    )
    ids: dict[int, str] = {}
    for negative, figure_id, position in overlaps:
        if -negative >= SAME_FACE_IOU and position not in ids and figure_id not in ids.values():
            ids[position] = figure_id
    return [ids.get(position) or str(uuid.uuid4()) for position in range(len(faces))]


def iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes, 0–1.

    >>> iou(Box(0, 0, 10, 10), Box(5, 0, 10, 10))
    0.3333333333333333
    """
    width = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    height = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    both = max(0, width) * max(0, height)
    either = a.width * a.height + b.width * b.height - both
    return both / either if either else 0.0


def _figure_row(dataset_id: DatasetId, figure: StoredFigure, face: DetectedFace) -> dict[str, Any]:
    return {
        "figure_id": figure.figure_id,
        "dataset_id": dataset_id,
        "file_id": figure.file_id,
        "seq": figure.seq,
        "left": face.box.left,
        "top": face.box.top,
        "width": face.box.width,
        "height": face.box.height,
        "confidence": face.confidence,
        "quality": face.quality,
        "sharpness": face.sharpness,
        "pitch": face.head_pose.pitch,
        "roll": face.head_pose.roll,
        "yaw": face.head_pose.yaw,
        "vector": to_blob(face.vector),
    }


def _box(row: Any) -> Box:
    return Box(row.left, row.top, row.width, row.height)


def _pending(row: RowMapping) -> PendingFile:
    known = None
    if row["content_hash"]:
        known = SourceStat(
            size=row["size"],
            etag=row["etag"],
            modified_at=row["modified_at"],
            content_hash=row["content_hash"],
        )
    return PendingFile(
        file_id=FileId(row["file_id"]),
        uri=row["uri"],
        revision=row["revision"],
        seq=row["seq"],
        media_type=row["attributes"].get("MediaType", ""),
        attempts=row["attempts"],
        known=known,
        asked_at=row["updated_at"],
    )


def to_blob(vector: Vector) -> bytes:
    """Return the stored form of a vector: little-endian fp16."""
    return vector.astype("<f2", copy=False).tobytes()


def from_blob(blob: bytes) -> Vector:
    """Return the vector of a stored form."""
    return np.frombuffer(blob, dtype="<f2").astype(np.float16, copy=False)
