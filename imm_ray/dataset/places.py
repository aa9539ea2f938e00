"""Which cluster every item is in, as clients see it, and what a run makes of that."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.run import Group
from imm_ray.dataset.items import ItemTable
from imm_ray.dataset.ports import Slots
from imm_ray.model import NO_CLUSTER, ClusterId

NOWHERE = 0
"""The number of no cluster."""

NOBODY: Mapping[int, Set[int]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """Which groups are clusters, and what their ids and confidences are."""

    mint: Callable[[], ClusterId]
    smallest: int
    """A group of fewer items is no cluster, even if it was one."""
    good_to_found: int
    """Good items that a new cluster needs."""
    confidence: Callable[[float], float]
    """Maps a mean cosine to 0–1."""


@dataclass(slots=True)
class Assignment:
    """Where a run puts items: parallel arrays of all that it looked at and that matter."""

    slots: Slots
    was: NDArray[np.int32]
    becomes: NDArray[np.int32]
    born: set[int] = field(default_factory=set)
    members: dict[int, Slots] = field(default_factory=dict)
    """All members of each cluster that may have changed."""


class Places:
    """Cluster numbers by slot; a number stands for one `ClusterId` for ever.

    Notes
    -----
    A group inherits the cluster with which it shares most items, each cluster going to one group at
    most; so ids are kept by greatest overlap. A protected cluster goes to the group that holds its
    pins and to no other.
    """

    def __init__(self, items: ItemTable, rule: GroupRule) -> None:
        self._items = items
        self._rule = rule
        self._place: NDArray[np.int32] = np.empty(0, np.int32)
        self._count: NDArray[np.int32] = np.zeros(1, np.int32)
        self._ids: list[ClusterId] = [NO_CLUSTER]
        self._number_of: dict[ClusterId, int] = {}

    @property
    def good_to_found(self) -> int:
        """Good items that a new cluster needs now."""
        return self._rule.good_to_found

    def found_with(self, good: int) -> bool:
        """Let new clusters need ``good`` good items; return whether that is another number."""
        before, self._rule = self._rule.good_to_found, replace(self._rule, good_to_found=good)
        return before != good

    def of(self, slots: Slots) -> NDArray[np.int32]:
        """Return the cluster of each item, `NOWHERE` for none."""
        self._reserve(int(slots.max(initial=-1)) + 1)
        return self._place[slots]

    def number(self, cluster_id: ClusterId) -> int:
        """Return the number of a cluster."""
        if cluster_id not in self._number_of:
            self._number_of[cluster_id] = len(self._ids)
            self._ids.append(cluster_id)
            if len(self._ids) > len(self._count):
                self._count.resize(len(self._ids) * 5 // 4 + 16, refcheck=False)
        return self._number_of[cluster_id]

    def cluster_id(self, number: int) -> ClusterId:
        """Return the id of a cluster."""
        return self._ids[number]

    def size(self, number: int) -> int:
        """Return how many items a cluster has."""
        return int(self._count[number])

    def members(self, number: int) -> Slots:
        """Return the items of a cluster; looks at all, for what a person asks."""
        return np.flatnonzero(self._place == number)

    def put(self, slots: Slots, numbers: NDArray[np.int32]) -> None:
        """Record the clusters of items."""
        before = self.of(slots)
        np.subtract.at(self._count, before, 1)
        np.add.at(self._count, numbers, 1)
        self._place[slots] = numbers

    def assign(
        self,
        groups: Sequence[Group],
        protected: set[int],
        banned: Mapping[int, Set[int]] = NOBODY,
    ) -> Assignment:
        """Return the cluster of each group's items; groups that stay as they are are left out.

        ``banned`` holds, by item, the clusters that no group with it may have.
        """
        groups = [group for group in groups if len(group.slots)]
        groups = self._differing(groups, protected, banned)
        if not groups:
            none = np.empty(0, np.int32)
            return Assignment(np.empty(0, np.int64), none, none)
        sizes = [len(group.slots) for group in groups]
        slots = np.concatenate([group.slots for group in groups])
        was = self.of(slots)
        numbers, born = self._numbers(groups, was, protected, banned)
        becomes = np.repeat(np.array(numbers, np.int32), sizes)
        members: dict[int, Slots] = {}
        for number, group in zip(numbers, groups, strict=True):
            if number:
                members[number] = np.union1d(members.get(number, group.slots), group.slots)
        return Assignment(slots, was, becomes, born, members)

    def differing(self, groups: Sequence[Group]) -> Slots:
        """Return the items of the groups that are not just what one cluster is."""
        found = self._differing([group for group in groups if len(group.slots)], set(), NOBODY)
        return np.concatenate([np.empty(0, np.int64), *(group.slots for group in found)])

    def _differing(
        self, groups: Sequence[Group], protected: set[int], banned: Mapping[int, Set[int]]
    ) -> list[Group]:
        """Return the groups that may get, lose or change a cluster."""
        if not groups:
            return []
        sizes = np.array([len(group.slots) for group in groups])
        starts = np.cumsum(sizes) - sizes
        slots = np.concatenate([group.slots for group in groups])
        owners = np.array([group.owner for group in groups])
        place = self.of(slots)
        first = place[starts]
        uniform = np.minimum.reduceat(place, starts) == np.maximum.reduceat(place, starts)
        good = np.add.reduceat(self._items.good[slots].astype(np.int64), starts)
        nobody = (first == NOWHERE) & (owners == 0) & ~self._may_found(sizes, good)
        whole = (first != NOWHERE) & (self._count[first] == sizes) & (sizes >= self._rule.smallest)
        out = [slot for slot in banned.keys() & slots.tolist() if self._place[slot] in banned[slot]]
        misplaced = np.logical_or.reduceat(np.isin(slots, out), starts)
        free = (owners == 0) & ~np.isin(first, list(protected))
        whole &= ~misplaced & (free | (owners == first))
        same = uniform & (nobody | whole)
        return [groups[i] for i in np.flatnonzero(~same).tolist()]

    def _may_found(self, sizes: NDArray[np.int64], good: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (sizes >= self._rule.smallest) & (good >= self._rule.good_to_found)

    def _numbers(
        self,
        groups: Sequence[Group],
        was: NDArray[np.int32],
        protected: set[int],
        banned: Mapping[int, Set[int]],
    ) -> tuple[list[int], set[int]]:
        numbers = [group.owner for group in groups]
        taken = protected | set(numbers)
        large = [len(group.slots) >= self._rule.smallest for group in groups]
        barred = {
            (place, number)
            for place, group in enumerate(groups if banned else ())
            for slot in banned.keys() & group.slots.tolist()
            for number in banned[slot]
        }
        for place, number in self._claims(groups, was):
            free = number not in taken and (place, number) not in barred
            if large[place] and not numbers[place] and free:
                numbers[place] = number
                taken.add(number)
        born = set()
        for place, group in enumerate(groups):
            good = int(self._items.good[group.slots].sum())
            if large[place] and not numbers[place] and good >= self._rule.good_to_found:
                numbers[place] = self.number(self._rule.mint())
                born.add(numbers[place])
        return numbers, born

    def _claims(self, groups: Sequence[Group], was: NDArray[np.int32]) -> list[tuple[int, int]]:
        """Return (place of a group, cluster of some of its items), the greatest overlap first."""
        place = np.repeat(np.arange(len(groups)), [len(group.slots) for group in groups])
        inside = was != NOWHERE
        pairs, overlap = np.unique(place[inside] * len(self._ids) + was[inside], return_counts=True)
        claims = [
            (-n, self._ids[pair % len(self._ids)], pair // len(self._ids), pair % len(self._ids))
            for pair, n in zip(pairs.tolist(), overlap.tolist(), strict=True)
        ]
        return [(place, number) for _, _, place, number in sorted(claims)]

    def _reserve(self, size: int) -> None:
        have = len(self._place)
        if size > have:
            self._place.resize(max(size, have + have // 4, 1024), refcheck=False)


def by_cluster(slots: Slots, numbers: NDArray[np.int32]) -> Mapping[int, Slots]:
    """Return the items of each cluster number."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    cuts = np.flatnonzero(np.diff(ordered)) + 1
    parts = np.split(slots[order], cuts)
    firsts = ordered[np.concatenate(([0], cuts)).astype(np.int64)] if len(ordered) else ordered
    return dict(zip(firsts.tolist(), parts, strict=False))
