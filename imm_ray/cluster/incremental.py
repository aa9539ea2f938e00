"""Incremental clustering that equals clustering everything at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.average import average_link, photo_conflicts
from imm_ray.cluster.complete import complete_link
from imm_ray.cluster.fixed import FixedVectors, quantise, search_cosine, to_fixed
from imm_ray.cluster.graph import CandidatePairs, Edges, NeighbourGraph, Slots
from imm_ray.model import Vectors

_ITEMS_AT_ONCE = 32_768  # bounds a run's memory to that of its largest component, or this


@dataclass(frozen=True, slots=True)
class Part:
    """Whole components of the neighbour graph, items in canonical order."""

    slots: Slots
    photos: NDArray[np.int64]
    edges: Edges


Link: TypeAlias = Callable[[Part], NDArray[np.int64]]
"""Returns each item's group, named by its first item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The new groups of all items that a run looked at, and what it cost."""

    groups: list[Slots]
    """Singles included; groups and their items in canonical order."""
    items_new: int
    pairs_compared: int
    components_touched: int
    items_reclustered: int


class IncrementalClusterer:
    """Keeps the neighbour graph of all items and re-clusters what inserts and removals touched.

    Parameters
    ----------
    link
        How a component is cut into groups; see ``figure_clusterer`` and ``similar_clusterer``.
    threshold
        The similarity that joins, as a cosine.
    vectors
        Returns the stored vectors of slots; must know an item from before its ``insert`` until its
        ``remove``.

    Notes
    -----
    Both linkages decompose exactly over connected components of the graph of pairs at or over the
    threshold: groups merge at a mean (average link) or least (complete link) similarity of at least
    the threshold, and then some pair between them is an edge. Every component that changed holds a
    touched item (see ``NeighbourGraph``). So after any inserts, removals and runs in any order the
    groups are those of one run over all living items. Ties go by content id; items that share one
    go by slot.

    Not thread-safe: one writer.
    """

    def __init__(
        self, link: Link, *, threshold: float, vectors: Callable[[Slots], Vectors]
    ) -> None:
        self._link = link
        self._graph = NeighbourGraph(to_fixed(threshold))
        self._vectors = vectors
        self._content_of: dict[int, str] = {}
        self._photo_of: dict[int, int] = {}
        self._items_new = 0
        self._pairs_compared = 0

    def __len__(self) -> int:
        return len(self._graph)

    @property
    def pair_count(self) -> int:
        """How many pairs of items the graph holds."""
        return self._graph.pair_count

    def search_cosine(self, dimension: int) -> float:
        """Return the cosine to ask the index for, so that ``insert`` is given all it needs."""
        return search_cosine(self._graph.threshold, dimension)

    def insert(
        self,
        slots: Slots,
        candidates: CandidatePairs,
        *,
        content_ids: Sequence[str],
        photos: Slots | None = None,
    ) -> None:
        """Add items.

        Parameters
        ----------
        candidates
            All stored items within ``search_cosine`` of the new ones (which are stored by then),
            with rows of ``slots`` as query rows.
        content_ids
            What orders ties: a name of each item that does not depend on when or how it arrived.
        photos
            A number of the photo of each item, where items of one photo exclude each other.
        """
        photos = slots if photos is None else photos
        contents = dict(zip(slots.tolist(), content_ids, strict=True))
        photo_of = dict(zip(slots.tolist(), photos.tolist(), strict=True))
        self._pairs_compared += self._graph.insert(slots, candidates, vectors=self._fixed)
        self._content_of |= contents
        self._photo_of |= photo_of
        self._items_new += len(slots)

    def remove(self, slots: Slots) -> None:
        """Take items out."""
        self._graph.remove(slots)
        for slot in slots.tolist():
            del self._content_of[slot], self._photo_of[slot]

    def touch(self, slots: Slots) -> None:
        """Have the next run return the groups of ``slots`` even if nothing near them changed."""
        self._graph.touch(slots)

    def rebuild(self) -> None:
        """Have the next run look at everything."""
        self._graph.touch_all()

    def settle(self) -> None:
        """Take all items as clustered: their groups of now are known, from a store or a run."""
        self._graph.settle()
        self._items_new = self._pairs_compared = 0

    def run(self) -> Run:
        """Return the groups of every component that changed since the last run."""
        components = self._graph.components(self._graph.touched())
        groups = [group for batch in _batches(components) for group in self._groups(batch)]
        groups.sort(key=lambda group: self._canonical(int(group[0])))
        run = Run(
            groups=groups,
            items_new=self._items_new,
            pairs_compared=self._pairs_compared,
            components_touched=len(components),
            items_reclustered=sum(map(len, components)),
        )
        self.settle()
        return run

    def _groups(self, batch: Slots) -> list[Slots]:
        slots = np.array(sorted(batch.tolist(), key=self._canonical), np.int64)
        photos = np.array([self._photo_of[slot] for slot in slots.tolist()], np.int64)
        labels = self._link(Part(slots, photos, self._graph.edges(slots)))
        order = np.argsort(labels, kind="stable")
        return np.split(slots[order], np.flatnonzero(np.diff(labels[order])) + 1)

    def _canonical(self, slot: int) -> tuple[str, int]:
        return self._content_of[slot], slot

    def _fixed(self, slots: Slots) -> FixedVectors:
        return quantise(self._vectors(slots))


def figure_clusterer(
    *, threshold: float, same_photo: float, vectors: Callable[[Slots], Vectors]
) -> IncrementalClusterer:
    """Return a clusterer of faces: average link, and never two people of one photo in a group.

    Parameters
    ----------
    threshold
        The mean cosine over which two groups are one person.
    same_photo
        The cosine from which two faces in one photo may be one person (a mirror, a collage).
    """
    if same_photo < threshold:
        raise ValueError(
            f"same_photo {same_photo} is below the threshold {threshold}: the limit "
            "for one photo can only be stricter"
        )
    limit, alike = to_fixed(threshold), to_fixed(same_photo)

    def link(part: Part) -> NDArray[np.int64]:
        return average_link(
            quantise(vectors(part.slots)),
            part.edges,
            threshold=limit,
            order=np.arange(len(part.slots)),
            conflicts=photo_conflicts(part.photos, part.edges, same_photo=alike),
        )

    return IncrementalClusterer(link, threshold=threshold, vectors=vectors)


def similar_clusterer(
    *, threshold: float, vectors: Callable[[Slots], Vectors]
) -> IncrementalClusterer:
    """Return a clusterer of pictures: complete link, all pairs of a group reach ``threshold``."""

    def link(part: Part) -> NDArray[np.int64]:
        count = len(part.slots)
        return complete_link(count, part.edges, order=np.arange(count))

    return IncrementalClusterer(link, threshold=threshold, vectors=vectors)


def _batches(components: list[Slots]) -> Iterator[Slots]:
    """Yield unions of components of at most ``_ITEMS_AT_ONCE`` items, or one larger component."""
    batch: list[Slots] = []
    size = 0
    for component in components:
        if batch and size + len(component) > _ITEMS_AT_ONCE:
            yield np.concatenate(batch)
            batch, size = [], 0
        batch.append(component)
        size += len(component)
    if batch:
        yield np.concatenate(batch)
