"""Other ways to cluster, each on the same exact neighbour graph or the same vectors.

Items that a method leaves out are clusters of one.
"""

import importlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse.csgraph import connected_components

from benchmarks.clustering.graph import Graph, Pairs
from benchmarks.clustering.kernels import recognise, whisper
from benchmarks.clustering.scores import Labels
from imm_ray.model import Vectors

Setting: TypeAlias = Mapping[str, Any]
"""Named parameters of one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A method, and the settings of which the labels choose the best."""

    name: str
    cluster: Callable[..., Labels]
    """Takes a `Graph` (or the vectors, see ``on_vectors``) and a setting's parameters."""
    grid: Mapping[str, Sequence[Any]]
    needs: str | None = None
    """A module that the method comes from and that may not be installed."""
    on_vectors: bool = False
    """Compares all vectors with all, so that only a part of a large sample can be given to it."""
    seeded: bool = False
    """Has a ``seed``: its result depends on a random order."""
    note: str = ""

    @property
    def settings(self) -> list[Setting]:
        """Every combination of the grid's values."""
        return [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]

    @property
    def absent(self) -> str | None:
        """Why the method can not be run here, if so."""
        if self.needs is None or find_spec(self.needs) is not None:
            return None
        return f"{self.needs} is not installed: pip install 'imm-ray[bench]'"


def components(graph: Graph, *, least: float) -> Labels:
    """Return connected components over the pairs at ``least`` or over."""
    return _components(graph.pairs.over(least))


def dbscan(graph: Graph, *, least: float, min_points: int) -> Labels:
    """Return DBSCAN's clusters with the radius ``least``.

    Items with ``min_points`` within the radius, themselves included, are cores; neighbouring cores
    are one cluster; an item that is none goes to its nearest core.
    """
    pairs = graph.pairs.over(least)
    degrees = np.bincount(pairs.u, minlength=len(graph)) + np.bincount(
        pairs.v, minlength=len(graph)
    )
    core = degrees + 1 >= min_points
    inner = core[pairs.u] & core[pairs.v]
    labels = _components(Pairs(len(graph), pairs.u[inner], pairs.v[inner], pairs.cosine[inner]))
    border, centre = _directed(pairs)
    outer = ~core[border] & core[centre]
    border, centre = border[outer], centre[outer]
    nearest = np.argsort(np.tile(pairs.cosine, 2)[outer], kind="stable")
    labels[border[nearest]] = labels[centre[nearest]]  # the last one written is the nearest
    return labels


def chinese_whispers(graph: Graph, *, least: float, rounds: int, seed: int = 0) -> Labels:
    """Return the labels that nodes settle on when each keeps taking its neighbours' favourite."""
    matrix = graph.pairs.over(least).matrix()
    order = np.random.default_rng(seed).permutation(len(graph))
    labels: Labels = whisper(
        matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data, order, rounds
    )
    return labels


def core_points(graph: Graph, *, least: float, min_faces: int, seed: int = 0) -> Labels:
    """Return the people that a core-point rule like Immich's finds, faces coming in random order.

    Notes
    -----
    A face looks for the nearest one that has a person among its ``k`` neighbours of the graph only.
    """
    order = np.random.default_rng(seed).permutation(len(graph))
    labels: Labels = recognise(graph.neighbours, graph.cosines, order, least, min_faces)
    return _singles(labels)


def leiden(
    graph: Graph, *, least: float, resolution: float, objective: str, seed: int = 0
) -> Labels:
    """Return Leiden's communities by igraph, pairs weighted by their cosine."""
    igraph = importlib.import_module("igraph")
    pairs = graph.pairs.over(least)
    igraph.set_random_number_generator(random.Random(seed))
    network = igraph.Graph(n=len(graph), edges=np.column_stack((pairs.u, pairs.v)))
    found = network.community_leiden(
        objective_function=objective,
        weights=pairs.cosine.tolist(),
        resolution=resolution,
        n_iterations=4,
    )
    labels: Labels = np.array(found.membership, np.int64)
    return labels


def infomap(graph: Graph, *, least: float, seed: int = 1) -> Labels:
    """Return Infomap's two-level modules, pairs weighted by their cosine."""
    module = importlib.import_module("infomap")
    pairs = graph.pairs.over(least)
    network = module.Infomap(silent=True, two_level=True, num_trials=1, seed=seed)
    network.add_links(np.column_stack((pairs.u, pairs.v, pairs.cosine)).astype(np.float64))
    labels = np.full(len(graph), -1, np.int64)
    if len(pairs.u):
        modules = network.run().modules()
        labels[list(modules)] = list(modules.values())
    return _singles(labels)


def hdbscan_of_graph(graph: Graph, *, min_size: int, min_samples: int, select: str) -> Labels:
    """Return HDBSCAN's clusters with the graph's distances in place of all of them.

    Notes
    -----
    The graph must hang together for scikit-learn: consecutive items are joined at the distance of
    opposite vectors, which is more than any other, and so only after everything else.
    """
    pairs = graph.pairs
    keys = pairs.u.astype(np.int64) * len(graph) + pairs.v
    row = np.arange(len(graph) - 1)
    missing = row[~np.isin(row * len(graph) + row + 1, keys)]
    distances = np.sqrt(np.maximum(2 - 2 * pairs.cosine.astype(np.float64), 1e-9))
    joined = Pairs(
        len(graph),
        np.concatenate((pairs.u, missing.astype(np.int32))),
        np.concatenate((pairs.v, missing.astype(np.int32) + 1)),
        np.concatenate((distances, np.full(len(missing), 2.0))).astype(np.float32),
    )
    matrix = joined.matrix().astype(np.float64)
    return _hdbscan(matrix, "precomputed", min_size, min_samples, select)


def hdbscan(vectors: Vectors, *, min_size: int, min_samples: int, select: str) -> Labels:
    """Return HDBSCAN's clusters, all vectors compared with all: ``8 * n ** 2`` bytes."""
    return _hdbscan(vectors.astype(np.float64), "euclidean", min_size, min_samples, select)


def _hdbscan(data: Any, metric: str, min_size: int, min_samples: int, select: str) -> Labels:
    method = importlib.import_module("sklearn.cluster").HDBSCAN(
        min_cluster_size=min_size,
        min_samples=min_samples,
        metric=metric,
        algorithm="brute",
        cluster_selection_method=select,
        copy=True,
    )
    return _singles(np.asarray(method.fit_predict(data), np.int64))


def _components(pairs: Pairs) -> Labels:
    _, labels = connected_components(pairs.matrix(), directed=False)
    return np.asarray(labels, np.int64)


def _directed(pairs: Pairs) -> tuple[Labels, Labels]:
    u, v = pairs.u.astype(np.int64), pairs.v.astype(np.int64)
    return np.concatenate((u, v)), np.concatenate((v, u))


def _singles(labels: Labels) -> Labels:
    """Return ``labels`` with a label of its own for every item that has none (-1)."""
    alone = np.flatnonzero(labels < 0)
    whole = labels.copy()
    whole[alone] = labels.max(initial=-1) + 1 + np.arange(len(alone))
    return whole


_LEAST = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)

PEERS: Sequence[Peer] = (
    Peer(
        name="DBSCAN",
        cluster=dbscan,
        grid={"least": (0.5, 0.55, 0.6, 0.65, 0.7), "min_points": (2, 3, 5, 8, 12, 20)},
    ),
    Peer(
        name="HDBSCAN (graph)",
        cluster=hdbscan_of_graph,
        needs="sklearn",
        grid={"min_size": (2, 3, 5), "min_samples": (1, 2, 4), "select": ("eom",)},
        note="distances of the neighbour graph only",
    ),
    Peer(
        name="HDBSCAN (part)",
        cluster=hdbscan,
        needs="sklearn",
        grid={"min_size": (2, 3, 5), "min_samples": (2, 4), "select": ("eom",)},
        on_vectors=True,
    ),
    Peer(
        name="Chinese whispers",
        seeded=True,
        cluster=chinese_whispers,
        grid={"least": _LEAST, "rounds": (20,)},
    ),
    Peer(
        name="connected components",
        cluster=components,
        grid={"least": (0.45, 0.5, 0.55, 0.6, 0.65, 0.7)},
    ),
    Peer(
        name="Leiden (CPM)",
        seeded=True,
        cluster=leiden,
        grid={
            "least": (0.4, 0.45, 0.5, 0.55),
            "resolution": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
            "objective": ("CPM",),
        },
        needs="igraph",
    ),
    Peer(
        name="Leiden (modularity)",
        seeded=True,
        cluster=leiden,
        grid={
            "least": (0.45, 0.5, 0.55, 0.6),
            "resolution": (0.3, 1.0, 3.0, 10.0),
            "objective": ("modularity",),
        },
        needs="igraph",
    ),
    Peer(
        name="Infomap",
        seeded=True,
        cluster=infomap,
        grid={"least": (0.35, 0.4, 0.45, 0.5, 0.55)},
        needs="infomap",
    ),
    Peer(
        name="core points (Immich)",
        seeded=True,
        cluster=core_points,
        grid={"least": (0.4, 0.45, 0.5, 0.55, 0.6, 0.65), "min_faces": (2, 3, 5, 10)},
        note="the seed is the order in which the faces come",
    ),
)
