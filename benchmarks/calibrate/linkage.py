"""Partitions of a sample by exact linkage over all pairs, with a second pass over their clusters.

The reference that limits are chosen with: every pair is compared, so it takes samples of up to a
few thousand vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from benchmarks.clustering.scores import Labels
from imm_ray.embed.cards import SecondPass

Similarities: TypeAlias = NDArray[np.float32]
"""All pairs of a sample, on the calibrated scale: shape ``(n, n)``."""


@dataclass(frozen=True, slots=True)
class Near:
    """Two clusters, and what the second pass looks at."""

    smaller: int
    larger: int
    size: int
    """Of the smaller one."""
    mean: float
    best: Similarities
    """The greatest similarity of each of the smaller one's members to one of the larger's."""

    def is_one(self, rule: SecondPass, threshold: float) -> bool:
        """Whether the rule calls the two one person."""
        strong = int(np.count_nonzero(self.best >= threshold + rule.offset))
        return (
            self.size >= rule.smallest
            and self.mean >= threshold - rule.slack
            and strong >= rule.share * self.size
        )


class Linkage:
    """All partitions of a sample.

    Parameters
    ----------
    similarities
        On the calibrated scale.
    method
        ``average`` for faces, ``complete`` for pictures.
    """

    def __init__(
        self, similarities: Similarities, method: Literal["average", "complete"] = "average"
    ) -> None:
        self._similarities = similarities
        self._top = float(similarities.max(initial=0)) + 1
        distances = self._top - (similarities + similarities.T) / 2
        np.fill_diagonal(distances, 0)
        condensed = squareform(distances, checks=False)
        self._tree = linkage(condensed, method) if len(similarities) > 1 else None

    def cut(self, threshold: float) -> Labels:
        """Return the clusters, numbered from 0, whose members link at ``threshold`` or over."""
        if self._tree is None:
            return np.zeros(len(self._similarities), np.int64)
        found = fcluster(self._tree, self._top - threshold, "distance")
        return np.asarray(found, np.int64) - 1

    def near(self, clusters: Labels, least: float) -> list[Near]:
        """Return all pairs of clusters with a mean similarity of ``least`` or over."""
        sizes = np.bincount(clusters)
        members = np.split(np.argsort(clusters, kind="stable"), np.cumsum(sizes)[:-1])
        starts = np.cumsum(sizes) - sizes
        columns = self._similarities[:, np.concatenate(members)]
        best = np.maximum.reduceat(columns, starts, axis=1)
        sums = np.add.reduceat(columns, starts, axis=1)
        means = np.stack([sums[rows].mean(axis=0) for rows in members]) / sizes
        pairs = np.argwhere(np.triu(means >= least, 1))
        swapped = np.where((sizes[pairs[:, :1]] > sizes[pairs[:, 1:]]), pairs[:, ::-1], pairs)
        return [
            Near(a, b, int(sizes[a]), float(means[a, b]), best[members[a], b])
            for a, b in swapped.tolist()
        ]


def united(clusters: Labels, pairs: Sequence[Near]) -> Labels:
    """Return the clusters after pairs that are each other's best by mean have become one."""
    best: dict[int, tuple[float, int]] = {}
    for pair in pairs:
        for one, other in ((pair.smaller, pair.larger), (pair.larger, pair.smaller)):
            best[one] = max(best.get(one, (-np.inf, -1)), (pair.mean, -other))
    into = np.arange(clusters.max(initial=-1) + 1)
    for one, (_, other) in best.items():
        if -best[-other][1] == one:
            into[max(one, -other)] = min(one, -other)
    return into[clusters]
