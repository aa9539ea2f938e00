"""Is our way of clustering better than others, on the same vectors and the same neighbours?

Every peer is given its best of a small grid of settings, chosen on the very labels that score it:
a privilege. Ours has none: its limits are calibrated on other samples.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clustering.graph import Graph, exact_graph
from benchmarks.clustering.limits import Scale, TimedSearch, calibrate, cluster_own
from benchmarks.clustering.peers import PEERS, Peer, Setting
from benchmarks.clustering.plot import Bar, plot_peers
from benchmarks.clustering.scores import Labels, figures, pairwise
from benchmarks.clustering.synthetic import Sample, faces
from benchmarks.result import report

OURS = "imm_ray"

_GOALS = {20_000: 0.97, 100_000: 0.95}
_QUICK_SIZE = 3_000
_NEIGHBOURS = 60
_PART = 12_000  # all pairs of 12,000 are 1.2 GB
_CALIBRATION_SEEDS = (1001, 1002, 1003)
_CALIBRATION_SIZE = 20_000
_OTHER_SEEDS = (1, 2)
# On the calibrated scale, the lowest first: its search answers all.
_ELSEWHERE = (-0.08, -0.04, -0.01, 0.01, 0.04, 0.08)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The clusters of one method, and what it took."""

    labels: Labels
    seconds: float
    of_part: bool = False
    """Of the part of the sample only."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else a reader must know: settings, privileges, limits."""


@dataclass(frozen=True, slots=True)
class Material:
    """What all methods are given."""

    sample: Sample
    seed: int
    graph: Graph
    graph_seconds: float
    part: Sample
    """As much as can be given to a method that compares all with all."""


def run(
    data: Path,
    *,
    quick: bool,
    out: Path,
    sizes: Sequence[int],
    seeds: Sequence[int],
) -> None:
    """Compare on every size and seed; ``data`` is not needed, the faces are synthetic."""
    if twice := set(seeds) & set(_CALIBRATION_SEEDS):
        raise SystemExit(f"seed {min(twice)} is one of the calibration: choose another")
    sizes = [min(size, _QUICK_SIZE) for size in sizes[:1]] if quick else sizes
    warm_up()
    count = min(_CALIBRATION_SIZE, max(sizes))
    scale = calibrate([faces(count, seed=seed) for seed in _CALIBRATION_SEEDS])
    report("clustering limits", seeds=_CALIBRATION_SEEDS, faces=count, **scale.figures())
    bars = [bar for size in sizes for seed in seeds for bar in compare(prepare(size, seed), scale)]
    plot_peers(bars, out / "clustering-peers.png")


def warm_up() -> None:
    """Load and compile everything, so that no method's time holds it."""
    material = prepare(200, 0)
    for peer in PEERS:
        if not peer.absent:
            cluster(peer, material, peer.settings[0])


def prepare(size: int, seed: int) -> Material:
    """Return a sample, its neighbours, and a part of it."""
    sample = faces(size, seed=seed)
    begun = time.perf_counter()
    graph = exact_graph(sample.vectors, min(_NEIGHBOURS, size - 1))
    seconds = time.perf_counter() - begun
    rows = np.random.default_rng(seed).permutation(size)[:_PART]
    part = Sample(sample.vectors[rows], sample.labels[rows])
    return Material(sample, seed, graph, seconds, part)


def compare(material: Material, scale: Scale) -> list[Bar]:
    """Report every method on one sample, and whether ours is ahead; return what to draw."""
    report(
        "clustering graph",
        size=len(material.sample),
        seed=material.seed,
        neighbours=material.graph.neighbours.shape[1],
        pairs=len(material.graph.pairs.u),
        seconds=round(material.graph_seconds, 2),
    )
    bars = [
        tell(method, material, outcome, ours=method.startswith(OURS))
        for method, outcome in outcomes(material, scale)
    ]
    whole = [bar for bar in bars if bar.items == bar.size]
    ours = next(bar for bar in whole if bar.ours)
    rival = max((bar for bar in whole if not bar.ours), key=lambda bar: bar.pairwise_f)
    report(
        "clustering verdict",
        size=len(material.sample),
        seed=material.seed,
        pairwise_f=ours.pairwise_f,
        goal=_GOALS.get(len(material.sample)),
        best_peer=rival.method,
        best_peer_pairwise_f=rival.pairwise_f,
        ahead=round(ours.pairwise_f - rival.pairwise_f, 4),
    )
    return bars


def outcomes(material: Material, scale: Scale) -> Iterator[tuple[str, Outcome]]:
    """Yield every method that can be run here; report the others as absent."""
    yield OURS, our_own(material.sample, scale)
    yield f"{OURS} (part)", replace(our_own(material.part, scale), of_part=True)
    for peer in PEERS:
        if peer.absent:
            facts = {"method": peer.name, "absent": peer.absent}
            report("clustering peers", size=len(material.sample), seed=material.seed, **facts)
        else:
            yield peer.name, best(peer, material)


def tell(method: str, material: Material, outcome: Outcome, *, ours: bool) -> Bar:
    """Report one method; return what to draw of it."""
    truth = (material.part if outcome.of_part else material.sample).labels
    found = figures(truth, outcome.labels)
    report(
        "clustering peers",
        size=len(material.sample),
        seed=material.seed,
        method=method,
        items=len(truth),
        **found,
        seconds=round(outcome.seconds, 3),
        **outcome.facts,
    )
    return Bar(
        method=method,
        size=len(material.sample),
        items=len(truth),
        pairwise_f=found["pairwise_f"],
        bcubed_f=found["bcubed_f"],
        ours=ours,
    )


def our_own(sample: Sample, scale: Scale) -> Outcome:
    """Return what our engine makes of a sample; its search is not in the seconds."""
    search = TimedSearch(sample.vectors)
    elsewhere = {}
    for by in _ELSEWHERE:
        found = cluster_own(search, scale.moved(by))
        elsewhere[round(scale.threshold + by, 3)] = round(pairwise(sample.labels, found).f, 4)
    searching = search.seconds
    labels, seconds = _timed(partial(cluster_own, search, scale))
    facts = {
        "privilege": f"none: limits calibrated on the seeds {_CALIBRATION_SEEDS}",
        "note": "the search of its own index is not in the seconds",
        "threshold": round(scale.threshold, 3),
        "pairwise_f_at_other_thresholds": elsewhere,
    }
    seconds -= search.seconds - searching
    return Outcome(labels=labels, seconds=seconds, facts=facts)


def best(peer: Peer, material: Material) -> Outcome:
    """Return the outcome of a peer's setting with the best pairwise F."""
    truth = (material.part if peer.on_vectors else material.sample).labels
    tried = []
    for setting in peer.settings:
        labels, seconds = _timed(partial(cluster, peer, material, setting))
        tried.append((pairwise(truth, labels).f, labels, seconds, setting))
    _, labels, seconds, setting = max(tried, key=lambda result: result[0])
    facts: dict[str, Any] = {
        "setting": setting,
        "privilege": f"best of {len(tried)} settings, chosen on these labels",
    }
    if peer.seeded:
        others = [cluster(peer, material, {**setting, "seed": seed}) for seed in _OTHER_SEEDS]
        facts["pairwise_f_of_other_seeds"] = [round(pairwise(truth, o).f, 4) for o in others]
    if peer.note:
        facts["note"] = peer.note
    return Outcome(labels=labels, seconds=seconds, of_part=peer.on_vectors, facts=facts)


def cluster(peer: Peer, material: Material, setting: Setting) -> Labels:
    """Return a peer's clusters under one setting."""
    return peer.cluster(material.part.vectors if peer.on_vectors else material.graph, **setting)


def _timed(work: Callable[[], Labels]) -> tuple[Labels, float]:
    begun = time.perf_counter()
    labels = work()
    return labels, time.perf_counter() - begun
