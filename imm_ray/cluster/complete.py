"""Complete link: groups of similar images in which every pair is alike."""

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster import kernels
from imm_ray.cluster.graph import Edges


def complete_link(count: int, edges: Edges, *, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the group of each of ``count`` items, named by its first item in canonical order.

    Groups merge, the closest first by their least similar pair, while every pair across two of them
    is in ``edges``: the pairs at or over the threshold. So groups never chain.

    Parameters
    ----------
    order
        The canonical rank of each item: a permutation of ``0 .. n-1`` that depends on contents
        only.

    Notes
    -----
    No vectors are needed: a pair that is missing is below the threshold, and the groups on its two
    sides can never merge.
    """
    items = np.argsort(order)
    ranks = order.astype(np.int32)
    u, v = ranks[edges.u], ranks[edges.v]
    groups = kernels.complete_link(count, np.minimum(u, v), np.maximum(u, v), edges.similarity)
    labels: NDArray[np.int64] = items[groups][order]
    return labels
