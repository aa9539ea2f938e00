"""Reads for what looks into pictures: which content was indexed, and who is visible."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Select, select

from imm_ray.errors import ResourceNotFound
from imm_ray.model import Box, ClusterId, ClusterKind, DatasetId, FileId
from imm_ray.store import datasets, tables
from imm_ray.store.database import Tx

_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedPicture:
    """A file as it was last indexed."""

    file_id: FileId
    uri: str
    revision: int
    content_hash: str
    width: int
    """Of the upright picture, 0 when there is none (a video, or nothing was indexed yet)."""
    height: int


def of_uri(tx: Tx, dataset_id: DatasetId, uri: str) -> IndexedPicture:
    """Return the picture of a URI.

    Raises
    ------
    ResourceNotFound
    """
    f = tables.file.c
    return _picture(tx, _select().where(f.dataset_id == dataset_id, f.uri == uri), "file")


def of_figure(tx: Tx, dataset_id: DatasetId, figure_id: str) -> tuple[IndexedPicture, Box]:
    """Return the picture of a figure, and where the figure is in it.

    Raises
    ------
    ResourceNotFound
    """
    f, g = tables.file.c, tables.figure.c
    row = tx.execute(
        select(g.file_id, g.left, g.top, g.width, g.height).where(
            g.dataset_id == dataset_id, g.figure_id == figure_id
        )
    ).first()
    if row is None:
        raise ResourceNotFound.of("figure")
    picture = _picture(tx, _select().where(f.file_id == row.file_id), "figure")
    return picture, Box(row.left, row.top, row.width, row.height)


def existing(tx: Tx, dataset_id: DatasetId, file_ids: Collection[FileId]) -> set[FileId]:
    """Return which of the files a dataset has that is not being purged."""
    f, d = tables.file.c, tables.dataset.c
    query = (
        select(f.file_id)
        .join(tables.dataset, d.dataset_id == f.dataset_id)
        .where(f.dataset_id == dataset_id, f.file_id.in_(file_ids), d.purged_at.is_(None))
    )
    return {FileId(file_id) for file_id in tx.scalars(query)}


def is_current(tx: Tx, picture: IndexedPicture) -> bool:
    """Return whether the file still exists and has not been indexed or changed since."""
    f = tables.file.c
    query = select(f.revision).where(f.file_id == picture.file_id)
    return tx.scalar(query) == picture.revision


def file_id_of(tx: Tx, dataset_id: DatasetId, uri: str) -> FileId:
    """Return the id of a file by its URI.

    Raises
    ------
    ResourceNotFound
    """
    f = tables.file.c
    found = tx.scalar(select(f.file_id).where(f.dataset_id == dataset_id, f.uri == uri))
    if found is None:
        raise ResourceNotFound.of("file")
    return FileId(found)


def uris(tx: Tx, dataset_id: DatasetId, file_ids: Collection[FileId]) -> dict[FileId, str]:
    """Return the URIs of those files that exist."""
    f = tables.file.c
    found: dict[FileId, str] = {}
    ids = list(file_ids)
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[start : start + _IDS_AT_ONCE]
        query = select(f.file_id, f.uri).where(f.dataset_id == dataset_id, f.file_id.in_(some))
        found |= {FileId(row.file_id): row.uri for row in tx.execute(query)}
    return found


def visible_people(
    tx: Tx, dataset_id: DatasetId, cluster_ids: Iterable[ClusterId]
) -> set[ClusterId]:
    """Return those of the figure clusters that a client can see."""
    s = tables.cluster_state.c
    run = datasets.visible_run(tx, dataset_id, ClusterKind.FIGURE)
    query = select(s.cluster_id).where(
        s.dataset_id == dataset_id,
        s.kind == ClusterKind.FIGURE,
        s.cluster_id.in_(list(cluster_ids)),
        s.from_run <= run,
        s.to_run > run,
        s.item_count >= ClusterKind.FIGURE.smallest,
    )
    return {ClusterId(cluster_id) for cluster_id in tx.scalars(query)}


def _select() -> "Select[tuple[str, str, int, str, int, int]]":
    f = tables.file.c
    return select(f.file_id, f.uri, f.revision, f.content_hash, f.width, f.height)


def _picture(
    tx: Tx, query: "Select[tuple[str, str, int, str, int, int]]", kind: str
) -> IndexedPicture:
    row = tx.execute(query).first()
    if row is None:
        raise ResourceNotFound.of(kind)
    return IndexedPicture(
        file_id=FileId(row.file_id),
        uri=row.uri,
        revision=row.revision,
        content_hash=row.content_hash,
        width=row.width or 0,
        height=row.height or 0,
    )
