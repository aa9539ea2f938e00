"""From labelled samples to a calibration, and what speaks for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibrate.embedding import Kind, Sample
from benchmarks.calibrate.evidence import Parts, fit, interval, joint_fit, parts, resampled
from benchmarks.calibrate.linkage import Linkage, Near, Similarities, united
from benchmarks.clustering.scores import Labels
from imm_ray.embed.cards import Calibration, SecondPass

STEP = 0.01
"""Of thresholds, on the scale."""

_THRESHOLDS = tuple(round(step * STEP, 2) for step in range(30, 106))
_OFFSETS = (0.12, 0.15, 0.18)
_RULES: tuple[SecondPass | None, ...] = (
    None,
    *(SecondPass(slack=0.06, offset=offset, share=0.5, smallest=2) for offset in _OFFSETS),
)
"""Few on purpose: of 36 rules the best on one half of lfw_dev was no better on the other half."""
_REACH = 4
"""Thresholds to both sides over which a score is averaged: one lucky merge decides nothing."""
_DRAWS = 200
_LEAST_PAIRS = 30
_NEAR = 0.2
_LARGEST = 6000
"""Vectors of one sample whose pairs are all compared: 6000 take some 500 MB."""

Curves: TypeAlias = NDArray[np.float64]
"""Parts of all identities at each threshold and rule: ``(thresholds, rules, identities, 6)``."""


class Scale(NamedTuple):
    """The two cosines that make the scale."""

    different_mean: float
    same_mean: float

    def of(self, sample: Sample) -> Similarities:
        """Return all pairs of a sample on the scale."""
        vectors = sample.vectors.astype(np.float32)
        scaled = (vectors @ vectors.T - self.different_mean) / (
            self.same_mean - self.different_mean
        )
        return np.asarray(scaled, np.float32)


@dataclass(frozen=True, slots=True)
class Derived:
    """A calibration and the figures that speak for it, ready to be printed as JSON."""

    calibration: Calibration
    evidence: Mapping[str, Any]


def derive(samples: Sequence[Sample], kind: Kind) -> Derived:
    """Return the calibration that fits labelled samples best.

    Notes
    -----
    *Scale*: mean cosines of all pairs inside samples. *Threshold and second pass*: the best mean of
    pairwise F and BCubed F over the samples (`joint_fit`), averaged over neighbouring thresholds.
    *Margin*: how far the mean link of a face to a cluster moves when half of the cluster is left
    out (95 %). *Limit for one photo*: half way between the most alike strangers (all but one pair
    in a million) and copies of one picture (1 %). What 99 % of pictures saved again reach is only
    reported: exact duplicates are known by their vectors, others are similar by the threshold.

    Precision falls as a dataset grows: calibrate on sets of the size that you serve, if you can. Of
    a sample with more than 6000 vectors, identities drawn at random are used.

    Raises
    ------
    ValueError
        There are too few pairs, or the model does not tell the labels apart.
    """
    samples = [sample.at_most(_LARGEST) for sample in samples]
    pairs = [_Pairs.of(sample) for sample in samples]
    same = np.concatenate([pair.same for pair in pairs])
    different = np.concatenate([pair.different for pair in pairs])
    if min(len(same), len(different)) < _LEAST_PAIRS:
        raise ValueError(
            f"{len(same)} pairs of the same and {len(different)} of different labels are too few: "
            f"at least {_LEAST_PAIRS} of each are needed; give more pictures"
        )
    scale = Scale(*(round(float(values.mean()), 4) for values in (different, same)))
    if scale.different_mean >= scale.same_mean:
        raise ValueError(
            f"the mean cosine {scale.same_mean} of equal labels is not above {scale.different_mean}"
            " of different ones: the labels are wrong, or the model does not fit them"
        )
    rules = _RULES if kind == "face" else (None,)
    curves = [_curves(sample, scale, rules, kind) for sample in samples]
    best, rule = _best(joint_fit(curves))
    calibration = Calibration(
        different_mean=scale.different_mean,
        same_mean=scale.same_mean,
        threshold=_THRESHOLDS[best],
        second_pass=rules[rule],
        **_limits(samples, scale, kind, different=different, threshold=_THRESHOLDS[best]),
    )
    counts = {
        "sets": {
            sample.name: {
                "items": len(sample.labels),
                "missed": sample.missed,
                "identities": of_set.shape[2],
                "f": _rounded(fit(of_set[best, rule].sum(axis=0))),
            }
            for sample, of_set in zip(samples, curves, strict=True)
        },
        "pairs_same": len(same),
        "pairs_different": len(different),
        **_saved_again(samples),
    }
    return Derived(calibration, counts | _evidence(curves, best, rule))


def _saved_again(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the cosine that 99 % of the pictures reach with copies that were saved again."""
    saved = np.concatenate([sample.saved for sample in samples])
    return (
        {"saved_again_1_percent": round(float(np.quantile(saved, 0.01)), 4)} if len(saved) else {}
    )


def cluster(sample: Sample, calibration: Calibration, kind: Kind = "face") -> Labels:
    """Return the clusters that a calibration makes of a sample, by exact linkage."""
    similarities = Scale(calibration.different_mean, calibration.same_mean).of(sample)
    linkage = _linkage(similarities, kind)
    clusters = linkage.cut(calibration.threshold)
    rule = calibration.second_pass
    if rule is None:
        return clusters
    near = linkage.near(clusters, calibration.threshold - rule.slack)
    return united(clusters, [one for one in near if one.is_one(rule, calibration.threshold)])


class _Pairs(NamedTuple):
    same: NDArray[np.float32]
    different: NDArray[np.float32]

    @classmethod
    def of(cls, sample: Sample) -> "_Pairs":
        """Return the cosines of all pairs of a sample."""
        vectors = sample.vectors.astype(np.float32)
        upper = np.triu_indices(len(vectors), 1)
        cosines = (vectors @ vectors.T)[upper]
        identities = sample.identities()
        same = (identities[:, None] == identities)[upper]
        return cls(cosines[same], cosines[~same])


def _linkage(similarities: Similarities, kind: Kind) -> Linkage:
    return Linkage(similarities, "average" if kind == "face" else "complete")


def _curves(sample: Sample, scale: Scale, rules: Sequence[SecondPass | None], kind: Kind) -> Curves:
    linkage = _linkage(scale.of(sample), kind)
    truth = sample.identities()
    return np.stack([_at(linkage, truth, threshold, rules) for threshold in _THRESHOLDS])


def _at(
    linkage: Linkage, truth: Labels, threshold: float, rules: Sequence[SecondPass | None]
) -> Parts:
    """Return the parts under each rule; rules that unite the same pairs are scored once."""
    clusters = linkage.cut(threshold)
    widest = max((rule.slack for rule in rules if rule), default=None)
    near = [] if widest is None else linkage.near(clusters, threshold - widest)
    known: dict[tuple[int, ...], Parts] = {}
    found = []
    for rule in rules:
        chosen = () if rule is None else _chosen(near, rule, threshold)
        if chosen not in known:
            pairs = [near[position] for position in chosen]
            known[chosen] = parts(truth, united(clusters, pairs))
        found.append(known[chosen])
    return np.stack(found)


def _chosen(near: Sequence[Near], rule: SecondPass, threshold: float) -> tuple[int, ...]:
    return tuple(k for k, pair in enumerate(near) if pair.is_one(rule, threshold))


def _best(fits: Parts) -> tuple[int, int]:
    """Return threshold and rule of the best smoothed score: of equals no rule, and the middle."""
    smooth = _smoothed(fits.mean(axis=-1))
    rule = int(smooth.max(axis=0).argmax())
    return _middle_of_best(smooth[:, rule]), rule


def _middle_of_best(scores: NDArray[np.float64]) -> int:
    equals = np.flatnonzero(scores >= scores.max() - 1e-9)
    return int(equals[len(equals) // 2])


def _smoothed(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over ``_REACH`` thresholds to both sides, the nearer ones counting more."""
    padded = np.pad(scores, ((_REACH, _REACH), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _REACH + 1, axis=0)
    weights = _REACH + 1 - np.abs(np.arange(-_REACH, _REACH + 1))
    return np.asarray(np.average(windows, axis=-1, weights=weights))


def _limits(
    samples: Sequence[Sample],
    scale: Scale,
    kind: Kind,
    *,
    different: NDArray[np.float32],
    threshold: float,
) -> dict[str, float]:
    """Return the limits that need no clusters' scores."""
    if kind == "image":
        return {}
    mirrored = np.concatenate([sample.mirrored for sample in samples])
    strangers = float(np.quantile(different, 1 - 1e-6))
    copies = float(np.quantile(mirrored, 0.01)) if len(mirrored) else 1.0
    width = scale.same_mean - scale.different_mean
    same_photo = ((strangers + copies) / 2 - scale.different_mean) / width
    return {
        "same_photo": max(threshold, round(same_photo, 2)),
        "margin": _margin(samples, scale, threshold),
    }


def _margin(samples: Sequence[Sample], scale: Scale, threshold: float) -> float:
    """Return the margin from mean links near the threshold, or from all where none is near."""
    shifts = [shift for sample in samples for shift in _shifts(scale.of(sample), threshold)]
    if not shifts:
        return 0.0
    means, moved = np.concatenate(shifts, axis=1)
    near = np.abs(means - threshold) < _NEAR
    return round(float(np.quantile(moved[near] if near.any() else moved, 0.95)), 2)


def _shifts(similarities: Similarities, threshold: float) -> Iterator[NDArray[np.float32]]:
    """Yield mean links to a cluster, and how far they move when half of it is left out."""
    clusters = Linkage(similarities).cut(threshold)
    rng = np.random.default_rng(0)
    for number in np.flatnonzero(np.bincount(clusters) >= 4).tolist():
        outside = clusters != number
        members = rng.permutation(np.flatnonzero(~outside))
        links = similarities[np.ix_(outside, members)]
        means, half = links.mean(axis=1), links[:, : len(members) // 2].mean(axis=1)
        yield np.stack([means, np.abs(half - means)])


def _evidence(curves: Sequence[Curves], best: int, rule: int) -> dict[str, Any]:
    fits = joint_fit(curves)
    drawn = _drawn([of_set[:, rule] for of_set in curves])
    chosen = [_middle_of_best(_smoothed(scores[:, None].mean(axis=-1))[:, 0]) for scores in drawn]
    around = range(max(0, best - 1), min(len(_THRESHOLDS), best + 2))
    plain, _ = _best(fits[:, :1])
    return {
        "pairwise_f": round(float(fits[best, rule, 0]), 4),
        "bcubed_f": round(float(fits[best, rule, 1]), 4),
        "pairwise_f_95": _rounded(interval(drawn[:, best, 0])),
        "bcubed_f_95": _rounded(interval(drawn[:, best, 1])),
        "threshold_95": _rounded(interval(np.array(_THRESHOLDS)[chosen])),
        "around": {str(_THRESHOLDS[k]): _rounded(fits[k, rule]) for k in around},
        "without_second_pass": _rounded(fits[best, 0]),
        "best_without_second_pass": {str(_THRESHOLDS[plain]): _rounded(fits[plain, 0])},
    }


def _drawn(curves: Sequence[Parts]) -> NDArray[np.float64]:
    """Return the joint fit at each threshold when the identities of each set are drawn again."""
    rounds = [
        joint_fit([resampled(of_set, count=1, seed=seed)[0] for of_set in curves])
        for seed in range(_DRAWS)
    ]
    return np.stack(rounds)


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 4) for value in values]
