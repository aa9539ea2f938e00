"""The way into the neighbour graph: who is not in it yet, and bringing them in by portions."""

from collections.abc import Iterable
from time import perf_counter

import numpy as np

from imm_ray.dataset.intake import Intake
from imm_ray.dataset.items import ItemTable
from imm_ray.dataset.ports import Clusterer, Slots, VectorIndex
from imm_ray.dataset.watcher import Watcher

AT_ONCE = 2_000
"""Absent items that a run brings in by itself; more are brought in before it, by portions."""

_PORTION_S = 1.0


class Entrance:
    """Brings representatives into the graph.

    Notes
    -----
    *Absent* are those of covered items that are not in the graph: after a restart without a
    snapshot all of them, after one with a snapshot those that came since. When most are absent, the
    groups that come of it are only right after a consolidation, even if the process ends in
    between: `must_consolidate` is part of a snapshot.
    """

    def __init__(
        self, index: VectorIndex, clusterer: Clusterer, items: ItemTable, *, may_be_equal: bool
    ) -> None:
        self._clusterer = clusterer
        self._items = items
        self._intake = Intake(index, clusterer, items, may_be_equal)
        self._absent: set[int] = set()
        self.must_consolidate = False
        self.entered = 0
        """How many have come into the graph so far."""

    def expect(self, heads: Iterable[int]) -> None:
        """Take representatives of covered items for absent; those in the graph do no harm."""
        self._absent.update(heads)

    def forget(self, slots: Iterable[int]) -> None:
        """Expect representatives no more."""
        self._absent.difference_update(slots)

    def absent(self) -> Slots:
        """Return who is absent."""
        slots = np.array(sorted(self._absent), np.int64)
        return slots[~self._items.in_graph[slots]]

    @property
    def absent_count(self) -> int:
        """How many are absent at most."""
        return len(self._absent)

    def rebuild(self, watcher: Watcher | None) -> bool:
        """Bring absent ones in for about a second; return whether more are left."""
        self._note_whether_most_are_absent()
        until = perf_counter() + _PORTION_S
        for slots in self._intake.insert(self.absent()):
            self.forget(slots.tolist())
            self.entered += len(slots)
            if watcher is not None:
                watcher.enter(slots)
            if perf_counter() > until:
                break
        else:
            self._absent.clear()
        return bool(self._absent)

    def enter(self, heads: Slots, watcher: Watcher | None) -> bool:
        """Bring in representatives and all that are absent; return whether to consolidate."""
        here = self._items.in_graph[heads]
        self._clusterer.touch(np.unique(heads[here]))
        self._note_whether_most_are_absent()
        coming = np.union1d(heads[~here], self.absent())
        self._absent.clear()
        for slots in self._intake.insert(coming):
            self.entered += len(slots)
            if watcher is not None:
                watcher.enter(slots)
        self._intake.refill()
        return self.must_consolidate

    def _note_whether_most_are_absent(self) -> None:
        self.must_consolidate |= len(self._absent) > len(self._clusterer)
