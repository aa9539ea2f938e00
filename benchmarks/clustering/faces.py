"""How good are the people that the engine finds in real photos?

The limits are calibrated on small sets and on half of the identities of the large one; the other
half scores them. Five seeded splits, whole identities each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibrate.derive import STEP, cluster, derive
from benchmarks.calibrate.embedding import Embedding, Sample
from benchmarks.calibrate.labelled import Labelled, read_labelled
from benchmarks.clustering.scores import Labels, ari, bcubed, pairwise
from benchmarks.result import report
from imm_ray.cluster.batch import cluster_figures
from imm_ray.cluster.fixed import UNIT
from imm_ray.dataset.assembly import figure_limits
from imm_ray.embed.cards import Calibration, load_card
from imm_ray.index.exact import ExactIndex
from imm_ray.settings import Clustering

GOAL = 0.955

_MODEL = "dlib-resnet"
_LARGE = "lfw_dev"
_SMALL = ("bbt_dev", "dlib_johns_dev", "fr_examples_dev")
_GROUPS = "lfw_groups_dev"
_SPLITS = 5
_MIN_ENTITY_COUNT = 2
_CORE_QUALITY = Clustering().min_core_quality
_QUICK_IDENTITIES = 60
_ELSEWHERE = 12  # steps to both sides in which the best threshold is looked for
_NEVER = 2 * UNIT  # no two vectors are so alike


@dataclass(frozen=True, slots=True)
class Found:
    """The engine's people, and what a client sees of them."""

    people: Labels
    founded: Labels
    """A group with too few good faces to be a figure cluster falls apart."""


def run(data: Path, *, quick: bool, out: Path) -> None:
    """Report each split, the mean of all, each set with the card's limits, and one-photo rules.

    Nothing is drawn into ``out``.
    """
    embedding = Embedding("face", _MODEL)
    large = embedding.sample(_LARGE, _part(read_labelled(data / _LARGE), quick=quick))
    small = [embedding.sample(name, read_labelled(data / name)) for name in _SMALL]
    splits = [_score_split(large, small, seed) for seed in range(_SPLITS)]
    means = {key: round(float(np.mean([split[key] for split in splits])), 4) for key in splits[0]}
    reached = min(means["pairwise_f"], means["bcubed_f"]) >= GOAL
    report("clustering faces mean", splits=_SPLITS, goal=GOAL, reached=reached, **means)
    card = load_card(_MODEL).scale
    for sample in (large, *small):
        found = find_people(sample, card)
        report("clustering faces card", set=sample.name, **_scores(sample, found, card))
    _check_photos(large, embedding.sample(_GROUPS, read_labelled(data / _GROUPS)), card)


def find_people(sample: Sample, calibration: Calibration) -> Found:
    """Return what the engine finds, with the quality gate and the rule for one photo."""
    index = ExactIndex(sample.vectors.shape[1])
    index.add(np.arange(len(sample.vectors)), sample.vectors)
    people = cluster_figures(
        sample.vectors,
        limits=figure_limits(calibration),
        index=index,
        photos=sample.photos,
        core=sample.quality >= _CORE_QUALITY,
    )
    return Found(people, _founded(people, sample.good))


def _founded(people: Labels, good: NDArray[np.bool_]) -> Labels:
    counts = np.bincount(people, good)
    exists = counts >= _MIN_ENTITY_COUNT
    alone = len(counts) + np.arange(len(people))
    return np.where(exists[people], people, alone)


def _score_split(large: Sample, small: Sequence[Sample], seed: int) -> dict[str, float]:
    """Report one split; return its numbers that are averaged."""
    identities = large.identities()
    count = int(identities.max()) + 1
    chosen = np.random.default_rng(seed).permutation(count)[: count // 2]
    learns = np.isin(identities, chosen)
    calibration = derive([*small, large.part(learns)], "face").calibration
    sample = large.part(~learns)
    found = find_people(sample, calibration)
    figures = _scores(sample, found, calibration) | _around(sample, calibration)
    report("clustering faces split", seed=seed, **_limits(calibration), **figures)
    return {key: value for key, value in figures.items() if isinstance(value, float)}


def _scores(sample: Sample, found: Found, calibration: Calibration) -> dict[str, Any]:
    """Return how the people fit the labels: all of them, and those that a client is shown."""
    truth = sample.identities()
    exact = cluster(sample, calibration)
    return {
        "faces": len(truth),
        "identities": len(np.unique(truth)),
        "people": len(np.unique(found.people)),
        **_fit("", truth, found.people),
        **_fit("min_entity_count_", truth, found.founded),
        "ari_to_exact_linkage": round(ari(exact, found.people), 4),
    }


def _around(sample: Sample, calibration: Calibration) -> dict[str, float]:
    """Return the scores beside the threshold, without a second pass, and at the best threshold."""
    truth = sample.identities()
    plain = calibration.model_copy(update={"second_pass": None})
    more = _fit("no_second_pass_", truth, find_people(sample, plain).people)
    for name, by in (("lower_", -STEP), ("higher_", STEP)):
        more |= _fit(name, truth, find_people(sample, _moved(calibration, by)).people)
    moves = (np.arange(-_ELSEWHERE, _ELSEWHERE + 1) * STEP).tolist()
    found = [find_people(sample, _moved(calibration, by)).people for by in moves]
    fits = [_fit("best_threshold_", truth, people) for people in found]
    return more | max(fits, key=lambda scores: sum(scores.values()))


def _moved(calibration: Calibration, by: float) -> Calibration:
    threshold = calibration.threshold + by
    same_photo = max(calibration.same_photo, threshold)
    return calibration.model_copy(update={"threshold": threshold, "same_photo": same_photo})


def _fit(prefix: str, truth: Labels, found: Labels) -> dict[str, float]:
    return {
        f"{prefix}pairwise_f": round(pairwise(truth, found).f, 4),
        f"{prefix}bcubed_f": round(bcubed(truth, found).f, 4),
    }


def _limits(calibration: Calibration) -> dict[str, Any]:
    return {"calibration": calibration.model_dump()}


def _check_photos(large: Sample, groups: Sample, calibration: Calibration) -> None:
    """Report how often one person is twice in a photo, among faces that the card keeps apart."""
    photos = np.concatenate([large.photos, groups.photos + large.photos.max() + 1])
    both = replace(
        groups,
        labels=np.concatenate([large.labels, groups.labels]),
        vectors=np.concatenate([large.vectors, groups.vectors]),
        quality=np.concatenate([large.quality, groups.quality]),
        good=np.concatenate([large.good, groups.good]),
        photos=photos,
    )
    people = find_people(both, calibration).people
    first, second = np.triu_indices(len(photos), 1)
    twice = (photos[first] == photos[second]) & (people[first] == people[second])
    pairs = [both.vectors[rows[twice]].astype(np.float32) for rows in (first, second)]
    cosines = np.einsum("ij,ij->i", *pairs)
    soft = int((cosines >= calibration.cosine(calibration.same_photo)).sum())
    report(
        "clustering faces one photo",
        set=groups.name,
        photos=len(np.unique(groups.photos)),
        faces=len(groups.labels),
        together=len(people),
        twice_in_a_photo=int(twice.sum()) - soft,
        soft_passed=soft,
        **_fit("", both.identities(), people),
    )


def _part(labelled: list[Labelled], *, quick: bool) -> list[Labelled]:
    """Return all, or the faces of some identities, for a quick look."""
    if not quick:
        return labelled
    names = sorted({item.label for item in labelled})
    kept = set(names[:: max(1, len(names) // _QUICK_IDENTITIES)])
    return [item for item in labelled if item.label in kept]
