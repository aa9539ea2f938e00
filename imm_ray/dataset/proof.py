"""Proof of an erasure: looks for what is left, in all bytes and by search."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from imm_ray.dataset.receipt import ByteScan, Search
from imm_ray.model import DatasetId, Vector
from imm_ray.store import loading
from imm_ray.store.database import Database
from imm_ray.store.erasure import compact, redact, traces
from imm_ray.store.erasure.scan import SHORTEST, Scan, scan
from imm_ray.store.erasure.traces import Traces
from imm_ray.store.query.function import fold
from imm_ray.store.results import from_blob

T = TypeVar("T")

_PROBE = 16
_PROBES = 4
_SEARCHED_WITH = 500
_COMPARED_AT_ONCE = 2000


def look_at_bytes(
    database: Database, folder: Path, gone: Traces, *, skip: Sequence[Path], patience_s: float
) -> ByteScan:
    """Look at all bytes; write the database anew when something is left, and look again."""
    wanted = _texts(gone)
    found, rewritten = scan(folder, wanted, skip=skip), False
    hits, kept = _told_apart(database, found, wanted)
    if hits and compact.keeps_a_file(database):
        rewritten = compact.rewrite(database, patience_s=patience_s)
        found = scan(folder, wanted, skip=skip)
        hits, kept = _told_apart(database, found, wanted)
    return ByteScan(
        files=found.files,
        bytes=found.size,
        unreadable=found.unreadable,
        texts=len(wanted),
        rewritten=rewritten,
        hits=len(hits),
        kept_elsewhere=kept,
        where=sorted({name for text in hits for name in found.hits[text]}),
    )


def _texts(gone: Traces) -> dict[bytes, bytes | str]:
    """Return what to look for, and the vector or URI that each is of.

    A vector may be split over two pages, so parts of it are looked for; parts of few different
    bytes stand everywhere.
    """
    wanted: dict[bytes, bytes | str] = {}
    for vector in gone.vectors:
        step = max(_PROBE, len(vector) // _PROBES)
        for start in range(0, len(vector) - _PROBE + 1, step):
            part = vector[start : start + _PROBE]
            if len(set(part)) >= _PROBE // 2:
                wanted[part] = vector
    for uri in gone.uris:
        for text in {uri.encode(), fold(uri).encode()}:
            if len(text) >= SHORTEST:
                wanted[text] = uri
    return wanted


def _told_apart(
    database: Database, found: Scan, wanted: dict[bytes, bytes | str]
) -> tuple[list[bytes], int]:
    """Return the texts that should not be there, and how many others have a right to be."""
    hits: list[bytes] = []
    for text in found.hits:
        of = wanted[text]
        with database.read() as tx:
            if isinstance(of, str):
                stays = redact.count(tx, of) > 0
            else:
                stays = traces.stored_elsewhere(tx, of)
        if not stays:
            hits.append(text)
    return hits, len(found.hits) - len(hits)


def search(database: Database, dataset_id: DatasetId, erased: Traces) -> Search:
    """Search with erased vectors among all that is stored of the dataset."""
    gone = {*erased.file_ids, *erased.figure_ids}
    asked = [from_blob(vector) for vector in erased.vectors[:_SEARCHED_WITH]]
    known = {vector.tobytes() for vector in asked}
    compared = found = identical = 0
    nearest = -1.0
    for portion in _batched(_stored(database, dataset_id), _COMPARED_AT_ONCE):
        compared += len(portion)
        found += sum(item_id in gone for item_id, _ in portion)
        identical += sum(vector.tobytes() in known for _, vector in portion)
        nearest = max(nearest, _nearest(asked, [vector for _, vector in portion]))
    return Search(
        vectors=len(asked),
        compared_with=compared,
        found=found,
        identical=identical,
        nearest=round(nearest, 4),
    )


def _stored(database: Database, dataset_id: DatasetId) -> Iterator[tuple[str, Vector]]:
    for figure in loading.figures(database, dataset_id):
        yield figure.figure_id, figure.vector
    for image in loading.images(database, dataset_id):
        yield image.file_id, image.vector


def _nearest(asked: Sequence[Vector], stored: Sequence[Vector]) -> float:
    """Return the highest cosine of two vectors that can be compared, -1 where there are none."""
    highest = -1.0
    for dimension in {len(vector) for vector in asked}:
        these, those = (
            [_unit(vector) for vector in some if len(vector) == dimension]
            for some in (asked, stored)
        )
        if those:
            highest = max(highest, float((np.stack(these) @ np.stack(those).T).max()))
    return highest


def _unit(vector: Vector) -> NDArray[np.float32]:
    wide = vector.astype(np.float32)
    return wide / max(float(np.linalg.norm(wide)), 1e-12)


def _batched(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most ``size`` items."""
    while some := list(islice(items, size)):
        yield some
