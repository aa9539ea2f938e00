"""Followers: faces too poor to found or to bridge; they join whom they are nearest to."""

from collections.abc import Iterable, Sequence

import numpy as np

from imm_ray.cluster.base import Numbers
from imm_ray.cluster.graph import Slots
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.overlay import Overlay
from imm_ray.cluster.region import Graph
from imm_ray.model.image import Image, pairs

_LEAST = 2  # core members of a cluster that a follower may join: a lone face is no evidence


class Followers:
    """Which base cluster each poor face follows.

    The one of greatest mean similarity to its core members, if that reaches the threshold, among
    those of at least two core members, whose person has no other face of the same photo and from
    which the face is not kept out. Followers of one photo choose in the order of similarity.
    What a follower chooses depends on the core faces and on nothing else but its photo.
    """

    def __init__(self, graph: Graph, limits: FigureLimits) -> None:
        self._graph = graph
        self._limits = limits
        self._leader: dict[int, int] = {}
        self._of: dict[int, set[int]] = {}

    def __len__(self) -> int:
        return len(self._leader)

    def leader(self, slot: int) -> int | None:
        """Return the base cluster that a face follows."""
        return self._leader.get(slot)

    def of(self, numbers: Iterable[int]) -> Slots:
        """Return the faces that follow base clusters, ascending."""
        return np.array(sorted(s for n in numbers for s in self._of.get(n, ())), np.int64)

    def near(self, numbers: Numbers) -> Slots:
        """Return the poor faces that follow clusters or are in the lists of their members."""
        graph = self._graph
        if not graph.has_poor:
            return np.empty(0, np.int64)
        members = graph.base.members(numbers[graph.base.size[numbers] >= _LEAST])
        _, found = graph.adjacent(members, self._limits.threshold)
        return np.union1d(found[~graph.core[found]], self.of(numbers.tolist()))

    def remove(self, slots: Slots) -> None:
        """Forget faces that are no more."""
        for slot in slots.tolist():
            self._leave(slot)

    def update(self, slots: Slots, overlay: Overlay) -> tuple[set[int], Slots]:
        """Have faces choose again.

        Return the base clusters that won or lost one, and the faces that follow none.
        """
        slots = np.array(sorted(self._with_photos(slots)), np.int64)
        before = {slot: self._leader.get(slot) for slot in slots.tolist()}
        for slot in slots.tolist():
            self._leave(slot)
        free = slots[self._graph.claims.owners(slots) == 0]
        for slot, number in self._choices(free):
            if slot not in self._leader and self._may_follow(slot, number, overlay):
                self._leader[slot] = number
                self._of.setdefault(number, set()).add(slot)
        changes = [(before[s], self._leader.get(s)) for s in slots.tolist()]
        moved = {n for was, now in changes if was != now for n in (was, now) if n is not None}
        return moved, slots[[slot not in self._leader for slot in slots.tolist()]]

    def state(self) -> Image:
        """Return who follows whom."""
        return Image(facts={"leaders": pairs(self._leader)})

    def restore(self, image: Image) -> None:
        """Take over a `state`."""
        self._leader, self._of = {}, {}
        for slot, number in image.facts["leaders"].tolist():
            self._leader[slot] = number
            self._of.setdefault(number, set()).add(slot)

    def _with_photos(self, slots: Slots) -> set[int]:
        """Return faces with all poor ones of their photos: they compete."""
        graph = self._graph
        found = set(slots.tolist())
        ahead = list(found)
        while ahead:
            rivals = {r for r in graph.photos.rivals(ahead.pop()) if not graph.core[r]}
            ahead += rivals - found
            found |= rivals
        return found

    def _choices(self, slots: Slots) -> Sequence[tuple[int, int]]:
        """Return (face, base cluster it may follow), the most alike first."""
        graph = self._graph
        places, numbers = graph.clusters_near(slots)
        pairs = np.unique(np.stack((places, numbers), axis=1), axis=0)
        pairs = pairs[graph.base.size[pairs[:, 1]] >= _LEAST]
        if not len(pairs):
            return []
        means = graph.means(slots, pairs[:, 0], pairs[:, 1])
        near = means >= self._limits.threshold
        pairs, means = pairs[near], means[near]
        order = np.lexsort(
            (graph.base.keys(pairs[:, 1]), graph.lists.keys[slots[pairs[:, 0]]], -means)
        )
        return list(zip(slots[pairs[order, 0]].tolist(), pairs[order, 1].tolist(), strict=True))

    def _may_follow(self, slot: int, number: int, overlay: Overlay) -> bool:
        claims, label = self._graph.claims, self._graph.base.label
        mates = overlay.mates(number)
        owner = next((overlay.owner(mate) for mate in mates if overlay.owner(mate)), 0)
        if owner in claims.bans(slot):
            return False
        return not any(
            int(label[rival]) in mates
            or self._leader.get(rival) in mates
            or (owner and claims.owner(rival) == owner)
            for rival in self._graph.photos.rivals(slot)
        )

    def _leave(self, slot: int) -> None:
        number = self._leader.pop(slot, None)
        if number is not None:
            self._of[number].discard(slot)
            if not self._of[number]:
                del self._of[number]
