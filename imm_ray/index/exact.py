"""Exact search in plain numpy: the oracle of the other indexes, and enough for small datasets."""

import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Candidates, Slots, Wide, check_new, check_stored, checked
from imm_ray.index.report import IndexReport
from imm_ray.model import Vectors
from imm_ray.model.image import Image

_COSINES_AT_ONCE = 2**24  # 64 MB of float32


class ExactIndex:
    """Compares every query with every stored vector.

    Notes
    -----
    Rows are in order of arrival; adding and removing copy the array. Search is ``O(queries *
    stored)``.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._slots: Slots = np.empty(0, np.int64)
        self._vectors: Vectors = np.empty((0, dimension), np.float16)
        self._row_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, slots: Slots, vectors: Vectors) -> None:
        """Store ``vectors`` under ``slots``, none of which may be stored."""
        checked(vectors, self.dimension)
        check_new(slots, vectors, self._holds)
        self._slots = np.concatenate((self._slots, slots))
        self._vectors = np.concatenate((self._vectors, vectors.astype(np.float16)))
        self._number()

    def remove(self, slots: Slots) -> None:
        """Forget ``slots``, all of which must be stored."""
        check_stored(slots, self._holds)
        kept = ~np.isin(self._slots, slots)
        self._slots, self._vectors = self._slots[kept], self._vectors[kept]
        self._number()

    def vectors(self, slots: Slots) -> Vectors:
        """Return the stored vectors of ``slots``, bit by bit as they were added."""
        check_stored(slots, self._holds)
        rows = np.array([self._row_of[slot] for slot in slots.tolist()], np.int64)
        return self._vectors[rows]

    def wide(self, slots: Slots) -> Wide:
        """Return the stored vectors of ``slots`` as float32."""
        return self.vectors(slots).astype(np.float32)

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return every stored item at ``cosine`` or nearer to each query, by query row and slot."""
        queries = checked(vectors, self.dimension)
        parts = []
        for start, block in self._blocks(queries):
            rows, columns = np.nonzero(block >= np.float32(cosine))
            parts.append(Candidates(rows + start, self._slots[columns], block[rows, columns]))
        return Candidates.join(parts).by_slot()

    def nearest(self, vectors: Vectors, k: int) -> Candidates:
        """Return the ``k`` (or all, if fewer) nearest items of each query, the nearest first."""
        queries = checked(vectors, self.dimension)
        parts = []
        for start, block in self._blocks(queries):
            columns = np.argsort(-block, axis=1, kind="stable")[:, :k]
            rows = np.repeat(np.arange(len(block)), columns.shape[1])
            flat = columns.ravel()
            parts.append(Candidates(rows + start, self._slots[flat], block[rows, flat]))
        return Candidates.join(parts)

    def state(self, size: int) -> Image:
        """Return nothing: there is nothing to know."""
        return Image()

    def restore(self, image: Image) -> None:
        """Forget everything."""
        self.remove(self._slots)

    def add_restored(self, slots: Slots, vectors: Vectors) -> None:
        """Store ``vectors`` under ``slots``."""
        self.add(slots, vectors)

    def tend(self) -> bool:
        """Return False: there is no upkeep."""
        return False

    def report(self) -> IndexReport:
        """Return the tier and its size."""
        return IndexReport(tier="exact", count=len(self))

    def close(self) -> None:
        """Free the memory."""
        self.remove(self._slots)

    def _holds(self, slots: Slots) -> NDArray[np.bool_]:
        return np.isin(slots, self._slots)

    def _blocks(self, queries: Wide) -> list[tuple[int, Wide]]:
        step = max(1, _COSINES_AT_ONCE // max(1, len(self)))
        stored = self._vectors.astype(np.float32).T
        return [(i, queries[i : i + step] @ stored) for i in range(0, len(queries), step)]

    def _number(self) -> None:
        self._row_of = {slot: row for row, slot in enumerate(self._slots.tolist())}
