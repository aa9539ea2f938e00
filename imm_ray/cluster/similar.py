"""Groups of similar images, incrementally: complete link in every component that changed."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.base import Fixed
from imm_ray.cluster.complete import complete_link
from imm_ray.cluster.fixed import UNIT, search_cosine, to_cosine
from imm_ray.cluster.graph import NeighbourGraph, Slots
from imm_ray.cluster.lists import RatedPairs
from imm_ray.cluster.newcomers import Newcomers
from imm_ray.cluster.run import Group, Run, Work
from imm_ray.model.image import Image, Rows, column, numbers

GUARD = 5_000
"""A connected component of more images is not clustered whole at each run, only around what is new:
frames of a long film drift from one scene to the next without an end."""

MOST_NEIGHBOURS = 1_024
"""Of more images near a new one only the nearest are kept. A pair that is left out can only keep a
group smaller: none ever holds a pair below the limit."""

_ITEMS_AT_ONCE = 32_768  # bounds a run's memory to that of its largest component, or this


class SimilarClusterer:
    """Keeps the graph of all similar pairs and clusters again what inserts and removals touched.

    Parameters
    ----------
    threshold
        The least similarity of any pair of a group, in fixed point.
    fixed
        Returns the fixed-point vectors of slots; must know an item from before its `insert` until
        after its `remove`.

    Notes
    -----
    Complete link decomposes exactly over connected components of the graph of pairs at or over the
    threshold: groups merge only if all pairs across them are edges. Every component that changed
    holds a touched item (see `NeighbourGraph`). So after any inserts, removals and runs in any
    order the groups are those of one run over all living items, components over ``guard`` and
    items with more than ``most`` neighbours aside. Ties go by content key; items that share one go
    by slot.

    Not thread-safe: one writer.
    """

    def __init__(
        self,
        threshold: int,
        *,
        dimension: int,
        fixed: Fixed,
        guard: int = GUARD,
        most: int = MOST_NEIGHBOURS,
    ) -> None:
        self._graph = NeighbourGraph(threshold)
        self._fixed = fixed
        self._guard = guard
        self._most = most
        self._key: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._group_of: dict[int, int] = {}
        self._members: dict[int, Slots] = {}
        self._next_name = 0
        self._freed: list[int] = []
        self._work = Work()
        self.search_cosine = search_cosine(threshold, dimension)
        """What to ask the index for, so that `insert` is given all it needs."""
        self.threshold_cosine = to_cosine(threshold)
        """The least similarity of any pair of a group."""
        self.is_approximate = False
        """Whether a consolidation may change anything."""
        self.capped_lists = 0
        """How many images had more neighbours than are kept, when they came."""

    def __len__(self) -> int:
        return len(self._graph)

    @property
    def pair_count(self) -> int:
        """How many pairs of items the graph holds."""
        return self._graph.pair_count

    def insert(self, new: Newcomers, found: RatedPairs) -> None:
        """Add images with all stored ones within ``search_cosine``."""
        slots = new.slots
        size = int(slots.max(initial=-1)) + 1
        if size > len(self._key):
            self._key.resize(max(size, len(self._key) * 5 // 4, 1024), refcheck=False)
        self._key[slots] = new.keys
        self._work.pairs_compared += self._graph.insert(
            slots, self._nearest(found), vectors=self._fixed
        )
        self._work.items_new += len(slots)

    def hollow(self) -> Slots:
        """Return nothing: the graph keeps every pair, so none needs a `refill`."""
        return np.empty(0, np.int64)

    def refill(self, slots: Slots, found: RatedPairs) -> None:
        """Do nothing (see `hollow`)."""

    def remove(self, slots: Slots) -> None:
        """Take items out; their slots may be used again when `freed` returns them."""
        self._graph.remove(slots)
        for slot in slots.tolist():
            group = self._group_of.pop(slot, None)
            if group is not None and group in self._members:
                self._members[group] = self._members[group][self._members[group] != slot]
        self._freed += slots.tolist()

    def means(self, slots: Slots) -> NDArray[np.float64]:
        """Return the mean cosine of each image to the others of its group, 1 for one without."""
        found = np.ones(len(slots))
        for place, slot in enumerate(slots.tolist()):
            others = self._members.get(self._group_of.get(slot, -1), slots[:0])
            others = others[others != slot]
            if len(others):
                vectors = self._fixed(np.concatenate(([slot], others))).astype(np.int64)
                found[place] = (vectors[1:] @ vectors[0]).mean() / UNIT
        return found

    def freed(self) -> Slots:
        """Return slots of removed items that may be used again."""
        freed, self._freed = self._freed, []
        return np.array(freed, np.int64)

    def touch(self, slots: Slots) -> None:
        """Have the next run return the groups of ``slots`` even if nothing near them changed."""
        self._graph.touch(slots)

    def run(self) -> Run:
        """Return the groups of everything that changed since the last run."""
        touched = self._graph.touched()
        huge = self._graph.in_huge_components(touched, self._guard)
        regions = list(_batches(self._graph.components(touched[~huge])))
        if huge.any():
            self.is_approximate = True
            regions.append(self._around(touched[huge]))
        return self._clustered(regions)

    def consolidate(self) -> Run:
        """Return all groups, clustered again from the whole graph."""
        self._graph.touch_all()
        run = self._clustered(list(_batches(self._graph.components(self._graph.touched()))))
        self.is_approximate = False
        return run

    def state(self, size: int) -> Image:
        """Return what is known of the slots below ``size``, without their neighbours."""
        group = np.full(size, -1, np.int32)
        for number, members in enumerate(self._members.values()):
            group[members] = number
        return Image.join(
            Image(
                {"key": column(self._key, size), "group": group},
                {
                    "freed": numbers(self._freed),
                    "approximate": np.array([self.is_approximate]),
                    "capped": np.array([self.capped_lists]),
                },
            ),
            self._graph.state(size).under("graph"),
        )

    def owners(self) -> list[int]:
        """Return nobody: similar images belong to nobody."""
        return []

    def restore(self, image: Image, owners: Mapping[int, int]) -> None:
        """Take over a `state`; `put_rows` and `resume` must follow."""
        self._graph.restore(image.part("graph"))
        self._key, group = image.columns["key"], image.columns["group"]
        order = np.argsort(group, kind="stable")
        order = order[group[order] >= 0]
        cuts = np.flatnonzero(np.diff(group[order])) + 1
        parts = np.split(order, cuts) if len(order) else []
        self._members = dict(enumerate(parts))
        self._next_name = len(parts)
        self._group_of = dict(zip(order.tolist(), group[order].tolist(), strict=True))
        self._freed = image.facts["freed"].tolist()
        self._work = Work()
        self.is_approximate = bool(image.facts["approximate"][0])
        self.capped_lists = int(image.facts["capped"][0])

    def marks(self, size: int) -> NDArray[np.uint64]:
        """Return a number of each slot's neighbours that changes when they do."""
        return self._graph.marks(size)

    def rows(self, slots: Slots) -> Rows:
        """Return the neighbours of slots, each pair once."""
        return self._graph.rows(slots)

    def put_rows(self, rows: Rows) -> None:
        """Give slots back their neighbours, each slot once."""
        self._graph.put_rows(rows)

    def resume(self) -> None:
        """Compute what follows from what was restored."""
        self._graph.resume()

    def _nearest(self, found: RatedPairs) -> RatedPairs:
        """Return at most ``most`` pairs of each query, the nearest."""
        counts = np.bincount(found.query_rows)
        if counts.max(initial=0) <= self._most:
            return found
        order = np.lexsort((found.slots, -found.cosines, found.query_rows))
        firsts = np.concatenate(([0], np.cumsum(counts)))[found.query_rows[order]]
        chosen = order[np.arange(len(order)) - firsts < self._most]
        self.capped_lists += int((counts > self._most).sum())
        return _Pairs(found.query_rows[chosen], found.slots[chosen], found.cosines[chosen])

    def _clustered(self, regions: list[Slots]) -> Run:
        groups = [group for region in regions for group in self._groups(region)]
        groups.sort(key=lambda group: self._canonical(int(group[0])))
        for group in groups:
            self._remember(group)
        work, self._work = self._work, Work()
        work.clusters_touched = len(groups)
        work.items_reopened = sum(map(len, regions))
        self._graph.settle()
        return Run(groups=[Group(np.sort(group)) for group in groups], work=work)

    def _around(self, touched: Slots) -> Slots:
        """Return touched items of huge components and the whole groups of them and neighbours."""
        near = np.union1d(touched, self._graph.neighbours(touched))
        groups = {self._group_of[slot] for slot in near.tolist() if slot in self._group_of}
        mates = [self._members[group] for group in sorted(groups) if group in self._members]
        self._work.items_guarded += len(touched)
        return np.unique(np.concatenate([near, *mates]))

    def _groups(self, region: Slots) -> list[Slots]:
        slots = region[np.lexsort((region, self._key[region]))]
        labels = complete_link(len(slots), self._graph.edges(slots), order=np.arange(len(slots)))
        order = np.argsort(labels, kind="stable")
        return np.split(slots[order], np.flatnonzero(np.diff(labels[order])) + 1)

    def _remember(self, group: Slots) -> None:
        """Keep the members of a group of several."""
        for slot in group.tolist():
            if (old := self._group_of.pop(slot, None)) is not None:
                self._members.pop(old, None)
        if len(group) > 1:
            name = self._next_name
            self._next_name += 1
            self._members[name] = group
            self._group_of.update(dict.fromkeys(group.tolist(), name))

    def _canonical(self, slot: int) -> tuple[int, int]:
        return int(self._key[slot]), slot


class _Pairs:
    def __init__(
        self,
        query_rows: NDArray[np.int64],
        slots: Slots,
        cosines: NDArray[np.float32],
    ) -> None:
        self.query_rows = query_rows
        self.slots = slots
        self.cosines = cosines


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
