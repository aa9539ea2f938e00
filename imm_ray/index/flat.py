"""FAISS flat index: exact search, stable ids and real removal, for up to 3 * 10**5 vectors."""

import faiss
import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Candidates, check_new, check_stored, checked
from imm_ray.model import Vectors

_QUERIES_AT_ONCE = 1024
_FIRST_LOOK = 64  # most items have fewer neighbours; only the others need a range search


class FaissFlatIndex:
    """All vectors as float32, compared by matrix products.

    Notes
    -----
    A search must not run while vectors are added or removed, nor two changes at once: the dataset's
    engine is the single writer and calls everything in turn. FAISS's thread number is one for the
    whole process; the last index made sets it. Removal shifts memory, ``O(stored)`` for a batch of
    any size: remove in batches.

    float32 holds every fp16 value, so ``vectors`` gives back the bits that were added.
    """

    def __init__(self, dimension: int, *, threads: int = 1) -> None:
        faiss.omp_set_num_threads(threads)
        self.dimension = dimension
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
        self._stored: set[int] = set()

    def __len__(self) -> int:
        return len(self._stored)

    def add(self, slots: NDArray[np.int64], vectors: Vectors) -> None:
        """Store ``vectors`` under ``slots``, none of which may be stored."""
        wide = checked(vectors, self.dimension)
        check_new(slots, vectors, self._stored)
        self._index.add_with_ids(wide, np.ascontiguousarray(slots))
        self._stored.update(slots.tolist())

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Forget ``slots``, all of which must be stored."""
        check_stored(slots, self._stored)
        self._index.remove_ids(faiss.IDSelectorBatch(np.ascontiguousarray(slots)))
        self._stored.difference_update(slots.tolist())

    def vectors(self, slots: NDArray[np.int64]) -> Vectors:
        """Return the stored vectors of ``slots``, bit by bit as they were added."""
        check_stored(slots, self._stored)
        wide: NDArray[np.float32] = self._index.reconstruct_batch(np.ascontiguousarray(slots))
        return wide.astype(np.float16)

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return every stored item at ``cosine`` or nearer to each query, by query row and slot."""
        queries = checked(vectors, self.dimension)
        limit = np.float32(cosine)
        parts = [
            self._block_within(queries[start : start + _QUERIES_AT_ONCE], limit, start)
            for start in range(0, len(queries), _QUERIES_AT_ONCE)
        ]
        return Candidates.join(parts).by_slot()

    def nearest(self, vectors: Vectors, k: int) -> Candidates:
        """Return the ``k`` (or all, if fewer) nearest items of each query, the nearest first."""
        queries = checked(vectors, self.dimension)
        parts = []
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            cosines, slots = self._search(queries[start : start + _QUERIES_AT_ONCE], k)
            rows = np.repeat(np.arange(start, start + len(slots)), slots.shape[1])
            parts.append(Candidates(rows, slots.ravel(), cosines.ravel()))
        return Candidates.join(parts)

    def _block_within(
        self, queries: NDArray[np.float32], limit: np.float32, start: int
    ) -> Candidates:
        cosines, slots = self._search(queries, _FIRST_LOOK)
        full = np.zeros(len(queries), np.bool_)
        if slots.shape[1] == _FIRST_LOOK < len(self):
            full = cosines[:, -1] >= limit
        rows, columns = np.nonzero((cosines >= limit) & ~full[:, None])
        found = Candidates(rows + start, slots[rows, columns], cosines[rows, columns])
        crowded = np.flatnonzero(full)
        if not len(crowded):
            return found
        # FAISS keeps what is strictly over the radius.
        ends, near, ids = self._index.range_search(
            queries[crowded], float(np.nextafter(limit, np.float32(-2)))
        )
        whole = Candidates(np.repeat(crowded + start, np.diff(ends.astype(np.int64))), ids, near)
        return Candidates.join([found, whole])

    def _search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return cosines and slots of the nearest ``min(k, stored)`` items."""
        if k <= 0 or not len(self):
            empty = (len(queries), 0)
            return np.empty(empty, np.float32), np.empty(empty, np.int64)
        cosines, slots = self._index.search(queries, min(k, len(self)))
        return cosines, slots
