"""Average link: groups of figures, and which two faces of one photo can not be one person."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster import kernels
from imm_ray.cluster.fixed import FixedVectors
from imm_ray.cluster.graph import Edges

Conflicts: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Pairs of items that must not share a group: positions, each pair once."""


def average_link(
    vectors: FixedVectors,
    edges: Edges,
    *,
    threshold: int,
    order: NDArray[np.int64],
    conflicts: Conflicts | None = None,
) -> NDArray[np.int64]:
    """Return each item's group, named by its first item in canonical order.

    Groups merge while the mean similarity over all pairs across two of them is at least
    ``threshold``, the closest first; no two conflicting items ever share one.

    Parameters
    ----------
    edges
        All pairs with similarity >= ``threshold``; others need not be there, since two groups whose
        mean reaches the threshold have such a pair between them.
    order
        The canonical rank of each item: a permutation of ``0 .. n-1`` that depends on contents
        only.

    Notes
    -----
    Means are compared as exact fractions of integer sums. Memory: 8 bytes per item and dimension.
    """
    items = np.argsort(order)
    sums = vectors[items].astype(np.int64)
    barred = np.array(_ranked(order, *(conflicts or (items[:0], items[:0]))), np.int64)
    u, v = _ranked(order, edges.u, edges.v)
    free = edges.similarity >= threshold
    free &= ~np.isin(u * len(items) + v, barred[0] * len(items) + barred[1])
    groups = kernels.average_link(sums, u[free], v[free], edges.similarity[free], threshold, barred)
    labels: NDArray[np.int64] = items[groups][order]
    return labels


def photo_conflicts(photos: NDArray[np.int64], edges: Edges, *, same_photo: int) -> Conflicts:
    """Return the pairs of items in one photo that are two people.

    They are, unless they look alike to at least ``same_photo``: a mirror, a collage, a picture in
    the picture. ``edges`` must hold all pairs at or over that limit.
    """
    order = np.argsort(photos, kind="stable")
    cuts = np.flatnonzero(np.diff(photos[order])) + 1
    crowds = [crowd for crowd in np.split(order, cuts) if len(crowd) > 1]
    pairs = [crowd[np.array(np.triu_indices(len(crowd), 1))] for crowd in crowds]
    u, v = np.concatenate([np.empty((2, 0), np.int64), *pairs], axis=1)
    alike = edges.similarity >= same_photo
    low, high = np.minimum(edges.u, edges.v)[alike], np.maximum(edges.u, edges.v)[alike]
    different = ~np.isin(u * len(photos) + v, low * len(photos) + high)
    return u[different], v[different]


def _ranked(order: NDArray[np.int64], u: NDArray[np.int64], v: NDArray[np.int64]) -> Conflicts:
    """Return pairs as canonical ranks, the smaller first."""
    return np.minimum(order[u], order[v]), np.maximum(order[u], order[v])
