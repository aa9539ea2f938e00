"""Finds the centroids of an inverted-file index."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Slots, Wide
from imm_ray.index.ivf import IvfIndex, compile_kernels
from imm_ray.index.products import nearest_rows
from imm_ray.index.recall import RecallCurve
from imm_ray.model import Vectors

SAMPLE_PER_LIST = 32
_ROUNDS = 6
_PRODUCTS_AT_ONCE = 2**30  # multiply-adds between two looks at the stop sign: some 30 ms
_QUERIES = 256


class TrainingStopped(Exception):
    """The index was closed while it trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The outcome of a training."""

    centroids: Wide
    curve: RecallCurve
    """Measured on the sample: what to expect of the stored vectors."""


def lists_for(count: int) -> int:
    """Return how many lists suit ``count`` vectors: some ``4 * sqrt(count)``, a power of two.

    >>> lists_for(300_000), lists_for(1_000_000), lists_for(10)
    (2048, 4096, 1)
    """
    wanted = 1 << round(math.log2(4 * math.sqrt(count)))
    return max(1, min(wanted, count // 8))


def train(sample: Vectors, lists: int, *, cosine: float, stop: Event, threads: int = 1) -> Trained:
    """Return centroids for ``lists`` lists by spherical k-means on a sample of the vectors.

    Raises
    ------
    TrainingStopped
        ``stop`` was set; it is looked at some thirty times a second.
    ValueError
        The sample has fewer vectors than there shall be lists.

    Notes
    -----
    The start is a seeded choice of sample vectors; the same sample gives the same centroids. FAISS
    compares; the rounds are here because FAISS's own k-means cannot be stopped for seconds on end,
    and wants the whole sample as float32.
    """
    if len(sample) < lists:
        raise ValueError(f"{len(sample)} vectors cannot make {lists} lists: sample more")
    compile_kernels()
    random = np.random.default_rng(0)
    chosen = np.sort(random.permutation(len(sample))[:lists])
    centroids = sample[chosen].astype(np.float32)
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    for _ in range(_ROUNDS):
        sums = np.zeros_like(centroids)
        for _, wide in _chunks(sample, lists, stop):
            _gather(sums, wide, _nearest(wide, centroids, threads))
        centroids = _unit(sums, sample, random)
    return Trained(
        centroids=centroids,
        curve=_expected(sample, centroids, cosine=cosine, stop=stop, threads=threads),
    )


def _expected(
    sample: Vectors, centroids: Wide, *, cosine: float, stop: Event, threads: int
) -> RecallCurve:
    """Return the recall curve over the sample."""
    numbers: Slots = np.arange(len(sample))
    own = np.sort(np.random.default_rng(1).permutation(numbers)[:_QUERIES])
    queries = sample[own].astype(np.float32)
    ranks = IvfIndex(centroids, probes=1, threads=threads).ranks(queries)
    curve = RecallCurve(queries, own, ranks, cosine=cosine, threads=threads)
    for some, wide in _chunks(sample, len(centroids), stop):
        curve.count(wide, numbers[some], _nearest(wide, centroids, threads))
    return curve


def _chunks(sample: Vectors, lists: int, stop: Event) -> Iterator[tuple[slice, Wide]]:
    step = max(64, _PRODUCTS_AT_ONCE // (lists * sample.shape[1]))
    for start in range(0, len(sample), step):
        if stop.is_set():
            raise TrainingStopped
        some = slice(start, min(len(sample), start + step))
        yield some, sample[some].astype(np.float32)


def _nearest(wide: Wide, centroids: Wide, threads: int) -> NDArray[np.int64]:
    return nearest_rows(wide, centroids, 1, threads=threads)[1].ravel()


def _gather(sums: Wide, wide: Wide, lists: NDArray[np.int64]) -> None:
    """Add every vector to the sum of its list."""
    order = np.argsort(lists, kind="stable")
    present, starts = np.unique(lists[order], return_index=True)
    sums[present] += np.add.reduceat(wide[order], starts, axis=0)


def _unit(sums: Wide, sample: Vectors, random: np.random.Generator) -> Wide:
    """Return the directions of the sums; a list that nothing chose starts anew somewhere."""
    empty = np.flatnonzero(np.linalg.norm(sums, axis=1) == 0)
    sums[empty] = sample[random.integers(0, len(sample), len(empty))]
    directions: Wide = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return directions
