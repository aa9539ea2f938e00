"""Vectors to cluster, and partitions to compare."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors
from imm_ray.cluster.graph import Edges
from imm_ray.model import Vectors

Partition = set[frozenset[int]]


def normalised(rows: NDArray[np.floating | np.integer]) -> Vectors:
    """Rows as stored vectors."""
    wide = rows.astype(np.float64)
    vectors: Vectors = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float16)
    return vectors


def crowd(seed: int, *, count: int, dimension: int, people: int, noise: float = 0.9) -> Vectors:
    """Vectors around ``people`` directions."""
    rng = np.random.default_rng(seed)
    centres = normalised(rng.normal(size=(people, dimension)))
    noise_rows = rng.normal(size=(count, dimension)) * noise / np.sqrt(dimension)
    return normalised(centres[rng.integers(0, people, count)] + noise_rows)


def similarities(fixed: FixedVectors) -> NDArray[np.int64]:
    """All pairs' similarities."""
    wide = fixed.astype(np.int64)
    return wide @ wide.T


def edges_of(matrix: NDArray[np.int64], threshold: int) -> Edges:
    """The pairs at or over ``threshold``."""
    u, v = np.nonzero(np.triu(matrix >= threshold, 1))
    return Edges(u, v, matrix[u, v])


def grouped(labels: NDArray[np.integer]) -> Partition:
    """The partition that labels stand for."""
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def partition(groups: Iterable[NDArray[np.int64]]) -> Partition:
    """The partition that arrays of items stand for."""
    return {frozenset(group.tolist()) for group in groups}
