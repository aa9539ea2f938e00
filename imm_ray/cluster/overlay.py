"""The overlay: a person is a set of base clusters."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from imm_ray.cluster import kernels
from imm_ray.cluster.base import Numbers
from imm_ray.cluster.base_clusterer import Changed
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.region import Graph, Region
from imm_ray.model.image import Image, pairs


class Overlay:
    """Which base clusters are one person.

    Those that hold faces pinned to him, and pairs that a second pass finds: the mean similarity of
    the two is just below the threshold, but a good share of the smaller one's faces has a near twin
    in the other, and each is the other's nearest. The mixed sum of a person's base clusters would
    repel new faces of each; apart, they attract them (``research/clustering.md`` section 4: 93 % of
    new faces of merged people landed right, 82 % with one sum).

    Notes
    -----
    Two base clusters are not united when two persons own them, when one holds a face that is kept
    out of the other's person, or when they hold two people of one photo. A base cluster that the
    second pass pairs has one partner at most, so persons do not chain.
    """

    def __init__(self, graph: Graph, limits: FigureLimits) -> None:
        self._graph = graph
        self._limits = limits
        self._near: dict[int, dict[int, float]] = {}
        """Pairs near enough, with evidence enough: their mean similarity, in both directions."""
        self._partner: dict[int, int] = {}
        self._owner_of: dict[int, int] = {}
        self._of_owner: dict[int, set[int]] = {}

    def rebuild(self) -> set[int]:
        """Find all persons again; return all base clusters."""
        numbers = set(self._graph.base.numbers().tolist())
        return self.update(Changed(numbers, (self._near.keys() | self._owner_of.keys()) - numbers))

    def update(self, changed: Changed, claimed: Iterable[int] = ()) -> set[int]:
        """Take over changed base clusters; return all those whose person may differ.

        These are the changed ones and whole persons: of now and of before.

        Parameters
        ----------
        claimed
            Base clusters that hold faces whose pins or bans have changed.
        """
        seeds = changed.numbers | changed.gone | set(claimed)
        seeds |= self._take_owners(seeds)
        around = seeds | self._neighbours(seeds)
        self._rate(changed)
        around = self._with_partners(around | self._neighbours(seeds))
        around, pairs = self._weighed_together(around)
        before = {number: self._partner.get(number) for number in around}
        self._pair(around, pairs)
        moved = {number for number in around if self._partner.get(number) != before[number]}
        return self._closed((seeds | moved) - changed.gone)

    def partner(self, number: int) -> int | None:
        """Return the base cluster that the second pass unites with one."""
        return self._partner.get(number)

    def owner(self, number: int) -> int:
        """Return the person that a base cluster belongs to by a pin, 0 for none."""
        return self._owner_of.get(number, 0)

    def of_owner(self, owner: int) -> set[int]:
        """Return the base clusters that hold faces pinned to a person."""
        return set(self._of_owner.get(owner, ()))

    def mates(self, number: int) -> set[int]:
        """Return all base clusters of the person of one."""
        return self._closed({number})

    def persons(self, numbers: Iterable[int]) -> list[list[int]]:
        """Return the persons that base clusters make up, each as its base clusters, ascending."""
        left = {int(number) for number in numbers}
        persons = []
        for number in sorted(left):
            if number in left:
                mates = sorted(self._closed({number}))
                persons.append(mates)
                left.difference_update(mates)
        return persons

    def state(self) -> Image:
        """Return which base clusters are near, partners, or somebody's."""
        near = [(a, b) for a, others in sorted(self._near.items()) for b in sorted(others)]
        return Image(
            facts={
                "near": np.array(near, np.int64).reshape(-1, 2),
                "means": np.array([self._near[a][b] for a, b in near], np.float64),
                "partners": pairs(self._partner),
                "owners": pairs(self._owner_of),
            }
        )

    def restore(self, image: Image) -> None:
        """Take over a `state`."""
        self._near, self._of_owner = {}, {}
        means = image.facts["means"].tolist()
        for (a, b), mean in zip(image.facts["near"].tolist(), means, strict=True):
            self._near.setdefault(a, {})[b] = mean
        self._partner = dict(image.facts["partners"].tolist())
        self._owner_of = dict(image.facts["owners"].tolist())
        for number, owner in self._owner_of.items():
            self._of_owner.setdefault(owner, set()).add(number)

    def _take_owners(self, seeds: set[int]) -> set[int]:
        """Take over the claims; return all base clusters of owners that they or ``seeds`` touch."""
        was, now = self._owner_of, self._graph.claims.owner_of_clusters()
        self._owner_of, self._of_owner = now, {}
        for number, owner in now.items():
            self._of_owner.setdefault(owner, set()).add(number)
        moved = {number for number in was.keys() | now if was.get(number) != now.get(number)}
        owners = {side.get(number, 0) for number in seeds | moved for side in (was, now)}
        return moved | {number for side in (was, now) for number in side if side[number] in owners}

    def _neighbours(self, numbers: set[int]) -> set[int]:
        return {other for number in numbers for other in self._near.get(number, ())}

    def _rate(self, changed: Changed) -> None:
        """Bring up to date which pairs are near enough and have evidence enough."""
        for number in changed.numbers | changed.gone:
            for other in self._near.pop(number, ()):
                self._near[other].pop(number, None)
        seen = self._evidence(np.array(sorted(changed.numbers), np.int64))
        beyond = {other for _, other in seen} - changed.numbers
        seen |= self._evidence(np.array(sorted(beyond), np.int64))
        for (a, b), mean in self._near_enough(self._convincing(seen, changed.numbers)).items():
            self._near.setdefault(a, {})[b] = mean
            self._near.setdefault(b, {})[a] = mean

    def _convincing(
        self, seen: Counter[tuple[int, int]], numbers: set[int]
    ) -> list[tuple[int, int]]:
        """Return the pairs with one of ``numbers`` that have evidence enough."""
        base = self._graph.base
        pairs = sorted({(min(p), max(p)) for p in seen if not numbers.isdisjoint(p)})
        flat = np.array(pairs, np.int64).reshape(-1, 2)
        sizes, keys = base.size[flat], base.keys(flat.ravel()).reshape(-1, 2)
        first = (sizes[:, 0] < sizes[:, 1]) | (
            (sizes[:, 0] == sizes[:, 1]) & (keys[:, 0] < keys[:, 1])
        )
        small = np.where(first, 0, 1)
        share = self._limits.strong_share
        return [
            pair
            for pair, s, size in zip(pairs, small.tolist(), sizes.min(axis=1).tolist(), strict=True)
            if seen[pair[s], pair[1 - s]] >= share * size
        ]

    def _evidence(self, numbers: Numbers) -> Counter[tuple[int, int]]:
        """Return for (a, b) how many members of ``a`` have a strong edge into ``b``."""
        base = self._graph.base
        large = numbers[base.size[numbers] >= self._limits.second_smallest]
        slots = base.members(large)
        places, found = self._graph.adjacent(slots, self._limits.strong)
        own, other = base.label[slots[places]].astype(np.int64), base.label[found].astype(np.int64)
        outside = (other >= 0) & (other != own)
        outside[outside] = base.size[other[outside]] >= self._limits.second_smallest
        rows = np.unique(np.stack((places[outside], other[outside]), axis=1), axis=0)
        pairs = zip(base.label[slots[rows[:, 0]]].tolist(), rows[:, 1].tolist(), strict=True)
        return Counter(pairs)

    def _near_enough(self, pairs: list[tuple[int, int]]) -> dict[tuple[int, int], float]:
        """Return the mean similarity of the pairs that are near enough."""
        if not pairs:
            return {}
        flat = np.array(pairs, np.int64)
        numbers, at = np.unique(flat, return_inverse=True)
        u, v = np.ascontiguousarray(at.reshape(flat.shape).T, np.int32)
        nodes = self._graph.nodes(Region(np.empty(0, np.int64), numbers))
        sums = kernels.products(nodes.vectors, nodes.sums, np.arange(len(numbers)), u, v)
        means = sums / (nodes.sizes[u] * nodes.sizes[v])
        return {
            pair: mean
            for pair, mean in zip(pairs, means.tolist(), strict=True)
            if mean >= self._limits.second_mean
        }

    def _with_partners(self, numbers: set[int]) -> set[int]:
        return numbers | {self._partner[n] for n in numbers if n in self._partner}

    def _weighed_together(self, numbers: set[int]) -> tuple[set[int], set[tuple[int, int]]]:
        """Return the base clusters whose partners must be found at once, and who may be partners.

        Of the pairs of one owner each may keep out others (`_clash`), so all of them are weighed
        again when one is.
        """
        pairs = self._mutual(numbers)
        concerned = numbers.union(*pairs)
        owners = {self.owner(number) for number in concerned} - {0}
        theirs = {number for owner in owners for number in self._of_owner[owner]}
        numbers = numbers | self._with_partners(theirs)
        return numbers, pairs | self._mutual(theirs)

    def _mutual(self, numbers: set[int]) -> set[tuple[int, int]]:
        """Return the pairs with one of ``numbers`` of which each is the nearest of the other."""
        return {
            (min(number, other), max(number, other))
            for number in numbers
            if (other := self._nearest(number)) is not None and self._nearest(other) == number
        }

    def _pair(self, numbers: set[int], pairs: set[tuple[int, int]]) -> None:
        """Find the partners of base clusters among ``pairs``: the nearest first."""
        for number in numbers:
            self._forget(number)
        for a, b in sorted(pairs, key=self._rank):
            if not self._clash(a, b):
                self._partner[a], self._partner[b] = b, a

    def _rank(self, pair: tuple[int, int]) -> tuple[float, list[int]]:
        """Return the place of a pair: the nearest first."""
        keys = self._graph.base.keys(np.array(pair, np.int64))
        return -self._near[pair[0]][pair[1]], sorted(keys.tolist())

    def _clash(self, a: int, b: int) -> bool:
        """Return whether a pair would bring two people of one photo into an owner's person.

        The partners of his other base clusters count: without an owner there are none.
        """
        if not (self.owner(a) or self.owner(b)):
            return False
        graph = self._graph
        sides = [graph.base.members(np.array(sorted(self.mates(n)), np.int64)) for n in (a, b)]
        side = np.repeat(np.arange(2), [len(slots) for slots in sides])
        return bool(graph.photos.conflicts(np.concatenate(sides), side).size)

    def _nearest(self, number: int) -> int | None:
        """Return the nearest one with which a base cluster may be one person."""
        near = self._near.get(number, {})
        others = np.array(list(near), np.int64)
        means = np.array(list(near.values()))
        for other in others[np.lexsort((others, self._graph.base.keys(others), -means))].tolist():
            if self._may_unite(number, other):
                return int(other)
        return None

    def _may_unite(self, a: int, b: int) -> bool:
        owners = {self.owner(a), self.owner(b)} - {0}
        if len(owners) > 1:
            return False
        graph = self._graph
        sides = [graph.base.members(self._with_owner(number)) for number in (a, b)]
        slots = np.concatenate(sides)
        claims = graph.claims
        if owners and any(owners & claims.bans(slot) for slot in slots.tolist()):
            return False
        side = np.repeat(np.arange(2), [len(slots) for slots in sides])
        return not graph.photos.conflicts(slots, side).size

    def _with_owner(self, number: int) -> Numbers:
        """Return a base cluster with all those of its owner."""
        theirs = self._of_owner.get(self.owner(number), set())
        return np.array(sorted(theirs | {number}), np.int64)

    def _forget(self, number: int) -> None:
        other = self._partner.pop(number, None)
        if other is not None:
            self._partner.pop(other, None)

    def _closed(self, numbers: set[int]) -> set[int]:
        """Return base clusters with all others of their persons."""
        found: set[int] = set()
        ahead = list(numbers)
        while ahead:
            number = ahead.pop()
            if number in found:
                continue
            found.add(number)
            mates = set(self._of_owner.get(self.owner(number), ()))
            if number in self._partner:
                mates.add(self._partner[number])
            ahead += mates - found
        return found
