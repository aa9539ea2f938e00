"""Do groups of similar images chain, and do identical ones stay cheap?

Peers are given the same pairs at or over the limit.
"""

import time
from pathlib import Path

import numpy as np

from benchmarks.clustering.graph import exact_graph
from benchmarks.clustering.groups import groups_of, least_pair
from benchmarks.clustering.peers import components, dbscan
from benchmarks.clustering.scores import Labels, figures
from benchmarks.clustering.streams import items
from benchmarks.clustering.synthetic import Sample, images
from benchmarks.result import report
from imm_ray.cluster.complete import complete_link
from imm_ray.cluster.duplicates import Duplicates
from imm_ray.cluster.fixed import fixed_of, quantise, to_fixed
from imm_ray.cluster.graph import Edges
from imm_ray.cluster.similar import SimilarClusterer
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.places import GroupRule
from imm_ray.index import open_index
from imm_ray.model import ClusterId
from imm_ray.settings import Index

_LIMIT = 0.9
_SEED = 1


def run(data: Path, *, quick: bool, out: Path) -> None:
    sample = images(3_000 if quick else 20_000, seed=_SEED)
    graph = exact_graph(sample.vectors, 60)
    ours = _complete(sample)
    _tell("complete link (ours)", sample, ours)
    _tell("connected components", sample, components(graph, least=_LIMIT))
    _tell("DBSCAN", sample, dbscan(graph, least=_LIMIT, min_points=2))
    for count in (1_000, 10_000):
        _copies(count)


def _tell(method: str, sample: Sample, labels: Labels) -> None:
    fixed = quantise(sample.vectors)
    worst = [least_pair(fixed[members]) for members in groups_of(labels)]
    report(
        "clustering similar images",
        method=method,
        images=len(sample),
        limit=_LIMIT,
        groups=len(worst),
        groups_with_a_pair_below_the_limit=sum(least < to_fixed(_LIMIT) for least in worst),
        worst_pair=round(min(worst, default=to_fixed(1)) / to_fixed(1), 4),
        **figures(sample.labels, labels),
    )


def _complete(sample: Sample) -> Labels:
    fixed = quantise(sample.vectors).astype(np.float64)
    u, v, s = [], [], []
    for start in range(0, len(fixed), 1_000):
        block = fixed[start : start + 1_000] @ fixed.T  # exact: sums stay below 2**53
        rows, columns = np.nonzero(block >= to_fixed(_LIMIT))
        once = rows + start < columns
        u.append(rows[once] + start)
        v.append(columns[once])
        s.append(block[rows[once], columns[once]])
    ends = [np.concatenate(part).astype(np.int32) for part in (u, v)]
    edges = Edges(ends[0], ends[1], np.concatenate(s).astype(np.int64))
    return complete_link(len(fixed), edges, order=np.arange(len(fixed)))


def _copies(count: int) -> None:
    """Measure one picture stored many times."""
    vector = images(1, seed=_SEED).vectors
    clusterer_of = _collection(vector.shape[1])
    begun = time.perf_counter()
    clusterer_of.put(items(np.repeat(vector, count, axis=0), first=0, seq=1))
    plan = clusterer_of.plan(1)
    report(
        "clustering identical images",
        copies=count,
        groups=len(plan.clusters),
        pairs_compared=plan.ledger["distances_computed"],
        seconds=round(time.perf_counter() - begun, 2),
    )


def _collection(dimension: int) -> Collection:
    threshold = to_fixed(_LIMIT)
    index = open_index(Index(), dimension, cosine=_LIMIT)
    clusterer = SimilarClusterer(
        threshold, dimension=dimension, fixed=lambda slots: fixed_of(index.wide(slots))
    )
    rule = GroupRule(
        mint=lambda: ClusterId("SimilarImageCluster-1"),
        smallest=2,
        good_to_found=2,
        confidence=lambda cosine: cosine,
    )
    return Collection(index, clusterer, Duplicates(), rule)
