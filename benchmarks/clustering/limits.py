"""The engine's limits for synthetic faces, calibrated on other samples than those measured."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from benchmarks.clustering.scores import Labels, pairwise
from benchmarks.clustering.synthetic import Sample
from imm_ray.cluster.batch import cluster_figures
from imm_ray.cluster.fixed import to_fixed
from imm_ray.cluster.limits import FigureLimits
from imm_ray.index.candidates import Candidates
from imm_ray.index.flat import FaissFlatIndex
from imm_ray.model import Vectors

_PAIRS = 200_000

# All on the scale.
_COARSE = (-0.2, -0.1, 0.0, 0.1, 0.2)  # the lowest first: its search answers all
_FINE = (-0.08, -0.06, -0.04, -0.02, 0.0, 0.02, 0.04, 0.06, 0.08)
_FINEST = (-0.01, 0.0, 0.01)
# Second passes to try: how far over the threshold, share of the faces, how far below the mean.
_SECOND = ((0.2, 0.35, 0.1), (0.3, 0.35, 0.1), (0.3, 0.5, 0.05))
_MARGIN = 0.09  # only incremental runs look at it
_SAME_PHOTO = 1.5  # every face is in a photo of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Limits on the scale where 0 is the mean of different people and 1 that of one person."""

    different_mean: float
    same_mean: float
    threshold: float
    strong: float
    strong_share: float
    second_mean: float
    second_smallest: int = 2

    def figure_limits(self) -> FigureLimits:
        """Return the limits as the engine takes them."""
        return FigureLimits(
            threshold=self._fixed(self.threshold),
            margin=self._fixed(_MARGIN) - self._fixed(0),
            same_photo=self._fixed(max(_SAME_PHOTO, self.threshold)),
            strong=self._fixed(self.strong),
            strong_share=self.strong_share,
            second_mean=self._fixed(self.second_mean),
            second_smallest=self.second_smallest,
        )

    def moved(self, by: float) -> "Scale":
        """Return the same limits with the threshold, and what hangs on it, moved."""
        return replace(
            self,
            threshold=self.threshold + by,
            strong=self.strong + by,
            second_mean=self.second_mean + by,
        )

    def figures(self) -> dict[str, float | int]:
        """Return the numbers for a report."""
        return {name: round(value, 4) for name, value in asdict(self).items()}

    def _fixed(self, scaled: float) -> int:
        return to_fixed(self.different_mean + scaled * (self.same_mean - self.different_mean))


class TimedSearch:
    """An exact index of a sample that counts its seconds and answers a second time from memory."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.seconds = 0.0
        self._index = FaissFlatIndex(vectors.shape[1])
        self._index.add(np.arange(len(vectors)), vectors)
        self._answers: dict[bytes, tuple[float, Candidates]] = {}

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return every stored item at ``cosine`` or nearer to each query."""
        begun = time.perf_counter()
        key = blake2b(vectors.tobytes()).digest()
        least, found = self._answers.get(key, (math.inf, None))
        if found is None or least > cosine:
            found = self._index.within(vectors, cosine)
            self._answers[key] = (cosine, found)
        near = found.cosines >= np.float32(cosine)
        answer = Candidates(found.query_rows[near], found.slots[near], found.cosines[near])
        self.seconds += time.perf_counter() - begun
        return answer


def cluster_own(search: TimedSearch, scale: Scale) -> Labels:
    """Return the people that our engine finds in the vectors of ``search``."""
    limits = scale.figure_limits()
    labels: Labels = cluster_figures(search.vectors, limits=limits, index=search)
    return labels


def calibrate(samples: Sequence[Sample]) -> Scale:
    """Return the limits that give the best mean pairwise F over ``samples``.

    First the threshold, without a second pass: coarse, then finer. Then the second pass at that
    threshold, if it helps.
    """
    searches = [(sample.labels, TimedSearch(sample.vectors)) for sample in samples]

    def mean_f(scale: Scale) -> float:
        return float(np.mean([pairwise(labels, cluster_own(s, scale)).f for labels, s in searches]))

    means = np.mean([mean_cosines(sample, np.random.default_rng(0)) for sample in samples], axis=0)
    alone = Scale(
        different_mean=float(means[0]),
        same_mean=float(means[1]),
        threshold=0.6,
        strong=4.0,  # nothing is as near as that: no second pass
        strong_share=1.0,
        second_mean=0.6,
    )
    once = alone
    for steps in (_COARSE, _FINE, _FINEST):
        once = max(map(once.moved, steps), key=mean_f)
    second = (
        replace(
            once,
            strong=once.threshold + offset,
            strong_share=share,
            second_mean=once.threshold - slack,
        )
        for offset, share, slack in _SECOND
    )
    return max([once, *second], key=mean_f)


def mean_cosines(sample: Sample, rng: np.random.Generator) -> tuple[float, float]:
    """Return the mean cosine of two items of different labels, and of two of one label."""
    labels, count = sample.labels, len(sample)
    u, v = rng.integers(0, count, (2, _PAIRS))
    apart = labels[u] != labels[v]
    different = _mean_cosine(sample, u[apart], v[apart])
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[u])
    sizes = np.searchsorted(labels[order], labels[u], side="right") - starts
    v = order[starts + (rng.random(_PAIRS) * sizes).astype(np.int64)]
    return different, _mean_cosine(sample, u[u != v], v[u != v])


def _mean_cosine(sample: Sample, u: Labels, v: Labels) -> float:
    total = 0.0
    for part in np.array_split(np.arange(len(u)), 20):
        left: NDArray[np.float32] = sample.vectors[u[part]].astype(np.float32)
        total += float(np.einsum("ij,ij->", left, sample.vectors[v[part]].astype(np.float32)))
    return total / len(u)
