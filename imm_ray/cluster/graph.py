"""The neighbour graph: every pair of live items with similarity at or over a threshold."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.component_kernels import roots, unite
from imm_ray.cluster.fixed import FixedVectors
from imm_ray.cluster.list_kernels import marks_of_runs, pair_similarities
from imm_ray.model.image import Image, Rows

Slots: TypeAlias = NDArray[np.int64]
"""Stable item numbers, given by the caller: shape ``(n,)``."""

_PAIRS_AT_ONCE = 8192  # bounds the vectors in hand: 2 * 8192 * 1280 int16 are 42 MB


class CandidatePairs(Protocol):
    """What an index found: ``slots[i]`` may be near the delta's row ``query_rows[i]``."""

    @property
    def query_rows(self) -> NDArray[np.int64]:
        """Rows of the delta."""

    @property
    def slots(self) -> Slots:
        """Stored items, those of the delta itself included."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Pairs, each once: positions ``u`` and ``v`` in a list of items, and similarities."""

    u: NDArray[np.int32]
    v: NDArray[np.int32]
    similarity: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Run:
    """Half edges (each pair in both directions) sorted by source row."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    similarity: NDArray[np.int32]

    @staticmethod
    def sort(*parts: "_Run") -> "_Run":
        """Return all half edges of ``parts`` as one run."""
        source = np.concatenate([part.source for part in parts])
        order = np.argsort(source, kind="stable")
        return _Run(
            source[order],
            np.concatenate([part.target for part in parts])[order],
            np.concatenate([part.similarity for part in parts])[order],
        )

    def where(self, chosen: NDArray[np.bool_]) -> "_Run":
        """Return the chosen half edges."""
        return _Run(self.source[chosen], self.target[chosen], self.similarity[chosen])

    def of(self, rows: NDArray[np.int32]) -> "_Run":
        """Return the half edges that start at ``rows``."""
        first = np.searchsorted(self.source, rows, "left")
        counts = np.searchsorted(self.source, rows, "right") - first
        places = np.repeat(first - (np.cumsum(counts) - counts), counts)
        places += np.arange(len(places))
        return _Run(self.source[places], self.target[places], self.similarity[places])


class NeighbourGraph:
    """All pairs of live items with similarity >= ``threshold``, and which items a run must look at.

    Notes
    -----
    Items have dense internal rows; a slot that returns after its removal gets a new row, so nothing
    of its former self comes back. Half edges (12 bytes) lie in sorted runs whose sizes shrink
    geometrically; a new run swallows those not twice its size, so ``k`` insertions cost ``O(k log
    E)`` and a lookup searches ``O(log E)`` runs. Edges of removed rows are skipped when read and
    dropped when runs unite.

    *Touched* are new items and former neighbours of removed ones. Every component that differs
    from what it was when last settled holds a touched item: a component that grew holds a new item,
    and each piece of one that lost items holds a neighbour of a lost item.
    """

    def __init__(self, threshold: int) -> None:
        self.threshold = threshold
        self.pair_count = 0
        self._row_of: dict[int, int] = {}
        self._slots: Slots = np.empty(0, np.int64)
        self._alive = np.empty(0, np.bool_)
        self._touched = np.empty(0, np.bool_)
        self._runs: list[_Run] = []
        self._restored: list[_Run] = []
        self._parent: NDArray[np.int32] = np.empty(0, np.int32)
        self._weight: NDArray[np.int32] = np.empty(0, np.int32)

    def __len__(self) -> int:
        return len(self._row_of)

    def insert(
        self,
        slots: Slots,
        candidates: CandidatePairs,
        *,
        vectors: Callable[[Slots], FixedVectors],
    ) -> int:
        """Add items and their pairs at or over the threshold; return how many pairs were compared.

        Parameters
        ----------
        slots
            New items; none may be in the graph.
        candidates
            Every pair that may reach the threshold, with rows of ``slots`` as query rows. Pairs of
            an item with itself, and pairs found from both sides, are harmless.
        vectors
            Returns the fixed-point vectors of slots, new ones included.
        """
        self._add_rows(slots)
        u, v = self._distinct_pairs(self._rows(slots)[candidates.query_rows], candidates.slots)
        near: list[NDArray[np.int64]] = [
            self._similarities(
                u[start : start + _PAIRS_AT_ONCE], v[start : start + _PAIRS_AT_ONCE], vectors
            )
            for start in range(0, len(u), _PAIRS_AT_ONCE)
        ]
        similarity = np.concatenate([np.empty(0, np.int64), *near])
        chosen = similarity >= self.threshold
        self._add_pairs(u[chosen], v[chosen], similarity[chosen].astype(np.int32))
        return len(u)

    def remove(self, slots: Slots) -> None:
        """Take items and their pairs out; their neighbours become touched."""
        rows = self._rows(slots)
        if len(np.unique(rows)) != len(rows):
            raise ValueError("a slot is named twice in one removal: name each once")
        lost = self._half_edges(rows)
        for slot in slots.tolist():
            del self._row_of[slot]
        self._alive[rows] = False
        self._touched[lost.target] = True
        self._touched &= self._alive
        self.pair_count -= len(lost.target) - int((~self._alive[lost.target]).sum()) // 2
        if len(self._slots) > 2 * len(self) + 1024:
            self._compact()

    def touch(self, slots: Slots) -> None:
        """Make items touched."""
        self._touched[self._rows(slots)] = True

    def touch_all(self) -> None:
        """Make every item touched."""
        self._touched[:] = self._alive
        self._find_components()

    def touched(self) -> Slots:
        """Return the touched items."""
        return self._slots[self._touched]

    def settle(self) -> None:
        """Make no item touched."""
        self._touched[:] = False

    def components(self, seeds: Slots) -> list[Slots]:
        """Return the connected components of ``seeds``, by smallest slot, slots ascending."""
        if not len(seeds):
            return []
        members = np.sort(self._slots[self._reach(self._rows(seeds))])
        edges = self.edges(members)
        places = np.arange(len(members))
        parent, weight = places.astype(np.int32), np.ones(len(members), np.int32)
        unite(parent, weight, edges.u, edges.v)
        _, first, component = np.unique(
            roots(parent, places), return_index=True, return_inverse=True
        )
        order = np.lexsort((places, first[component]))
        return np.split(members[order], np.flatnonzero(np.diff(first[component][order])) + 1)

    def in_huge_components(self, slots: Slots, size: int) -> NDArray[np.bool_]:
        """Return which items are in components of more than ``size`` items.

        Removals split components and this may not be known before `touch_all`.
        """
        rows = self._rows(slots).astype(np.int64)
        huge: NDArray[np.bool_] = self._weight[roots(self._parent, rows)] > size
        return huge

    def neighbours(self, slots: Slots) -> Slots:
        """Return the items at the other ends of all pairs of ``slots``."""
        return np.unique(self._slots[self._half_edges(self._rows(slots)).target])

    def edges(self, members: Slots) -> Edges:
        """Return the pairs among ``members``, ``u < v``, as positions in it."""
        rows = self._rows(members)
        position = np.full(len(self._slots), -1, np.int64)
        position[rows] = np.arange(len(rows))
        found = self._half_edges(rows)
        u, v = position[found.source], position[found.target]
        once = u < v
        return Edges(
            u[once].astype(np.int32),
            v[once].astype(np.int32),
            found.similarity[once].astype(np.int64),
        )

    def state(self, size: int) -> Image:
        """Return which of the slots below ``size`` are here, and which a run must look at."""
        here, touched = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        here[self._slots[self._alive]] = True
        touched[self.touched()] = True
        return Image({"here": here, "touched": touched})

    def restore(self, image: Image) -> None:
        """Take over a `state`; `put_rows` and `resume` must follow."""
        self._slots = np.flatnonzero(image.columns["here"])
        self._alive = np.ones(len(self._slots), np.bool_)
        self._touched = image.columns["touched"][self._slots]
        self._row_of = {slot: row for row, slot in enumerate(self._slots.tolist())}
        self._runs, self.pair_count = [], 0
        self._restored = []

    def marks(self, size: int) -> NDArray[np.uint64]:
        """Return a number of each slot's `rows` that changes when they do."""
        counts, run = self._by_slot(size)
        found: NDArray[np.uint64] = marks_of_runs(run.target, run.similarity, counts)
        return found

    def rows(self, slots: Slots) -> Rows:
        """Return the neighbours of slots that have lower slots: each pair stands in one row."""
        counts, run = self._by_slot(int(slots.max(initial=-1)) + 1)
        starts = np.cumsum(counts) - counts
        mine = counts[slots].astype(np.int64)
        places = np.repeat(starts[slots] - (np.cumsum(mine) - mine), mine) + np.arange(mine.sum())
        return Rows(slots, counts[slots], run.target[places], run.similarity[places])

    def put_rows(self, rows: Rows) -> None:
        """Take pairs in: what `rows` returned, each slot once."""
        source = np.repeat(rows.slots, rows.counts).astype(np.int32)
        self._restored.append(_Run(source, rows.ids, rows.similarities))

    def resume(self) -> None:
        """Build the graph of all pairs that were put in."""
        empty = np.empty(0, np.int32)
        pairs = _Run.sort(_Run(empty, empty, empty), *self._restored)
        self._restored = []
        u, v = (
            np.searchsorted(self._slots, s).astype(np.int32) for s in (pairs.source, pairs.target)
        )
        self._parent = np.arange(len(self._slots), dtype=np.int32)
        self._weight = np.ones(len(self._slots), np.int32)
        self._add_pairs(u, v, pairs.similarity)

    def _by_slot(self, size: int) -> tuple[NDArray[np.int32], _Run]:
        """Return how many pairs with lower slots each slot has, and these in the order of slots."""
        empty = np.empty(0, np.int32)
        run = _Run.sort(_Run(empty, empty, empty), *(self._living(run) for run in self._runs))
        slots = self._slots.astype(np.int32)
        source, target = slots[run.source], slots[run.target]
        order = np.lexsort((target, source))
        order = order[(target < source)[order] & (source < size)[order]]
        found = _Run(source[order], target[order], run.similarity[order])
        return np.bincount(found.source, minlength=size).astype(np.int32), found

    def _rows(self, slots: Slots) -> NDArray[np.int32]:
        try:
            return np.array([self._row_of[slot] for slot in slots.tolist()], np.int32)
        except KeyError as error:
            raise ValueError(f"slot {error} is not in the graph: insert it first") from error

    def _add_rows(self, slots: Slots) -> None:
        first = len(self._slots)
        added = {slot: first + i for i, slot in enumerate(slots.tolist())}
        if len(added) != len(slots) or not self._row_of.keys().isdisjoint(added):
            raise ValueError(
                "a new slot is in the graph already: remove it before inserting it again"
            )
        self._row_of |= added
        self._slots = np.concatenate((self._slots, slots))
        self._alive = np.concatenate((self._alive, np.ones(len(slots), np.bool_)))
        self._touched = np.concatenate((self._touched, np.ones(len(slots), np.bool_)))
        self._parent = np.concatenate((self._parent, self._rows(slots)))
        self._weight = np.concatenate((self._weight, np.ones(len(slots), np.int32)))

    def _distinct_pairs(
        self, queries: NDArray[np.int32], slots: Slots
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return each pair of rows once, without pairs of a row and itself."""
        found = self._rows(slots)
        low, high = np.minimum(queries, found), np.maximum(queries, found)
        keys = np.unique((low.astype(np.int64) << 32 | high)[low != high])
        return (keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)

    def _similarities(
        self,
        u: NDArray[np.int32],
        v: NDArray[np.int32],
        vectors: Callable[[Slots], FixedVectors],
    ) -> NDArray[np.int64]:
        rows, places = np.unique(np.concatenate((u, v)), return_inverse=True)
        fixed = np.ascontiguousarray(vectors(self._slots[rows]), np.int16)
        similarities: NDArray[np.int64] = pair_similarities(
            fixed, places[: len(u)].astype(np.int64), places[len(u) :].astype(np.int64)
        )
        return similarities

    def _add_pairs(
        self, u: NDArray[np.int32], v: NDArray[np.int32], similarity: NDArray[np.int32]
    ) -> None:
        if not len(u):
            return
        self.pair_count += len(u)
        unite(self._parent, self._weight, u, v)
        run = _Run.sort(_Run(u, v, similarity), _Run(v, u, similarity))
        while self._runs and len(self._runs[-1].source) <= 2 * len(run.source):
            run = self._living(_Run.sort(self._runs.pop(), run))
        self._runs.append(run)

    def _living(self, run: _Run) -> _Run:
        return run.where(self._alive[run.source] & self._alive[run.target])

    def _half_edges(self, rows: NDArray[np.int32]) -> _Run:
        """Return the half edges from ``rows`` to live rows."""
        empty = np.empty(0, np.int32)
        found = [run.of(rows) for run in self._runs] or [_Run(empty, empty, empty)]
        one = found[0] if len(found) == 1 else _Run.sort(*found)
        return one.where(self._alive[one.target])

    def _reach(self, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return a flag for every row that a path joins to ``rows``."""
        reached = np.zeros(len(self._slots), np.bool_)
        while len(rows):
            reached[rows] = True
            targets = np.unique(self._half_edges(rows).target)
            rows = targets[~reached[targets]]
        return reached

    def _compact(self) -> None:
        """Drop dead rows and their half edges."""
        row = (np.cumsum(self._alive) - 1).astype(np.int32)
        living = [self._living(run) for run in self._runs]
        self._runs = [
            _Run(row[r.source], row[r.target], r.similarity) for r in living if len(r.source)
        ]
        self._slots, self._touched = self._slots[self._alive], self._touched[self._alive]
        self._alive = np.ones(len(self._slots), np.bool_)
        self._row_of = {slot: i for i, slot in enumerate(self._slots.tolist())}
        self._find_components()

    def _find_components(self) -> None:
        self._parent = np.arange(len(self._slots), dtype=np.int32)
        self._weight = np.ones(len(self._slots), np.int32)
        for run in self._runs:
            living = self._living(run)
            unite(self._parent, self._weight, living.source, living.target)
