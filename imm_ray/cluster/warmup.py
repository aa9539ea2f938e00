"""Compiles the numba kernels, or loads them from the cache, before the first run needs them."""

import numpy as np

from imm_ray.cluster.average import average_link
from imm_ray.cluster.complete import complete_link
from imm_ray.cluster.fixed import quantise, to_fixed
from imm_ray.cluster.graph import Edges
from imm_ray.cluster.kernels import connected, pair_similarities


def compile_kernels() -> None:
    """Run every kernel once on three items; seconds where no cache exists, else milliseconds."""
    vectors = quantise(np.array([[1, 0], [1, 0], [0.8, 0.6]], np.float16))
    u, v = np.array([0, 0, 1], np.int64), np.array([1, 2, 2], np.int64)
    edges = Edges(u, v, pair_similarities(vectors, u, v))
    order = np.arange(3)
    connected(3, u, v)
    complete_link(3, edges, order=order)
    barred = (np.array([0], np.int64), np.array([2], np.int64))
    average_link(vectors, edges, threshold=to_fixed(0.5), order=order, conflicts=barred)
