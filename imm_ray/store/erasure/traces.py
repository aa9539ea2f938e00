"""What belongs to files that are to be erased, read before they go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select

from imm_ray.model import ClusterKind, DatasetId
from imm_ray.store import datasets, tables
from imm_ray.store.database import Database, Tx

_IDS_AT_ONCE = 250
MOST_VECTORS = 20_000
"""Of more vectors than this, the first ones are looked for in the files."""


@dataclass(slots=True)
class Traces:
    """Files, their figures, and their vectors as they are stored."""

    uris: list[str]
    file_ids: list[str] = field(default_factory=list)
    figure_ids: list[str] = field(default_factory=list)
    vectors: list[bytes] = field(default_factory=list)
    vector_count: int = 0

    def keep(self, vector: bytes | None) -> None:
        """Take a vector in."""
        if vector is None:
            return
        self.vector_count += 1
        if len(self.vectors) < MOST_VECTORS:
            self.vectors.append(bytes(vector))


def of_uris(database: Database, dataset_id: DatasetId, uris: Sequence[str]) -> Traces:
    """Return what belongs to the files of these URIs; those that are not indexed have nothing."""
    found = Traces(list(dict.fromkeys(uris)))
    f, g = tables.file.c, tables.figure.c
    for some in _chunks(found.uris):
        with database.read() as tx:
            rows = tx.execute(
                select(f.file_id, f.vector).where(f.dataset_id == dataset_id, f.uri.in_(some))
            ).all()
            ids = [row.file_id for row in rows]
            figures = tx.execute(select(g.figure_id, g.vector).where(g.file_id.in_(ids))).all()
        found.file_ids += ids
        found.figure_ids += [row.figure_id for row in figures]
        for row in (*figures, *rows):
            found.keep(row.vector)
    return found


def uris_of_dataset(tx: Tx, dataset_id: DatasetId) -> list[str]:
    """Return the URIs of all files of a dataset."""
    f = tables.file.c
    return list(tx.scalars(select(f.uri).where(f.dataset_id == dataset_id)))


def uris_of_person(tx: Tx, dataset_id: DatasetId, cluster_id: str) -> list[str]:
    """Return the URIs of the files that show a person: a visible figure of the cluster."""
    m, f = tables.membership.c, tables.file.c
    run = datasets.visible_run(tx, dataset_id, ClusterKind.FIGURE)
    shown = select(m.file_id).where(
        m.dataset_id == dataset_id,
        m.kind == ClusterKind.FIGURE,
        m.cluster_id == cluster_id,
        m.from_run <= run,
        m.to_run > run,
    )
    return list(tx.scalars(select(f.uri).where(f.file_id.in_(shown)).order_by(f.uri)))


def deletes_unheard(tx: Tx, dataset_id: DatasetId) -> bool:
    """Return whether there are deletes that no owner has taken out of its memory."""
    x, d = tables.tombstone.c, tables.dataset.c
    query = select(x.seq).join_from(tables.tombstone, tables.dataset, d.dataset_id == x.dataset_id)
    unheard = query.where(x.dataset_id == dataset_id, x.seq > d.mended_seq)
    return tx.scalar(unheard.limit(1)) is not None


def rows_left(tx: Tx, traces: Traces) -> int:
    """Return how many rows there are of what was to be erased; none when it is."""
    left = 0
    for ids, column in (
        (traces.file_ids, tables.file.c.file_id),
        (traces.figure_ids, tables.figure.c.figure_id),
        (traces.file_ids, tables.membership.c.file_id),
        (traces.file_ids, tables.file_label.c.file_id),
    ):
        for some in _chunks(ids):
            query = select(func.count()).select_from(column.table).where(column.in_(some))
            left += int(tx.scalar(query) or 0)
    return left


def stored_elsewhere(tx: Tx, vector: bytes) -> bool:
    """Return whether another figure or file has this very vector: a copy of the same picture."""
    for column in (tables.figure.c.vector, tables.file.c.vector):
        if tx.execute(select(column).where(column == vector).limit(1)).first() is not None:
            return True
    return False


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]
