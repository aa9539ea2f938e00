"""Groups out of labels, and how alike their members are."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.clustering.scores import Labels
from imm_ray.cluster.fixed import FixedVectors


def groups_of(labels: Labels) -> list[NDArray[np.int64]]:
    """Return the members of every group of several."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return [part for part in parts if len(part) > 1]


def least_pair(vectors: FixedVectors) -> int:
    """Return the least similarity of any pair, in fixed point."""
    wide = vectors.astype(np.float64)  # exact: sums stay below 2**53
    return int((wide @ wide.T).min())
