"""The neighbour lists: for every item its nearest others at or over a threshold."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster import list_kernels as kernels
from imm_ray.cluster.fixed import FixedVectors, cosine_error, to_cosine, to_fixed
from imm_ray.cluster.graph import Slots
from imm_ray.model.image import Image, Rows, column, numbers

WIDTH = 40
"""Neighbours kept of each item. Average link on 30 or more gave the partition of the whole graph
(ARI 1.00000 on 12,000 faces, ``research``: 15 gave .998)."""

_PAIRS_AT_ONCE = 16_384


class RatedPairs(Protocol):
    """What an index found: pairs of a query row and a stored item, with float cosines."""

    @property
    def query_rows(self) -> NDArray[np.int64]:
        """Rows of the queries."""

    @property
    def slots(self) -> Slots:
        """Stored items."""

    @property
    def cosines(self) -> NDArray[np.float32]:
        """Near the exact similarity."""


class NeighbourLists:
    """At most ``width`` neighbours of each item, the nearest, in arrays indexed by slot.

    Notes
    -----
    A list holds the best pairs, by (similarity, then the smaller content key), of all that were
    offered to either end; pairs are offered when the later of the two is inserted, so the lists
    depend on the items and not on their order. A list that had to leave a pair out is *capped*; the
    pair may still stand in the list of its other end. Removing an item takes it out of the lists it
    knows of; where it was capped others may still name it until `sweep`, which looks at all lists.
    A capped list that has lost half of its pairs is *hollow* and should be refilled by a search.

    Memory: ``8 * width + 12`` bytes per slot.
    """

    def __init__(self, threshold: int, *, dimension: int, width: int = WIDTH) -> None:
        self.threshold = threshold
        self.width = width
        self._error = cosine_error(dimension)
        self.ids: NDArray[np.int32] = np.empty((0, width), np.int32)
        self.similarities: NDArray[np.int32] = np.empty((0, width), np.int32)
        self.counts: NDArray[np.int16] = np.empty(0, np.int16)
        self.alive: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.capped: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.keys: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._quarantined: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def capped_count(self) -> int:
        """How many lists have left a pair out."""
        return int((self.capped & self.alive).sum())

    def insert(
        self,
        slots: Slots,
        keys: NDArray[np.uint64],
        found: RatedPairs,
        fixed: Callable[[Slots], FixedVectors],
        stored: Callable[[Slots, Slots], None],
    ) -> int:
        """Add items with all their pairs at or over the threshold; return how many were compared.

        Parameters
        ----------
        keys
            A number of each item's content: what orders ties.
        found
            Every pair that may reach the threshold, with rows of ``slots`` as query rows; pairs
            with items that are not here are skipped.
        fixed
            Returns the fixed-point vectors of slots.
        stored
            Is told the pairs that entered a list.
        """
        self._reserve(int(slots.max(initial=-1)) + 1)
        if self.alive[slots].any() or len(np.unique(slots)) != len(slots):
            raise ValueError("a new slot is in the graph already: remove it before inserting it")
        self.alive[slots] = True
        self.capped[slots] = False
        self.counts[slots] = 0
        self.keys[slots] = keys
        self._count += len(slots)
        return self._offer(slots, found, fixed, stored)

    def refill(
        self,
        slots: Slots,
        found: RatedPairs,
        fixed: Callable[[Slots], FixedVectors],
        stored: Callable[[Slots, Slots], None],
    ) -> int:
        """Offer all pairs of ``slots`` again; return how many were compared."""
        self.capped[slots] = False
        return self._offer(slots, found, fixed, stored)

    def remove(self, slots: Slots) -> None:
        """Take items out; their slots may be used again after a `sweep`."""
        if not self.alive[slots].all():
            raise ValueError("a slot is not in the graph: insert it first")
        self.alive[slots] = False
        kernels.forget(self.ids, self.similarities, self.counts, slots)
        self._count -= len(slots)
        self._quarantined += slots.tolist()

    def hollow(self, slots: Slots) -> Slots:
        """Return those of ``slots`` whose lists were capped and have lost half of their pairs."""
        here = slots[self.alive[slots]]
        return here[self.capped[here] & (self.counts[here] < self.width // 2)]

    def sweep(self) -> tuple[Slots, Slots]:
        """Take every removed item out of all lists.

        Return the slots that are free now, and the items whose lists named one of them.
        """
        freed, bereft = np.array(self._quarantined, np.int64), np.empty(0, np.int64)
        if len(freed):
            named = kernels.sweep(self.ids, self.similarities, self.counts, self.alive)
            bereft = np.flatnonzero(named & self.alive)
            self._quarantined.clear()
        return freed, bereft

    @property
    def quarantined_count(self) -> int:
        """How many slots wait for a sweep."""
        return len(self._quarantined)

    def neighbours(self, slot: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the living neighbours of an item and their similarities."""
        count = self.counts[slot]
        ids, similarities = self.ids[slot, :count], self.similarities[slot, :count]
        living = self.alive[ids]
        return ids[living], similarities[living]

    def state(self, size: int) -> Image:
        """Return what is known of the slots below ``size``, without the lists: see `rows`."""
        return Image(
            {
                "alive": column(self.alive, size),
                "capped": column(self.capped, size),
                "keys": column(self.keys, size),
            },
            {"quarantined": numbers(self._quarantined)},
        )

    def restore(self, image: Image) -> None:
        """Take over a `state`; all lists are empty until `put_rows`."""
        size = len(image.columns["alive"])
        self.ids = np.empty((size, self.width), np.int32)
        self.similarities = np.empty((size, self.width), np.int32)
        self.counts = np.zeros(size, np.int16)
        self.alive = image.columns["alive"]
        self.capped = image.columns["capped"]
        self.keys = image.columns["keys"]
        self._quarantined = image.facts["quarantined"].tolist()
        self._count = int(self.alive.sum())

    def marks(self, size: int) -> NDArray[np.uint64]:
        """Return a number of each list that is another one when the list is, for all it matters."""
        found = kernels.marks(self.ids, self.similarities, self.counts)
        return column(found, size, kernels.NO_PAIR)

    def rows(self, slots: Slots) -> Rows:
        """Return the lists of slots."""
        counts = column(self.counts, int(slots.max(initial=-1)) + 1)[slots].astype(np.int32)
        ids, similarities = kernels.gathered(self.ids, self.similarities, slots, counts)
        return Rows(slots, counts, ids, similarities)

    def put_rows(self, rows: Rows) -> None:
        """Make `rows` the lists of their slots."""
        if len(rows.counts) and not 0 <= rows.counts.min() <= rows.counts.max() <= self.width:
            raise ValueError(f"a list has {rows.counts.max()} neighbours; {self.width} is the most")
        kernels.put(
            self.ids, self.similarities, rows.slots, rows.counts, rows.ids, rows.similarities
        )
        self.counts[rows.slots] = rows.counts

    def _offer(
        self,
        slots: Slots,
        found: RatedPairs,
        fixed: Callable[[Slots], FixedVectors],
        stored: Callable[[Slots, Slots], None],
    ) -> int:
        u, v = self._worth_comparing(slots, found)
        for start in range(0, len(u), _PAIRS_AT_ONCE):
            a, b = u[start : start + _PAIRS_AT_ONCE], v[start : start + _PAIRS_AT_ONCE]
            ends, places = np.unique(np.concatenate((a, b)), return_inverse=True)
            places = places.astype(np.int64)
            s = kernels.pair_similarities(fixed(ends), places[: len(a)], places[len(a) :])
            near = s >= self.threshold
            a, b = a[near], b[near]
            entered = kernels.enlist(
                self.ids, self.similarities, self.counts, self.capped, self.keys, a, b, s[near]
            )
            stored(a[entered], b[entered])
        return len(u)

    def _worth_comparing(self, slots: Slots, found: RatedPairs) -> tuple[Slots, Slots]:
        """Return the pairs that may enter a list, each once, the nearest of each query first.

        A pair that is surely too far for the lists of both its ends is left out before its exact
        similarity is computed: of 10,000 equal faces each is near to all.
        """
        queries = slots[found.query_rows]
        order = np.lexsort((found.slots, -found.cosines, found.query_rows))
        u, v, cosines = queries[order], found.slots[order], found.cosines[order]
        within = v < len(self.alive)
        here = within.copy()
        here[within] = self.alive[v[within]]
        here &= u != v
        u, v, cosines = u[here], v[here], cosines[here]
        chosen = kernels.worth(
            u,
            v,
            cosines,
            self.similarities,
            self.counts,
            self.capped,
            self._error,
            to_cosine(self.threshold) + self._error,
            to_fixed(1.0),
        )
        u, v = u[chosen], v[chosen]
        _, first = np.unique(np.minimum(u, v) << 32 | np.maximum(u, v), return_index=True)
        first.sort()
        return u[first], v[first]

    def _reserve(self, size: int) -> None:
        """Make room for slots below ``size``."""
        have = len(self.alive)
        if size <= have:
            return
        rows = max(size, have + have // 4, 1024)
        # In place, by realloc: a copy of all lists would be the peak of an owner's memory. Nobody
        # holds a view of them between two calls.
        for array in (self.ids, self.similarities):
            array.resize((rows, self.width), refcheck=False)
        for flags in (self.counts, self.alive, self.capped, self.keys):
            flags.resize(rows, refcheck=False)
