"""Flat index: exact search, stable slots and real removal, for up to some 3 * 10**5 vectors."""

import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Candidates, Slots, Wide, check_new, check_stored, checked
from imm_ray.index.places import NOWHERE, Places
from imm_ray.index.products import nearest_rows, tiles, within_rows
from imm_ray.index.report import IndexReport
from imm_ray.index.rows import GrowingRows
from imm_ray.model import Vectors

_MOVED_AT_ONCE = 2**13
_NEAREST_AT_ONCE = 2**20  # answers


class FaissFlatIndex:
    """All vectors as float32 in one matrix without gaps, compared by FAISS's matrix products.

    Notes
    -----
    ``4 * dimension`` bytes a vector and at most 12 for the books. Growing copies nothing. A removal
    moves the last vector into the gap, whatever is stored, and gives memory back. A search builds
    its answer from pieces of some 50 MB at most, even when everything is near everything.

    float32 holds every fp16 value, so ``vectors`` gives back the bits that were added.
    """

    def __init__(self, dimension: int, *, threads: int = 1) -> None:
        self.dimension = dimension
        self._threads = threads
        self._rows = GrowingRows(dimension, np.float32)
        self._places = Places()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def holds(self, slots: Slots) -> NDArray[np.bool_]:
        """Return which of ``slots`` are stored."""
        return self._places.holds(slots)

    def tail(self, count: int) -> Slots:
        """Return ``count`` (or all, if fewer) stored slots whose removal moves least."""
        return self._places.slots(np.arange(max(0, self._count - count), self._count))

    def slots(self) -> Slots:
        """Return all stored slots, in order."""
        return self._places.stored()

    def add(self, slots: Slots, vectors: Vectors) -> None:
        """Store ``vectors`` under ``slots``, none of which may be stored."""
        wide = checked(vectors, self.dimension)
        check_new(slots, vectors, self.holds)
        if not len(slots):
            return
        stop = self._count + len(slots)
        self._rows.reserve(stop)
        self._places.reserve(slots=int(slots.max()) + 1, rows=stop)
        self._rows.array[self._count : stop] = wide
        self._places.put(slots, np.arange(self._count, stop))
        self._count = stop

    def remove(self, slots: Slots) -> None:
        """Forget ``slots``, all of which must be stored."""
        check_stored(slots, self.holds)
        gone = np.unique(slots)
        left = self._count - len(gone)
        rows = self._places.rows(gone)
        stays = np.ones(len(gone), np.bool_)
        stays[rows[rows >= left] - left] = False
        self._fill(rows[rows < left], np.flatnonzero(stays) + left)
        self._places.row_of[gone] = NOWHERE
        self._places.slot_at[left : self._count] = NOWHERE
        self._count = left
        self._rows.trim(left)

    def vectors(self, slots: Slots) -> Vectors:
        """Return the stored vectors of ``slots``, bit by bit as they were added."""
        return self.wide(slots).astype(np.float16)

    def wide(self, slots: Slots) -> Wide:
        """Return the stored vectors of ``slots`` as float32."""
        check_stored(slots, self.holds)
        return self._rows.array[self._places.rows(slots)]

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return every stored item at ``cosine`` or nearer to each query, by query row and slot."""
        queries = checked(vectors, self.dimension)
        parts = []
        for some, blocks in tiles(len(queries), self._count):
            found = [self._block_within(queries[some], block, cosine) for block in blocks]
            part = Candidates.join(found).by_slot()
            parts.append(Candidates(part.query_rows + some.start, part.slots, part.cosines))
        return Candidates.join(parts)

    def nearest(self, vectors: Vectors, k: int) -> Candidates:
        """Return the ``k`` (or all, if fewer) nearest items of each query, the nearest first."""
        queries = checked(vectors, self.dimension)
        step = max(1, _NEAREST_AT_ONCE // max(1, min(k, self._count)))
        parts = []
        for start in range(0, len(queries), step):
            cosines, rows = nearest_rows(
                queries[start : start + step],
                self._rows.array[: self._count],
                k,
                threads=self._threads,
            )
            of = np.repeat(np.arange(start, start + len(rows)), rows.shape[1])
            parts.append(Candidates(of, self._places.slots(rows.ravel()), cosines.ravel()))
        return Candidates.join(parts)

    def tend(self) -> bool:
        """Return False: there is no upkeep."""
        return False

    def report(self) -> IndexReport:
        """Return the tier and its size."""
        return IndexReport(tier="flat", count=self._count)

    def close(self) -> None:
        """Free the memory."""
        self._count = 0
        self._places = Places()
        self._rows = GrowingRows(self.dimension, np.float32)

    def _fill(self, gaps: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Move the vectors of ``rows`` into ``gaps``."""
        array = self._rows.array
        for start in range(0, len(gaps), _MOVED_AT_ONCE):
            some = slice(start, start + _MOVED_AT_ONCE)
            array[gaps[some]] = array[rows[some]]
        self._places.put(self._places.slots(rows), gaps)

    def _block_within(self, queries: Wide, block: slice, cosine: float) -> Candidates:
        found = within_rows(queries, self._rows.array[block], cosine, threads=self._threads)
        slots = self._places.slots(found.slots + block.start)
        return Candidates(found.query_rows, slots, found.cosines)
