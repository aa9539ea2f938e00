"""Bringing items into the neighbour graph, with what the index finds near them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from imm_ray.cluster.content import content_keys
from imm_ray.cluster.fixed import quantise
from imm_ray.cluster.newcomers import Newcomers
from imm_ray.dataset.items import ItemTable
from imm_ray.dataset.pace import SearchPace
from imm_ray.dataset.ports import Candidates, Clusterer, Slots, VectorIndex
from imm_ray.model import Vectors


@dataclass(frozen=True, slots=True)
class Intake:
    """Searches the index for items and hands both to the clusterer."""

    index: VectorIndex
    clusterer: Clusterer
    items: ItemTable
    may_be_equal: bool
    """Whether two of the items may have one vector."""
    pace: SearchPace = field(default_factory=SearchPace)

    def insert(self, slots: Slots) -> Iterator[Slots]:
        """Insert items; yield those that are in, in portions that do not part a photo."""
        for part in self.pace.portions(self.items.photos(slots)):
            self._insert(slots[part])
            yield slots[part]

    def refill(self) -> None:
        """Give lists that removals have emptied their neighbours again."""
        while len(hollow := self.clusterer.hollow()):
            self._refill(hollow)

    def _insert(self, slots: Slots) -> None:
        vectors = self.index.vectors(slots)
        found = self._search(vectors)
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
        while len(slots):
            some, slots = np.split(slots, [self.pace.queries])
            found = self._search(self.index.vectors(some))
            self.clusterer.refill(some, _Known.of(found, self.items))

    def _search(self, vectors: Vectors) -> Candidates:
        found = self.index.within(vectors, self.clusterer.search_cosine)
        self.pace.found(len(found.slots), len(vectors))
        return found


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
