"""How well a partition fits, kept for each identity, so that resampling identities costs nothing.

A row holds one identity's parts of the sums that make the scores. Pairs of two identities that
share a cluster count half for each; under resampling their weight is the mean of the two
identities' weights, which leaves the sum over the whole sample exact.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.clustering.scores import Labels

Parts: TypeAlias = NDArray[np.float64]
"""Shape ``(identities, 6)``; see `parts`."""


class Interval(NamedTuple):
    """Where 95 % of the values lie when identities are drawn again with replacement."""

    low: float
    high: float


def parts(truth: Labels, found: Labels) -> Parts:
    """Return for each identity: right, true and made pairs, items, BCubed precision and recall."""
    _, rows, true_sizes = np.unique(truth, return_inverse=True, return_counts=True)
    _, columns, made_sizes = np.unique(found, return_inverse=True, return_counts=True)
    keys, cells = np.unique(rows * len(made_sizes) + columns, return_counts=True)
    identity, cluster = np.divmod(keys, len(made_sizes))
    right = cells * (cells - 1) / 2
    by_cell = (
        right,
        right + cells * (made_sizes[cluster] - cells) / 2,
        cells**2 / made_sizes[cluster],
        cells**2 / true_sizes[identity],
    )
    sums = [np.bincount(identity, weights, len(true_sizes)) for weights in by_cell]
    true = true_sizes * (true_sizes - 1) / 2
    return np.column_stack([sums[0], true, sums[1], true_sizes, sums[2], sums[3]])


def fit(totals: Parts) -> Parts:
    """Return pairwise F and BCubed F of sums of parts: last axis 6 in, 2 out."""
    right, true, made, items, precision, recall = np.moveaxis(totals, -1, 0)
    pairwise = np.where(true + made > 0, 2 * right / np.maximum(true + made, 1), 1.0)
    both = np.maximum(precision + recall, 1e-12)
    bcubed = 2 * precision * recall / both / np.maximum(items, 1)
    return np.stack([pairwise, bcubed], axis=-1)


def joint_fit(sets: Sequence[Parts]) -> Parts:
    """Return the mean fit over sets, each given as ``(..., identities, 6)``.

    Notes
    -----
    A set counts by the root of its number of identities: a large one does not silence the others,
    which show other places and cameras, and five people do not outvote five hundred.
    """
    weights = np.sqrt([parts.shape[-2] for parts in sets])
    fits = [fit(parts.sum(axis=-2)) for parts in sets]
    return np.asarray(np.average(np.stack(fits), axis=0, weights=weights))


def resampled(parts: Parts, *, count: int, seed: int) -> Parts:
    """Return the parts of ``count`` samples of identities drawn with replacement, in a new axis.

    In: ``(..., identities, 6)``. Out: ``(count, ..., identities, 6)``.
    """
    identities = parts.shape[-2]
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(identities, np.full(identities, 1 / identities), size=count)
    shape = (count, *([1] * (parts.ndim - 2)), identities, 1)
    return np.asarray(parts * drawn.reshape(shape))


def interval(values: NDArray[np.float64]) -> Interval:
    """Return the interval of values from many draws."""
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))
