"""Bringing items into the neighbour graph, with what the index finds near them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from imm_ray.cluster.content import content_keys
from imm_ray.cluster.fixed import quantise
from imm_ray.cluster.newcomers import Newcomers
from imm_ray.dataset.items import ItemTable
from imm_ray.dataset.ports import Clusterer, Slots, VectorIndex

_SEARCH_AT_ONCE = 512  # queries: bounds the pairs in hand where everything is near everything


@dataclass(frozen=True, slots=True)
class Intake:
    """Searches the index for items and hands both to the clusterer."""

    index: VectorIndex
    clusterer: Clusterer
    items: ItemTable
    may_be_equal: bool
    """Whether two of the items may have one vector."""

    def insert(self, slots: Slots) -> Iterator[Slots]:
        """Insert items; yield those that are in, in portions that do not part a photo."""
        for portion in self._whole_photos(slots):
            self._insert(portion)
            yield portion

    def refill(self) -> None:
        """Give lists that removals have emptied their neighbours again."""
        while len(hollow := self.clusterer.hollow()):
            self._refill(hollow)

    def _whole_photos(self, slots: Slots) -> Iterator[Slots]:
        """Yield portions of slots that do not part a photo."""
        photos = self.items.photos(slots)
        order = np.lexsort((slots, photos))
        starts = np.flatnonzero(np.diff(photos[order], prepend=-2) | (photos[order] < 0))
        wanted = np.arange(_SEARCH_AT_ONCE, len(slots), _SEARCH_AT_ONCE)
        cuts = np.unique(starts[np.searchsorted(starts, wanted, "right") - 1])
        yield from (part for part in np.split(slots[order], cuts) if len(part))

    def _insert(self, slots: Slots) -> None:
        vectors = self.index.vectors(slots)
        found = self.index.within(vectors, self.clusterer.search_cosine)
        self.items.in_graph[slots] = True
        names = self.items.names(slots) if self.may_be_equal else None
        new = Newcomers(
            slots,
            content_keys(quantise(vectors), names),
            self.items.core[slots],
            self.items.photos(slots),
        )
        self.clusterer.insert(new, _Known.of(found, self.items))

    def _refill(self, slots: Slots) -> None:
        for start in range(0, len(slots), _SEARCH_AT_ONCE):
            some = slots[start : start + _SEARCH_AT_ONCE]
            found = self.index.within(self.index.vectors(some), self.clusterer.search_cosine)
            self.clusterer.refill(some, _Known.of(found, self.items))


@dataclass(frozen=True, slots=True)
class _Known:
    """An index's answer without items that are not in the graph."""

    query_rows: Slots
    slots: Slots
    cosines: Any

    @classmethod
    def of(cls, found: Any, items: ItemTable) -> "_Known":
        here = items.in_graph[found.slots]
        return cls(found.query_rows[here], found.slots[here], found.cosines[here])
