"""A region: the part of the graph that a run looks at again, as nodes of average link."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster import kernels, list_kernels
from imm_ray.cluster.average import Grouping, Nodes, link_nodes
from imm_ray.cluster.base import BaseClusters, Fixed, Numbers
from imm_ray.cluster.claims import Claims
from imm_ray.cluster.graph import Edges, Slots
from imm_ray.cluster.lists import NeighbourLists
from imm_ray.cluster.photos import Photos


@dataclass(frozen=True, slots=True)
class Region:
    """Items that belong to no cluster now, and whole clusters that they may join."""

    slots: Slots
    clusters: Numbers

    def __len__(self) -> int:
        return len(self.slots) + len(self.clusters)


class Graph:
    """What average link needs to know of items: lists, base clusters, photos, claims, vectors."""

    def __init__(
        self,
        lists: NeighbourLists,
        base: BaseClusters,
        photos: Photos,
        claims: Claims,
        fixed: Fixed,
    ) -> None:
        self.lists = lists
        self.base = base
        self.photos = photos
        self.claims = claims
        self.fixed = fixed
        self.core: NDArray[np.bool_] = np.empty(0, np.bool_)
        self._node_of: NDArray[np.int32] = np.empty(0, np.int32)
        self._node_of_cluster: NDArray[np.int32] = np.empty(0, np.int32)

    def reserve(self, slots: int) -> None:
        """Make room for slots below ``slots``."""
        self.base.reserve(slots)
        self.photos.reserve(slots)
        have = len(self.core)
        if slots > have:
            rows = max(slots, have + have // 4, 1024)
            self.core.resize(rows, refcheck=False)
            self._node_of.resize(rows, refcheck=False)
            self._node_of[have:] = -1

    def restore(self, core: NDArray[np.bool_]) -> None:
        """Take over which faces take part in average link."""
        self.core = core
        self._node_of = np.full(len(core), -1, np.int32)
        self._node_of_cluster = np.empty(0, np.int32)

    @property
    def has_poor(self) -> bool:
        """Whether any face only follows."""
        alive = self.lists.alive
        return bool((alive & ~self.core[: len(alive)]).any())

    def link(self, region: Region, pairs: NDArray[np.int64], threshold: int) -> Grouping:
        """Return the groups of a region.

        ``pairs``, ``(2, c)``, are pairs of its clusters (as places in ``region.clusters``) that
        new items may have brought together.
        """
        nodes = self.nodes(region)
        self._number(region)
        edges, crossings = self._edges(region)
        first = len(region.slots)
        conflicts = np.concatenate(
            (self._photo_conflicts(region), self._bans(region, nodes)), axis=1
        )
        self._number_back(region)
        return link_nodes(
            nodes,
            edges,
            np.concatenate((crossings, pairs + first), axis=1),
            threshold=threshold,
            conflicts=conflicts,
        )

    def nodes(self, region: Region) -> Nodes:
        """Return a region's items and clusters in canonical order."""
        keys = np.concatenate((self.lists.keys[region.slots], self.base.keys(region.clusters)))
        order = np.empty(len(region), np.int64)
        # A key is 64 bits of a digest; items that share one are equal, or one in 10**19.
        order[np.argsort(keys, kind="stable")] = np.arange(len(region))
        return Nodes(
            vectors=self.fixed(region.slots),
            sums=self.base.sums(region.clusters, self.fixed),
            sizes=self.base.size[region.clusters].astype(np.int64),
            order=order,
            owners=np.concatenate(
                (self.claims.owners(region.slots), self.claims.cluster_owners(region.clusters))
            ),
        )

    def means(
        self, slots: Slots, places: NDArray[np.int64], numbers: Numbers
    ) -> NDArray[np.float64]:
        """Return the mean similarity of ``slots[places[i]]`` to the cluster ``numbers[i]``."""
        clusters, at = np.unique(numbers, return_inverse=True)
        nodes = self.nodes(Region(slots, clusters))
        source = np.concatenate((~np.arange(len(slots)), np.arange(len(clusters))))
        ends = places.astype(np.int32), (len(slots) + at).astype(np.int32)
        sums = kernels.products(nodes.vectors, nodes.sums, source, *ends)
        means: NDArray[np.float64] = sums / nodes.sizes[at]
        return means

    def around(self, slots: Slots) -> Numbers:
        """Return the clusters that hold neighbours of ``slots``."""
        return np.unique(self.clusters_near(slots)[1])

    def clusters_near(self, slots: Slots) -> tuple[NDArray[np.int64], Numbers]:
        """Return (place in ``slots``, cluster of a core neighbour), with repetitions."""
        places, found = self.adjacent(slots, self.lists.threshold)
        numbers = self.base.label[found]
        clustered = (numbers >= 0) & self.core[found]
        return places[clustered], numbers[clustered].astype(np.int64)

    def adjacent(self, slots: Slots, least: int) -> tuple[NDArray[np.int64], Slots]:
        """Return (place in ``slots``, neighbour) of pairs with similarity >= ``least``."""
        lists = self.lists
        return list_kernels.adjacent(
            lists.ids, lists.similarities, lists.counts, lists.alive, slots, least
        )

    def _edges(self, region: Region) -> tuple[Edges, NDArray[np.int64]]:
        lists = self.lists
        u, v, s = list_kernels.region_edges(
            lists.ids,
            lists.similarities,
            lists.counts,
            lists.alive,
            lists.capped,
            region.slots,
            self._node_of,
        )
        if not len(region.clusters):
            return Edges(u, v, s), np.empty((2, 0), np.int64)
        places, numbers = self.clusters_near(region.slots)
        clusters = self._node_of_cluster[numbers]
        inside = clusters >= 0
        return Edges(u, v, s), np.stack((places[inside], clusters[inside].astype(np.int64)))

    def _number(self, region: Region) -> None:
        self._node_of[region.slots] = np.arange(len(region.slots))
        have = len(self._node_of_cluster)
        if have < len(self.base.size):
            self._node_of_cluster.resize(len(self.base.size), refcheck=False)
            self._node_of_cluster[have:] = -1
        self._node_of_cluster[region.clusters] = len(region.slots) + np.arange(len(region.clusters))

    def _number_back(self, region: Region) -> None:
        self._node_of[region.slots] = -1
        self._node_of_cluster[region.clusters] = -1

    def _photo_conflicts(self, region: Region) -> NDArray[np.int64]:
        if not self.photos:
            return np.empty((2, 0), np.int64)
        inside = self.base.members(region.clusters)
        places = np.repeat(np.arange(len(region.clusters)), self.base.size[region.clusters])
        return self.photos.conflicts(
            np.concatenate((region.slots, inside)),
            np.concatenate((np.arange(len(region.slots)), len(region.slots) + places)),
        )

    def _bans(self, region: Region, nodes: Nodes) -> NDArray[np.int64]:
        """Return the pairs of a node with an item that an owner must not have, and his nodes."""
        pairs = []
        for slot, owners in self.claims.banned():
            label = self.base.label[slot]
            node = self._node_of[slot]
            if node < 0 and label >= 0:
                node = self._node_of_cluster[label]
            if node >= 0:
                theirs = np.flatnonzero(np.isin(nodes.owners, list(owners)))
                pairs += [(int(node), other) for other in theirs.tolist() if other != node]
        return np.array(pairs, np.int64).reshape(-1, 2).T
