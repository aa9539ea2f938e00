"""Vectors to cluster, partitions to compare, and textbook clustering to compare them with."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors, to_fixed
from imm_ray.cluster.graph import Edges
from imm_ray.cluster.limits import FigureLimits
from imm_ray.model import Vectors

Partition = set[frozenset[int]]

NEVER = to_fixed(2.0)
"""No similarity reaches this."""

seeds = st.integers(0, 2**32 - 1)
rows = st.lists(st.integers(-1, 2), min_size=3, max_size=3).filter(any)
"""Few directions: full of ties and exact duplicates."""


def pools(count: int) -> st.SearchStrategy[Vectors]:
    """Vectors full of ties, or random ones of a few people."""
    lattice = st.lists(rows, min_size=count, max_size=count).map(lambda r: normalised(np.array(r)))
    random = seeds.map(lambda seed: crowd(seed, count=count, dimension=5, people=4, noise=0.8))
    return lattice | random


def figure_limits(
    *,
    threshold: float = 0.5,
    margin: float = 0.05,
    same_photo: float = 0.95,
    strong: float = 2.0,
    strong_share: float = 1.0,
    second_mean: float = 2.0,
    second_smallest: int = 1,
) -> FigureLimits:
    """Limits from cosines; without a second pass unless one is asked for."""
    return FigureLimits(
        threshold=to_fixed(threshold),
        margin=to_fixed(margin),
        same_photo=to_fixed(same_photo),
        strong=to_fixed(strong),
        strong_share=strong_share,
        second_mean=to_fixed(second_mean),
        second_smallest=second_smallest,
    )


def normalised(rows: NDArray[np.floating | np.integer]) -> Vectors:
    """Rows as stored vectors."""
    wide = rows.astype(np.float64)
    vectors: Vectors = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float16)
    return vectors


def at_angles(*degrees: float) -> Vectors:
    """Vectors in a plane."""
    radians = np.radians(degrees)
    return normalised(np.stack([np.cos(radians), np.sin(radians)], axis=1))


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
    return Edges(u.astype(np.int32), v.astype(np.int32), matrix[u, v])


def grouped(labels: NDArray[np.integer]) -> Partition:
    """The partition that labels stand for."""
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def partition(groups: Iterable[NDArray[np.int64]]) -> Partition:
    """The partition that arrays of items stand for."""
    return {frozenset(group.tolist()) for group in groups}


def ranks_of(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The canonical rank of each item: by content key, then by number."""
    ranks = np.empty(len(keys), np.int64)
    ranks[np.lexsort((np.arange(len(keys)), keys))] = np.arange(len(keys))
    return ranks


def textbook(
    matrix: NDArray[np.int64],
    threshold: int,
    *,
    groups: Sequence[Iterable[int]] | None = None,
    barred: Iterable[tuple[int, int]] = (),
    ranks: NDArray[np.int64] | None = None,
) -> Partition:
    """Average link by the book: merge the closest two groups, one pair at a time.

    Ties go to the group with the smaller canonical rank, then to its partner's. Groups with a
    barred pair between them never merge.
    """
    order = np.arange(len(matrix)) if ranks is None else ranks
    named = {
        min(order[list(g)].tolist()): frozenset(g)
        for g in groups or [[i] for i in range(len(matrix))]
    }
    pairs = {frozenset(pair) for pair in barred}
    means: dict[tuple[int, int], Fraction] = {}

    def compare(a: int, b: int) -> None:
        x, y = named[a], named[b]
        if any(frozenset((i, j)) in pairs for i in x for j in y):
            return
        mean = Fraction(int(matrix[np.ix_(list(x), list(y))].sum()), len(x) * len(y))
        if mean >= threshold:
            means[min(a, b), max(a, b)] = mean

    for a, b in combinations(named, 2):
        compare(a, b)
    while means:
        a, b = min(means, key=lambda pair: (-means[pair], pair))
        means = {pair: mean for pair, mean in means.items() if not {a, b} & set(pair)}
        named[a] |= named.pop(b)
        for c in named.keys() - {a}:
            compare(a, c)
    return set(named.values())
