"""Average link over a part of the graph: items and whole clusters as nodes."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster import kernels
from imm_ray.cluster.fixed import FixedVectors
from imm_ray.cluster.graph import Edges

Conflicts: TypeAlias = NDArray[np.int64]
"""Pairs of nodes that must not share a group: shape ``(2, c)``."""

NO_CONFLICTS: Conflicts = np.empty((2, 0), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Items, then clusters; a node's number is its place among both."""

    vectors: FixedVectors
    """Of the items."""
    sums: NDArray[np.int32]
    """Of the vectors of each cluster."""
    sizes: NDArray[np.int64]
    """Of the clusters."""
    order: NDArray[np.int64]
    """The canonical rank of each node: a permutation that depends on contents only."""
    owners: NDArray[np.int32]
    """Nodes with different owners other than 0 never share a group."""

    def __len__(self) -> int:
        return len(self.vectors) + len(self.sums)


@dataclass(frozen=True, slots=True)
class Grouping:
    """What average link made of nodes."""

    labels: NDArray[np.int64]
    """The group of each node, named by its first node in canonical order."""
    sums: NDArray[np.int32]
    row_of: NDArray[np.int64]
    """For the node that names a group of several items: the row of ``sums`` with their sum."""

    def sums_of(self, names: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the sum of vectors of groups of several items."""
        found: NDArray[np.int32] = self.sums[self.row_of[names]]
        return found


def link_nodes(
    nodes: Nodes,
    edges: Edges,
    crossings: NDArray[np.int64],
    *,
    threshold: int,
    conflicts: Conflicts = NO_CONFLICTS,
) -> Grouping:
    """Return the groups of average link, cut at ``threshold``.

    Groups merge while the mean similarity over all pairs across two of them is at least
    ``threshold``, the closest first; no two conflicting nodes ever share one.

    Parameters
    ----------
    edges
        The pairs of items with similarity >= ``threshold``, ``u < v``. Others need not be there:
        two groups whose mean reaches the threshold have such a pair between them.
    crossings
        ``(2, c)``: pairs of nodes, one of them a cluster at least, that may be that near.

    Notes
    -----
    Means are compared as exact fractions of integer sums. Memory: 4 bytes per item and dimension,
    of which a half is used at most.
    """
    ranked = np.argsort(nodes.order)
    source = np.concatenate((~np.arange(len(nodes.vectors)), np.arange(len(nodes.sums))))[ranked]
    counts = np.concatenate((np.ones(len(nodes.vectors), np.int64), nodes.sizes))[ranked]
    owners = nodes.owners[ranked]
    rows = len(nodes.sums) + len(nodes.vectors) // 2
    sums = np.empty((rows, nodes.sums.shape[1]), np.int32)
    sums[: len(nodes.sums)] = nodes.sums
    barred = _ranked(nodes.order, conflicts)
    banned = _keys(barred, len(nodes))
    free = _free_edges(nodes, edges, threshold, owners, banned)
    asked = np.setdiff1d(_keys(_ranked(nodes.order, crossings), len(nodes)), banned)
    none_known = np.zeros(len(asked), np.bool_)
    crossing = kernels.average_edges(
        asked, asked, none_known, nodes.vectors, sums, source, counts, owners, threshold
    )
    u, v = np.concatenate((free[0], crossing[0])), np.concatenate((free[1], crossing[1]))
    s = np.concatenate((free[2], crossing[2]))
    groups = kernels.average_link(
        nodes.vectors, sums, source, counts, owners, u, v, s, threshold, barred
    )
    row_of = np.empty(len(nodes), np.int64)
    row_of[ranked] = source
    return Grouping(ranked[groups][nodes.order], sums, row_of)


def _free_edges(
    nodes: Nodes,
    edges: Edges,
    threshold: int,
    owners: NDArray[np.int32],
    banned: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Return the edges between items that may share a group, as ranks."""
    u, v = _ranked(nodes.order, np.stack((edges.u, edges.v)))
    free = edges.similarity >= threshold
    if owners.any():
        free &= (owners[u] == 0) | (owners[v] == 0) | (owners[u] == owners[v])
    if len(banned):
        free &= ~np.isin(u * len(nodes) + v, banned)
    return u[free].astype(np.int32), v[free].astype(np.int32), edges.similarity[free]


def _ranked(order: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return pairs as canonical ranks, the smaller first."""
    ranks = order[pairs]
    return np.stack((ranks.min(axis=0), ranks.max(axis=0)))


def _keys(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    keys: NDArray[np.int64] = pairs[0] * count + pairs[1]
    return keys
