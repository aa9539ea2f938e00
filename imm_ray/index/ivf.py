"""Inverted-file index: looks only into the lists whose centroids are nearest to the query."""

import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Candidates, Slots, Wide, check_new, check_stored, checked
from imm_ray.index.lists import InvertedLists
from imm_ray.index.products import nearest_rows
from imm_ray.index.report import IndexReport
from imm_ray.model import Vectors

_QUERIES_AT_ONCE = 2048
_NEAREST_AT_ONCE = 32  # all cosines with the probed lists are kept until the best are known


class IvfIndex:
    """Vectors as fp16, each in the list of its nearest centroid.

    Parameters
    ----------
    centroids
        Unit vectors, one for each list; see `train`.
    probes
        Lists that a query looks into. With all of them every search is exact.
    threads
        Threads that compare with the centroids; lists are scanned by one, without the GIL.

    Notes
    -----
    The codes are the very fp16 bits that were added, with no residual taken: `vectors` gives them
    back, and cosines are those of the flat index up to rounding. See `InvertedLists` for memory.
    """

    def __init__(self, centroids: Wide, *, probes: int, threads: int = 1) -> None:
        self.dimension = centroids.shape[1]
        self.probes = probes
        self._centroids = np.ascontiguousarray(centroids)
        self._threads = threads
        self._lists = InvertedLists(self.dimension, len(centroids))

    def __len__(self) -> int:
        return len(self._lists)

    @property
    def centroids(self) -> Wide:
        """The centroid of each list; not to be changed."""
        return self._centroids

    @property
    def lists(self) -> int:
        """The number of lists."""
        return len(self._centroids)

    @property
    def pages(self) -> int:
        """Pages in use: what `portion` counts in."""
        return self._lists.used_pages

    def holds(self, slots: Slots) -> NDArray[np.bool_]:
        """Return which of ``slots`` are stored."""
        return self._lists.holds(slots)

    def tail(self, count: int) -> Slots:
        """Return ``count`` (or all, if fewer) stored slots whose removal moves least."""
        return self._lists.tail(count)

    def slots(self) -> Slots:
        """Return all stored slots, in order."""
        return self._lists.slots()

    def add(self, slots: Slots, vectors: Vectors) -> None:
        """Store ``vectors`` under ``slots``, none of which may be stored."""
        wide = checked(vectors, self.dimension)
        check_new(slots, vectors, self.holds)
        _, lists = nearest_rows(wide, self._centroids, 1, threads=self._threads)
        self._lists.add(slots, vectors.astype(np.float16, copy=False), lists.ravel())

    def add_to(self, lists: NDArray[np.int64], slots: Slots, vectors: Vectors) -> None:
        """Store ``vectors`` in lists that were theirs before: `lists_of` has told which."""
        checked(vectors, self.dimension)
        check_new(slots, vectors, self.holds)
        self._lists.add(slots, vectors.astype(np.float16, copy=False), lists)

    def lists_of(self, slots: Slots) -> NDArray[np.int64]:
        """Return the lists of stored slots."""
        return self._lists.lists_of(slots)

    def remove(self, slots: Slots) -> None:
        """Forget ``slots``, all of which must be stored."""
        check_stored(slots, self.holds)
        self._lists.remove(np.unique(slots))

    def vectors(self, slots: Slots) -> Vectors:
        """Return the stored vectors of ``slots``, bit by bit as they were added."""
        check_stored(slots, self.holds)
        return self._lists.vectors(slots)

    def wide(self, slots: Slots) -> Wide:
        """Return the stored vectors of ``slots`` as float32."""
        check_stored(slots, self.holds)
        return self._lists.wide(slots)

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return the items at ``cosine`` or nearer in the probed lists, by query row and slot."""
        queries = checked(vectors, self.dimension)
        parts = [Candidates.join([])]
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            some = queries[start : start + _QUERIES_AT_ONCE]
            found = Candidates.join(list(self._lists.scan(some, self._probed(some), cosine)))
            part = found.by_slot()
            parts.append(Candidates(part.query_rows + start, part.slots, part.cosines))
        return Candidates.join(parts)

    def nearest(self, vectors: Vectors, k: int) -> Candidates:
        """Return the ``k`` (or all, if fewer) nearest items of the probed lists, nearest first."""
        queries = checked(vectors, self.dimension)
        parts = [Candidates.join([])]
        for start in range(0, len(queries), _NEAREST_AT_ONCE):
            some = queries[start : start + _NEAREST_AT_ONCE]
            seen = Candidates.join([])
            for found in self._lists.scan(some, self._probed(some), -np.inf):
                seen = Candidates.join([seen, found]).best(k)
            parts.append(Candidates(seen.query_rows + start, seen.slots, seen.cosines))
        return Candidates.join(parts)

    def ranks(self, vectors: Wide) -> NDArray[np.int32]:
        """Return by query and list how many other lists are probed before that list."""
        _, order = nearest_rows(vectors, self._centroids, self.lists, threads=self._threads)
        ranks = np.empty(order.shape, np.int32)
        np.put_along_axis(ranks, order, np.arange(self.lists, dtype=np.int32)[None, :], axis=1)
        return ranks

    def portion(self, first: int, pages: int) -> tuple[Slots, NDArray[np.int64], Wide]:
        """Return slots, list numbers and vectors of what some pages hold."""
        return self._lists.portion(first, pages)

    def tend(self) -> bool:
        """Return False: there is no upkeep."""
        return False

    def report(self) -> IndexReport:
        """Return the tier, its size and its lists."""
        return IndexReport(tier="ivf", count=len(self), lists=self.lists, probes=self._depth)

    def close(self) -> None:
        """Free the memory."""
        self._lists = InvertedLists(self.dimension, self.lists)

    @property
    def _depth(self) -> int:
        return min(self.probes, self.lists)

    def _probed(self, queries: Wide) -> NDArray[np.int64]:
        _, lists = nearest_rows(queries, self._centroids, self._depth, threads=self._threads)
        return lists


def compile_kernels() -> None:
    """Run every kernel once; seconds where no cache exists, else milliseconds."""
    axes = np.eye(2, dtype=np.float16)
    index = IvfIndex(axes.astype(np.float32), probes=2)
    index.add(np.arange(2), axes)
    index.wide(np.arange(2))
    index.within(axes, 0.5)
    index.remove(np.arange(2))
