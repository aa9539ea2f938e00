"""Base clusters of faces, incrementally: average link that re-opens what new items disturb."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster import component_kernels
from imm_ray.cluster.agreement import adjusted_rand_index
from imm_ray.cluster.average import Grouping
from imm_ray.cluster.base import BaseClusters, Fixed, Numbers
from imm_ray.cluster.claims import Claims
from imm_ray.cluster.commit import Commit
from imm_ray.cluster.components import Components
from imm_ray.cluster.graph import Slots
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.lists import WIDTH, NeighbourLists, RatedPairs
from imm_ray.cluster.newcomers import Newcomers
from imm_ray.cluster.photos import ALONE, Photos
from imm_ray.cluster.region import Graph, Region
from imm_ray.cluster.run import Work
from imm_ray.model.image import Image, column, numbers

EXACT_ITEMS = 2_048
"""Touched connected components, the smallest first, are clustered whole while they have no more
items than this together: exactly as everything at once would be. In the others only clusters in
doubt are re-opened."""

_ROUNDS = 3  # of re-opening what the round before has fused
_LARGE = 1000
_DOUBT_SHARE = 0.01  # a large cluster is re-opened by this share of its size in doubtful new items
_AT_ONCE = 32_768  # items of components that are clustered in one go


@dataclass(frozen=True, slots=True)
class Changed:
    """Base clusters whose members are not what they were."""

    numbers: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)


class BaseClusterer:
    """Keeps the base clusters of faces while they come and go.

    Parameters
    ----------
    fixed
        Returns the fixed-point vectors of slots; must know an item from before its ``insert`` until
        after its ``remove``.
    exact_items
        See ``EXACT_ITEMS``.

    Notes
    -----
    New items and the clusters that lost some are clustered again, among them and with the clusters
    around them as whole nodes; those around are opened too when a new item is within ``margin`` of
    joining or not joining one, or of joining another one instead, and when the result fuses two of
    them. `consolidate` clusters everything on the stored lists: then the partition depends on the
    items only (lists at their cap aside). A small component is always clustered whole, so small
    datasets are exact at all times.

    Not thread-safe: one writer.
    """

    def __init__(
        self,
        limits: FigureLimits,
        *,
        dimension: int,
        fixed: Fixed,
        width: int = WIDTH,
        exact_items: int = EXACT_ITEMS,
    ) -> None:
        self.limits = limits
        self.lists = NeighbourLists(limits.threshold, dimension=dimension, width=width)
        self.base = BaseClusters(dimension)
        self.photos = Photos(limits.same_photo)
        self.claims = Claims(lambda slots: self.base.label[slots])
        self.graph = Graph(self.lists, self.base, self.photos, self.claims, fixed)
        self._exact_items = exact_items
        self._components = Components()
        self._named: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._fresh: set[int] = set()
        self._near_removed: set[int] = set()
        self._stirred: set[int] = set()
        self._dirty: set[int] = set()
        self._changed = Changed()
        self._work = Work()
        self.is_approximate = False
        """Whether a consolidation may change anything."""

    def insert(self, new: Newcomers, found: RatedPairs) -> None:
        """Add items with all stored items that may reach the threshold.

        Query rows of ``found`` are rows of ``new``; pairs with items not here are skipped.
        """
        slots = new.slots
        self._reserve(int(slots.max(initial=-1)) + 1)
        self.graph.core[slots] = new.core
        self._components.insert(slots)
        self._work.pairs_compared += self.lists.insert(
            slots, new.keys, found, self.graph.fixed, self._unite
        )
        crowded = new.photos != ALONE
        if crowded.any():
            self.photos.insert(
                slots[crowded], new.photos[crowded], self.graph.fixed(slots[crowded])
            )
        self._fresh.update(slots[new.core].tolist())
        self._work.items_new += len(slots)

    def remove(self, slots: Slots) -> None:
        """Take items out; their slots may be used again after a `sweep`."""
        _, near = self.graph.adjacent(slots, self.limits.threshold)
        self._near_removed.update(near[self.graph.core[near]].tolist())
        self._stirred.update(near[~self.graph.core[near]].tolist())
        held = slots[self.base.label[slots] >= 0]
        before = set(self.base.label[held].tolist())
        shrunk = set(self.base.take_out(held, self.graph.fixed(held)).tolist())
        self._dirty = (self._dirty | shrunk) - (before - shrunk)
        self._changed.gone.update(before - shrunk)
        self._changed.numbers.difference_update(before - shrunk)
        self._changed.numbers.update(shrunk)
        self.claims.forget(slots)
        self.photos.remove(slots)
        self._fresh.difference_update(slots.tolist())
        self.lists.remove(slots)
        for waiting in (self._near_removed, self._stirred):
            waiting.difference_update(slots.tolist())

    def refill(self, slots: Slots, found: RatedPairs) -> None:
        """Give lists that removals have emptied their pairs again (see ``NeighbourLists``)."""
        self._work.pairs_compared += self.lists.refill(slots, found, self.graph.fixed, self._unite)

    def hollow(self) -> Slots:
        """Return the items near removed ones whose lists need a `refill`."""
        near = self._near_removed | self._stirred
        return self.lists.hollow(np.array(sorted(near), np.int64))

    def reopen(self, slots: Slots) -> None:
        """Have the next run cluster again what holds ``slots``: a claim on them has changed."""
        core = slots[self.graph.core[slots]]
        self._dirty.update(set(self.base.label[core].tolist()) - {-1})

    def stirred(self) -> set[int]:
        """Return, once, the poor faces that have won or lost a neighbour."""
        taken, self._stirred = self._stirred, set()
        return taken

    def run(self) -> tuple[Changed, Work]:
        """Bring the base clusters up to date; return what changed since the last run."""
        touched = np.array(sorted(self._fresh | self._near_removed), np.int64)
        dirty = np.array(sorted(self._dirty), np.int64)
        whole = self._small_components(np.concatenate((touched, self.base.members(dirty))))
        opened = set(self.base.label[whole].tolist())
        self._cluster_whole(whole)
        fresh = np.array(sorted(self._fresh.difference(whole.tolist())), np.int64)
        self._cluster_around(fresh, set(dirty.tolist()) - opened)
        self._fresh.clear()
        self._near_removed.clear()
        self._dirty.clear()
        return self._taken()

    def consolidate(self) -> tuple[Changed, Work]:
        """Cluster everything on the stored lists; return what changed since the last run."""
        slots = np.flatnonzero(self.lists.alive & self.graph.core[: len(self.lists.alive)])
        before = self.base.label[slots].copy()
        self._rebuild_components()
        self._unite_mates(slots)
        roots = self._components.of(slots)
        order = np.argsort(roots, kind="stable")
        cuts = np.flatnonzero(np.diff(roots[order])) + 1
        for batch in _batches(np.split(slots[order], cuts)):
            self._cluster_whole(batch)
        self._fresh.clear()
        self._near_removed.clear()
        self._dirty.clear()
        settled = before >= 0
        after = self.base.label[slots]
        if settled.any():
            self._work.drift = adjusted_rand_index(before[settled], after[settled])
        self._work.items_moved = int((before[settled] != after[settled]).sum())
        self.is_approximate = False
        return self._taken()

    def sweep(self) -> Slots:
        """Clear all lists of removed items; return the slots that are free now."""
        freed, bereft = self.lists.sweep()
        hollow = self.lists.hollow(bereft)
        poor = ~self.graph.core[hollow]
        self._near_removed.update(hollow[~poor].tolist())
        self._stirred.update(hollow[poor].tolist())
        self._rebuild_components()
        return freed

    def state(self, size: int) -> Image:
        """Return what is known of the slots below ``size``, without their lists."""
        waiting = {
            "fresh": self._fresh,
            "near_removed": self._near_removed,
            "stirred": self._stirred,
            "dirty": self._dirty,
            "changed": self._changed.numbers,
            "gone": self._changed.gone,
        }
        facts = {name: numbers(slots) for name, slots in waiting.items()}
        facts["approximate"] = np.array([self.is_approximate])
        return Image.join(
            Image({"core": column(self.graph.core, size)}, facts),
            self.lists.state(size).under("lists"),
            self.base.image(size).under("base"),
            self.photos.state(size).under("photos"),
            self.claims.state().under("claims"),
            self._components.state(size).under("components"),
        )

    def restore(self, image: Image) -> None:
        """Take over a `state`; the lists must be put back, and sums computed, before anything."""
        self.lists.restore(image.part("lists"))
        self.base.restore(image.part("base"))
        self.photos.restore(image.part("photos"))
        self.claims.restore(image.part("claims"))
        self._components.restore(image.part("components"))
        size = len(image.columns["core"])
        self.graph.restore(image.columns["core"])
        self._named = np.zeros(size, np.bool_)
        taken = {
            name: set(slots.tolist()) for name, slots in image.facts.items() if "." not in name
        }
        self._fresh, self._near_removed = taken["fresh"], taken["near_removed"]
        self._stirred, self._dirty = taken["stirred"], taken["dirty"]
        self._changed = Changed(taken["changed"], taken["gone"])
        self._work = Work()
        self.is_approximate = bool(image.facts["approximate"][0])

    def _taken(self) -> tuple[Changed, Work]:
        taken = self._changed, self._work
        self._changed, self._work = Changed(), Work()
        return taken

    def _small_components(self, slots: Slots) -> Slots:
        """Return the whole components of ``slots`` that are small enough to be exact."""
        roots = self._components.of(slots)
        components = np.unique(roots)
        components = components[np.argsort(self._components.sizes(components), kind="stable")]
        sizes = self._components.sizes(components)
        affordable = np.cumsum(sizes) <= self._exact_items
        found = self._reach(slots[np.isin(roots, components[affordable])])
        missed = len(found) < sizes[affordable].sum() and self.lists.capped[found].any()
        self.is_approximate |= bool(missed) or not bool(affordable.all())
        return found

    def _reach(self, slots: Slots) -> Slots:
        """Return all core items that lists and base clusters join to ``slots``.

        A capped list may not name a member that names it.
        """
        lists, base = self.lists, self.base
        while True:
            found: Slots = component_kernels.reach(
                lists.ids, lists.counts, lists.alive, self.graph.core, self._named, slots
            )
            labels = np.unique(base.label[found])
            mates = base.members(labels[labels >= 0].astype(np.int64))
            slots = np.union1d(found, mates)
            if len(slots) == len(found):
                return slots

    def _cluster_whole(self, slots: Slots) -> None:
        """Cluster whole components anew."""
        if len(slots):
            region = Region(slots, np.empty(0, np.int64))
            grouping = self.graph.link(region, np.empty((2, 0), np.int64), self.limits.threshold)
            self._commit(region, grouping)

    def _cluster_around(self, fresh: Slots, dirty: set[int]) -> None:
        """Cluster new items and dirty clusters with those around them."""
        if not (len(fresh) or dirty):
            return
        dirty = dirty | self._doubtful(fresh, dirty)
        for attempt in range(_ROUNDS):
            opened = np.array(sorted(dirty), np.int64)
            slots = np.concatenate((self.base.members(opened), fresh))
            around = self.graph.around(slots)
            region = Region(slots, around[~np.isin(around, opened)])
            grouping = self.graph.link(
                region, self._brought_together(fresh, region.clusters), self.limits.threshold
            )
            fused = self._fused(region, grouping, len(slots) - len(fresh))
            if not fused or attempt == _ROUNDS - 1:
                break
            dirty |= fused
        self._commit(region, grouping)

    def _doubtful(self, fresh: Slots, dirty: set[int]) -> set[int]:
        """Return the clusters that new items nearly join, nearly leave, or nearly prefer."""
        places, numbers = self.graph.clusters_near(fresh)
        pairs = np.unique(places * (len(self.base.size) + 1) + numbers)
        places, numbers = np.divmod(pairs, len(self.base.size) + 1)
        clean = ~np.isin(numbers, np.array(sorted(dirty), np.int64))
        places, numbers = places[clean], numbers[clean]
        if not len(numbers):
            return set()
        means = self.graph.means(fresh, places, numbers)
        best = np.full(len(fresh), -np.inf)
        np.maximum.at(best, places, means)
        limit, margin = self.limits.threshold, self.limits.margin
        eligible = (means > limit - margin) & (means > best[places] - margin)
        rivals = np.bincount(places[eligible], minlength=len(fresh))[places]
        doubtful = eligible & ((rivals > 1) | (np.abs(means - limit) < margin))
        found, votes = np.unique(numbers[doubtful], return_counts=True)
        sizes = self.base.size[found]
        return set(found[(sizes < _LARGE) | (votes >= _DOUBT_SHARE * sizes)].tolist())

    def _brought_together(self, fresh: Slots, clusters: Numbers) -> NDArray[np.int64]:
        """Return the pairs of clusters (places in ``clusters``) near one new item."""
        places, numbers = self.graph.clusters_near(fresh)
        at = np.searchsorted(clusters, numbers)
        here = at < len(clusters)
        here[here] = clusters[at[here]] == numbers[here]
        pairs = np.unique(places[here] * (len(clusters) + 1) + at[here])
        places, at = np.divmod(pairs, len(clusters) + 1)
        cuts = np.flatnonzero(np.diff(places)) + 1
        found = [
            np.array(np.triu_indices(len(near), 1)) for near in np.split(at, cuts) if len(near) > 1
        ]
        starts = [near for near in np.split(at, cuts) if len(near) > 1]
        return np.concatenate(
            [np.empty((2, 0), np.int64), *(near[f] for near, f in zip(starts, found, strict=True))],
            axis=1,
        )

    def _fused(self, region: Region, grouping: Grouping, old: int) -> set[int]:
        """Return the whole clusters that met another one, or an item of an opened one."""
        of_clusters = grouping.labels[len(region.slots) :]
        _, at, sizes = np.unique(of_clusters, return_inverse=True, return_counts=True)
        met = (sizes[at] > 1) | np.isin(of_clusters, grouping.labels[:old])
        return set(region.clusters[met].tolist())

    def _commit(self, region: Region, grouping: Grouping) -> None:
        """Take over the groups of a region; a group keeps the number of what it mostly was."""
        committed = Commit(region, grouping, self.base, self.lists.keys)
        self._work.items_reopened += len(region.slots)
        self._work.clusters_touched += committed.apply()
        self._changed.numbers.update(committed.changed)
        self._changed.gone.update(committed.gone)
        self._changed.gone.difference_update(committed.changed)
        self._changed.numbers.difference_update(committed.gone)

    def _unite(self, u: Slots, v: Slots) -> None:
        core = self.graph.core[u] & self.graph.core[v]
        self._components.unite(u[core], v[core])
        ends = np.concatenate((u, v))
        self._stirred.update(ends[~self.graph.core[ends]].tolist())

    def _unite_mates(self, slots: Slots) -> None:
        """Unite the components of a base cluster, which a removal may have parted."""
        labels = self.base.label[slots]
        order = np.argsort(labels, kind="stable")
        mates = (np.diff(labels[order]) == 0) & (labels[order][1:] >= 0)
        self._components.unite(slots[order][:-1][mates], slots[order][1:][mates])

    def _rebuild_components(self) -> None:
        lists = self.lists
        self._components.rebuild(lists.ids, lists.counts, lists.alive, self.graph.core)

    def _reserve(self, slots: int) -> None:
        self.graph.reserve(slots)
        self._components.reserve(slots)
        have = len(self._named)
        if slots > have:
            self._named.resize(max(slots, have + have // 4, 1024), refcheck=False)


def _batches(components: list[Slots]) -> list[Slots]:
    """Return unions of components of about ``_AT_ONCE`` items, or one larger component each."""
    batches: list[list[Slots]] = [[]]
    size = 0
    for component in components:
        if batches[-1] and size + len(component) > _AT_ONCE:
            batches.append([])
            size = 0
        batches[-1].append(component)
        size += len(component)
    return [np.concatenate(batch) for batch in batches]
