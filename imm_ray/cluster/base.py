"""Base clusters: which items average link has put together, and the sums of their vectors."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster import base_kernels as kernels
from imm_ray.cluster.fixed import FixedVectors
from imm_ray.cluster.graph import Slots
from imm_ray.model.image import Image, column, numbers

Numbers: TypeAlias = NDArray[np.int64]
"""Numbers of base clusters: internal, may be used again after a cluster has gone."""

Fixed: TypeAlias = Callable[[Slots], FixedVectors]
"""Returns the fixed-point vectors of slots."""

_KEPT_FROM = 8  # the sum of a smaller cluster is computed when it is needed
_ADDED_AT_ONCE = 32_768  # vectors in hand while sums are computed again


class BaseClusters:
    """A partition of items, with the sum of vectors of every cluster.

    Notes
    -----
    Members form doubly linked lists over arrays, so moving an item costs O(1) and a million single
    items cost no objects: 12 bytes per slot, 16 per cluster. Sums of clusters of eight and more are
    kept (``4 * d`` bytes each).
    """

    def __init__(self, dimension: int) -> None:
        self.label: NDArray[np.int32] = np.empty(0, np.int32)
        self.size: NDArray[np.int32] = np.empty(0, np.int32)
        self._following: NDArray[np.int32] = np.empty(0, np.int32)
        self._before: NDArray[np.int32] = np.empty(0, np.int32)
        self._head: NDArray[np.int32] = np.empty(0, np.int32)
        self._key: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._row: NDArray[np.int32] = np.empty(0, np.int32)
        self._sums: NDArray[np.int32] = np.empty((0, dimension), np.int32)
        self._free_numbers: list[int] = []
        self._free_rows: list[int] = []
        self._next_number = 0
        self._next_row = 0

    def reserve(self, slots: int) -> None:
        """Make room for slots below ``slots``."""
        have = len(self.label)
        if slots > have:
            rows = max(slots, have + have // 4, 1024)
            for array in (self.label, self._following, self._before):
                array.resize(rows, refcheck=False)
                array[have:] = -1

    def numbers(self) -> Numbers:
        """Return all clusters."""
        return np.flatnonzero(self.size[: self._next_number])

    def members(self, numbers: Numbers) -> Slots:
        """Return the items of clusters, cluster by cluster, each in no order."""
        slots: Slots = kernels.members_of(self._head, self._following, numbers, self.size)
        return slots

    def keys(self, numbers: Numbers) -> NDArray[np.uint64]:
        """Return the smallest content key of each cluster: its place in canonical order."""
        return self._key[numbers]

    def sums(self, numbers: Numbers, fixed: Fixed) -> NDArray[np.int32]:
        """Return the sum of the vectors of each cluster."""
        rows = self._row[numbers]
        kept = rows >= 0
        found = np.empty((len(numbers), self._sums.shape[1]), np.int32)
        found[kept] = self._sums[rows[kept]]
        small = numbers[~kept]
        if len(small):
            found[~kept] = kernels.add_up(
                fixed(self.members(small)), self.size[small].astype(np.int64)
            )
        return found

    def new_numbers(self, count: int) -> Numbers:
        """Return numbers that no cluster has."""
        again = [self._free_numbers.pop() for _ in range(min(count, len(self._free_numbers)))]
        fresh = range(self._next_number, self._next_number + count - len(again))
        self._next_number += len(fresh)
        have = len(self.size)
        if self._next_number > have:
            rows = max(self._next_number, have + have // 4, 1024)
            for array in (self.size, self._head, self._key, self._row):
                array.resize(rows, refcheck=False)
            self._head[have:] = self._row[have:] = -1
        return np.array([*again, *fresh], np.int64)

    def move(self, slots: Slots, numbers: Numbers) -> None:
        """Put items into clusters (-1: into none)."""
        kernels.move(
            self.label, self._following, self._before, self._head, self.size, slots, numbers
        )

    def state(
        self, numbers: Numbers, keys: NDArray[np.uint64], sums: NDArray[np.int32] | None
    ) -> None:
        """Record the smallest keys and (by row) the sums of clusters that have new members."""
        self._key[numbers] = keys
        large = self.size[numbers] >= _KEPT_FROM
        self._drop_rows(numbers[~large])
        for number, at in zip(numbers[large].tolist(), np.flatnonzero(large).tolist(), strict=True):
            assert sums is not None
            self._sums[self._row_for(number)] = sums[at]

    def take_out(self, slots: Slots, vectors: FixedVectors) -> Numbers:
        """Remove items; return the clusters that lost some and live on."""
        numbers = self.label[slots].astype(np.int64)
        inside = numbers >= 0
        for number, vector in zip(numbers[inside].tolist(), vectors[inside], strict=True):
            if (row := self._row[number]) >= 0:
                self._sums[row] -= vector
        self.move(slots, np.full(len(slots), -1, np.int64))
        shrunk = np.unique(numbers[inside])
        self.release(shrunk[self.size[shrunk] == 0])
        return shrunk[self.size[shrunk] > 0]

    def release(self, numbers: Numbers) -> None:
        """Give up the numbers of clusters without members."""
        self._drop_rows(numbers)
        self._free_numbers += numbers.tolist()

    def image(self, size: int) -> Image:
        """Return which of the slots below ``size`` are together; sums follow from the vectors."""
        return Image(
            {"label": column(self.label, size, -1)},
            {"key": column(self._key, self._next_number), "free": numbers(self._free_numbers)},
        )

    def restore(self, image: Image) -> None:
        """Take over an `image`, without sums: `add_up` keeps those that are worth keeping."""
        label, key = image.columns["label"], image.facts["key"]
        self.label, self._following, self._before = (
            np.full(len(label), -1, np.int32) for _ in range(3)
        )
        self._head, self._row = (np.full(len(key), -1, np.int32) for _ in range(2))
        self.size = np.zeros(len(key), np.int32)
        self._key = key
        self._sums = np.empty((0, self._sums.shape[1]), np.int32)
        self._free_numbers = image.facts["free"].tolist()
        self._free_rows = []
        self._next_number = len(key)
        together = np.flatnonzero(label >= 0)
        self.move(together, label[together].astype(np.int64))

    def add_up(self, fixed: Fixed) -> None:
        """Keep the sums of large clusters again, after a `restore`."""
        large = np.flatnonzero(self.size >= _KEPT_FROM)
        ends = np.cumsum(self.size[large], dtype=np.int64)
        cuts = np.searchsorted(ends, np.arange(_ADDED_AT_ONCE, ends.max(initial=0), _ADDED_AT_ONCE))
        for some in np.split(large, np.unique(cuts)):
            self.state(some, self._key[some], self.sums(some, fixed))

    def _row_for(self, number: int) -> int:
        if self._row[number] < 0:
            if not self._free_rows:
                self._add_rows()
            self._row[number] = self._free_rows.pop()
        return int(self._row[number])

    def _add_rows(self) -> None:
        have = len(self._sums)
        rows = have + max(have // 4, 256)
        self._sums.resize((rows, self._sums.shape[1]), refcheck=False)
        self._free_rows += range(rows - 1, have - 1, -1)

    def _drop_rows(self, numbers: Numbers) -> None:
        rows = self._row[numbers]
        self._free_rows += rows[rows >= 0].tolist()
        self._row[numbers] = -1
