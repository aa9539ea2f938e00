"""Taking over the groups of a region into the base clusters."""

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.average import Grouping
from imm_ray.cluster.base import BaseClusters, Numbers
from imm_ray.cluster.region import Region

_NO_KEY = np.uint64(2**64 - 1)


class Commit:
    """The groups of a region, with the cluster number that each will have.

    A group keeps the number of the largest whole cluster in it; else that of the opened cluster
    from which most of its items come, if no other group has more of them; else it takes a new one.
    """

    def __init__(
        self, region: Region, grouping: Grouping, base: BaseClusters, keys: NDArray[np.uint64]
    ) -> None:
        self._region = region
        self._grouping = grouping
        self._base = base
        self._names, self._group = np.unique(grouping.labels, return_inverse=True)
        self._keys = self._smallest_keys(keys)
        self._was = base.label[region.slots].astype(np.int64)
        self.changed: set[int] = set()
        self.gone: set[int] = set()

    def apply(self) -> int:
        """Move the items; return how many groups differ from what was."""
        region, base = self._region, self._base
        n = len(region.slots)
        opened = np.unique(self._was[self._was >= 0])
        sizes = base.size[opened].copy()
        numbers = self._numbers()
        altered = self._altered(numbers, opened, sizes)
        whole_moves = base.members(region.clusters)
        whole_to = np.repeat(numbers[self._group[n:]], base.size[region.clusters])
        differs = base.label[whole_moves] != whole_to
        differs_items = self._was != numbers[self._group[:n]]
        base.move(
            np.concatenate((region.slots[differs_items], whole_moves[differs])),
            np.concatenate((numbers[self._group[:n]][differs_items], whole_to[differs])),
        )
        renewed = altered.copy()
        renewed[self._group[:n]] = True
        self._state(numbers, renewed)
        former = np.union1d(opened, region.clusters)
        empty = former[base.size[former] == 0]
        base.release(empty)
        self.gone = set(empty.tolist())
        self.changed = set(numbers[altered].tolist())
        return int(altered.sum())

    def _smallest_keys(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        smallest = np.full(len(self._names), _NO_KEY, np.uint64)
        region = self._region
        mine = np.concatenate((keys[region.slots], self._base.keys(region.clusters)))
        np.minimum.at(smallest, self._group, mine)
        return smallest

    def _numbers(self) -> Numbers:
        numbers = np.full(len(self._names), -1, np.int64)
        self._inherit_whole(numbers)
        self._inherit_opened(numbers)
        fresh = np.flatnonzero(numbers < 0)
        numbers[fresh] = self._base.new_numbers(len(fresh))
        return numbers

    def _inherit_whole(self, numbers: Numbers) -> None:
        clusters = self._region.clusters
        groups = self._group[len(self._region.slots) :]
        order = np.lexsort((self._base.keys(clusters), -self._base.size[clusters], groups))
        first = np.flatnonzero(np.diff(groups[order], prepend=-1))
        numbers[groups[order][first]] = clusters[order][first]

    def _inherit_opened(self, numbers: Numbers) -> None:
        """Give numbers of opened clusters to groups, the greatest overlap first."""
        inside = self._was >= 0
        groups, was = self._group[: len(self._was)][inside], self._was[inside]
        pairs, overlap = np.unique(was * len(self._names) + groups, return_counts=True)
        was, groups = np.divmod(pairs, max(1, len(self._names)))
        order = np.lexsort((groups, was, -overlap))
        taken: set[int] = set()
        for number, group in zip(was[order].tolist(), groups[order].tolist(), strict=True):
            if numbers[group] < 0 and number not in taken:
                numbers[group] = number
                taken.add(number)

    def _altered(
        self, numbers: Numbers, opened: Numbers, sizes: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        """Return which groups have other members than the cluster whose number they take."""
        n = len(self._region.slots)
        altered = np.zeros(len(numbers), np.bool_)
        altered[self._group[:n][self._was != numbers[self._group[:n]]]] = True
        altered[self._group[n:][self._region.clusters != numbers[self._group[n:]]]] = True
        items = np.bincount(self._group[:n], minlength=len(numbers))
        at = np.searchsorted(opened, numbers)
        known = at < len(opened)
        known[known] = opened[at[known]] == numbers[known]
        altered[known] |= items[known] != sizes[at[known]]
        return altered

    def _state(self, numbers: Numbers, renewed: NDArray[np.bool_]) -> None:
        """Record the smallest keys and sums of groups.

        Of opened clusters that are what they were too: they may have lost an item before.
        """
        several = renewed & (self._base.size[numbers] > 1)
        single = renewed & ~several
        self._base.state(numbers[single], self._keys[single], None)
        self._base.state(
            numbers[several],
            self._keys[several],
            self._grouping.sums_of(self._names[several]),
        )
