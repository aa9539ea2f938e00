"""A small dataset that uses index and clusterer as the engine does."""

from collections.abc import Sequence

import numpy as np

from imm_ray.cluster.duplicates import Duplicates
from imm_ray.cluster.fixed import quantise
from imm_ray.cluster.graph import Slots
from imm_ray.cluster.incremental import (
    IncrementalClusterer,
    Run,
    figure_clusterer,
    similar_clusterer,
)
from imm_ray.index import VectorIndex, open_index
from imm_ray.index.exact import ExactIndex
from imm_ray.model import Vectors

THRESHOLD = 0.7
SAME_PHOTO = 0.95


class Figures:
    """Faces, two of them in each photo."""

    def __init__(self, pool: Vectors) -> None:
        self.pool = pool
        self.index: VectorIndex = ExactIndex(pool.shape[1])
        self.clusterer = self._clusterer()
        self.slot_of: dict[int, int] = {}
        self.item_of: dict[int, int] = {}
        self.groups: dict[int, frozenset[int]] = {}
        """The group of each item that a run has seen, as items of the pool."""
        self._next = 1000

    def _clusterer(self) -> IncrementalClusterer:
        return figure_clusterer(
            threshold=THRESHOLD, same_photo=SAME_PHOTO, vectors=self.index.vectors
        )

    def insert(self, items: Sequence[int]) -> None:
        new = [item for item in dict.fromkeys(items) if item not in self.slot_of]
        slots = np.arange(self._next, self._next + len(new), dtype=np.int64)
        self._next += len(new)
        self.slot_of |= dict(zip(new, slots.tolist(), strict=True))
        self.item_of |= dict(zip(slots.tolist(), new, strict=True))
        self._arrive(slots, self.pool[np.array(new, np.int64)])

    def remove(self, items: Sequence[int]) -> None:
        old = [item for item in dict.fromkeys(items) if item in self.slot_of]
        self._leave(np.array([self.slot_of.pop(item) for item in old], np.int64))
        for item in old:
            self.groups.pop(item, None)

    def run(self) -> Run:
        run = self.clusterer.run()
        for group in run.groups:
            members = frozenset(self.item_of[slot] for slot in self._all(group).tolist())
            self.groups |= dict.fromkeys(members, members)
        return run

    def partition(self) -> set[frozenset[int]]:
        return set(self.groups.values())

    def _all(self, group: Slots) -> Slots:
        return group

    def _arrive(self, slots: Slots, vectors: Vectors) -> None:
        items = [self.item_of[slot] for slot in slots.tolist()]
        self._store(slots, vectors, [f"{item:04}" for item in items], np.array(items) // 2)

    def _leave(self, slots: Slots) -> None:
        self.clusterer.remove(slots)
        self.index.remove(slots)

    def _store(
        self, slots: Slots, vectors: Vectors, content_ids: list[str], photos: Slots | None = None
    ) -> None:
        self.index.add(slots, vectors)
        near = self.index.within(vectors, self.clusterer.search_cosine(vectors.shape[1]))
        self.clusterer.insert(slots, near, content_ids=content_ids, photos=photos)


class Similar(Figures):
    """Pictures, with exact duplicates contracted."""

    def __init__(self, pool: Vectors) -> None:
        super().__init__(pool)
        self.duplicates = Duplicates()

    def _clusterer(self) -> IncrementalClusterer:
        return similar_clusterer(threshold=THRESHOLD, vectors=self.index.vectors)

    def _all(self, group: Slots) -> Slots:
        return self.duplicates.expand(group)

    def _arrive(self, slots: Slots, vectors: Vectors) -> None:
        representatives = self.duplicates.insert(slots, quantise(vectors))
        first = representatives == slots
        self._store(slots[first], vectors[first], self.duplicates.content_ids(slots[first]))
        self.clusterer.touch(representatives[~first])

    def _leave(self, slots: Slots) -> None:
        departure = self.duplicates.remove(slots)
        vectors = self.index.vectors(departure.predecessors)
        super()._leave(departure.gone)
        content_ids = self.duplicates.content_ids(departure.promoted)
        self._store(departure.promoted, vectors, content_ids)
        self.clusterer.touch(departure.shrunk)


class FaissSimilar(Similar):
    """The same on FAISS."""

    def __init__(self, pool: Vectors) -> None:
        super().__init__(pool)
        self.index = open_index("faiss", pool.shape[1])
        self.clusterer = self._clusterer()
