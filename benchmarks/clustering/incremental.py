"""Does a stream of deltas come to what clustering everything at once comes to?

Faces and pictures come in three random orders, in deltas, with the flat tier; then consolidation.
With the inverted lists of the ivf tier the result is compared with the exact one.
"""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.clustering.groups import groups_of, least_pair
from benchmarks.clustering.limits import TimedSearch, calibrate, cluster_own
from benchmarks.clustering.scores import Labels, ari, pairwise
from benchmarks.clustering.streams import shuffled
from benchmarks.clustering.synthetic import Sample, faces, images
from benchmarks.result import report
from imm_ray.cluster.content import content_keys
from imm_ray.cluster.figures import FigureClusterer
from imm_ray.cluster.fixed import quantise, to_fixed
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.newcomers import Newcomers
from imm_ray.cluster.run import Run
from imm_ray.cluster.similar import SimilarClusterer
from imm_ray.index import VectorIndex, open_index
from imm_ray.settings import Index

_SEED, _CALIBRATION_SEED = 1, 1001
_ORDERS = 3
_IMAGE_LIMIT = 0.9
"""Of the synthetic pictures, whose near-duplicates are made around .95."""


def run(data: Path, *, quick: bool, out: Path) -> None:
    size, delta = (3_000, 300) if quick else (20_000, 1_000)
    scale = calibrate([faces(3_000, seed=_CALIBRATION_SEED)])
    sample = faces(size, seed=_SEED)
    batch = cluster_own(TimedSearch(sample.vectors), scale)
    streams = []
    for seed in range(_ORDERS):
        order = shuffled(size, seed)
        streams.append(_stream_faces(sample, order, delta, scale.figure_limits(), Index()))
        before, after, figures = streams[-1]
        report(
            "clustering incremental figures",
            faces=size,
            delta=delta,
            order=seed,
            ari_without_consolidation=ari(batch, before),
            ari_with_consolidation=ari(batch, after),
            **figures,
            batch_f=pairwise(sample.labels, batch).f,
            incremental_f=pairwise(sample.labels, before).f,
        )
    report(
        "clustering incremental figures, orders among each other",
        ari=[round(ari(streams[0][0], other[0]), 5) for other in streams[1:]],
        ari_consolidated=[round(ari(streams[0][1], other[1]), 5) for other in streams[1:]],
    )
    _measure_lists(sample, batch, delta, scale.figure_limits())
    _measure_images(images(size, seed=_SEED), delta)


def _measure_lists(sample: Sample, batch: Labels, delta: int, limits: FigureLimits) -> None:
    settings = Index(ivf_from=len(sample) // 4)
    before, after, figures = _stream_faces(
        sample, shuffled(len(sample), 0), delta, limits, settings
    )
    report(
        "clustering incremental figures, ivf against exact",
        faces=len(sample),
        ari_without_consolidation=ari(batch, before),
        ari_with_consolidation=ari(batch, after),
        **figures,
    )


def _stream_faces(
    sample: Sample, order: NDArray[np.int64], delta: int, limits: FigureLimits, settings: Index
) -> tuple[Labels, Labels, dict[str, object]]:
    """Return the people after the last delta and after a consolidation, and facts of the stream."""
    fixed = quantise(sample.vectors)
    clusterer = FigureClusterer(limits, dimension=fixed.shape[1], fixed=lambda slots: fixed[slots])
    index = open_index(settings, fixed.shape[1], cosine=clusterer.search_cosine)
    labels = np.full(len(sample), -1, np.int64)
    reopened = 0
    for start in range(0, len(order), delta):
        slots = np.sort(order[start : start + delta])
        _insert(
            clusterer,
            index,
            sample,
            fixed_keys=content_keys(fixed[slots]),
            slots=slots,
            ivf_from=settings.ivf_from,
        )
        done = clusterer.run()
        reopened += done.work.items_reopened
        _label(labels, done)
    before = labels.copy()
    last = clusterer.consolidate()
    _label(labels, last)
    told = index.report()
    return (
        before,
        labels,
        {
            "drift": last.work.drift,
            "moved": last.work.items_moved,
            "reopened_per_face": round(reopened / len(order), 2),
            "lists_at_cap": round(clusterer.capped_lists / len(order), 4),
            "tier": told.tier,
            "recall": told.recall,
        },
    )


def _measure_images(sample: Sample, delta: int) -> None:
    fixed = quantise(sample.vectors)
    streams = []
    for seed in range(_ORDERS):
        order = shuffled(len(sample), seed)
        streams.append(_stream_images(sample, order, delta))
    batch = _stream_images(sample, shuffled(len(sample), 0), len(sample))
    report(
        "clustering incremental similar images",
        images=len(sample),
        delta=delta,
        ari=[ari(batch, stream) for stream in streams],
        groups_with_a_pair_below_the_limit=sum(
            least_pair(fixed[members]) < to_fixed(_IMAGE_LIMIT) for members in groups_of(streams[0])
        ),
    )


def _stream_images(sample: Sample, order: NDArray[np.int64], delta: int) -> Labels:
    fixed = quantise(sample.vectors)
    clusterer = SimilarClusterer(
        to_fixed(_IMAGE_LIMIT), dimension=fixed.shape[1], fixed=lambda slots: fixed[slots]
    )
    index = open_index(Index(), fixed.shape[1], cosine=clusterer.search_cosine)
    labels = np.full(len(sample), -1, np.int64)
    for start in range(0, len(order), delta):
        slots = np.sort(order[start : start + delta])
        _insert(
            clusterer,
            index,
            sample,
            fixed_keys=content_keys(fixed[slots]),
            slots=slots,
            ivf_from=Index().ivf_from,
        )
        _label(labels, clusterer.run())
    return labels


def _insert(
    clusterer: FigureClusterer | SimilarClusterer,
    index: VectorIndex,
    sample: Sample,
    *,
    fixed_keys: NDArray[np.uint64],
    slots: NDArray[np.int64],
    ivf_from: int,
) -> None:
    index.add(slots, sample.vectors[slots])
    # A thread trains the lists; without waiting for it this would measure the flat tier.
    while index.tend() or (len(index) > ivf_from and index.report().tier != "ivf"):
        time.sleep(0.01)
    found = index.within(sample.vectors[slots], clusterer.search_cosine)
    core, alone = np.ones(len(slots), np.bool_), np.full(len(slots), -1, np.int64)
    clusterer.insert(Newcomers(slots, fixed_keys, core, alone), found)


def _label(labels: Labels, done: Run) -> None:
    for group in done.groups:
        labels[group.slots] = group.slots[0]
