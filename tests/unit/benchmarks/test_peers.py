from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clustering import peers
from benchmarks.clustering.graph import Graph, Pairs, exact_graph
from benchmarks.clustering.kernels import recognise
from benchmarks.clustering.peers import PEERS, Peer
from benchmarks.clustering.scores import Labels, ari
from benchmarks.clustering.synthetic import Sample
from tests.unit.cluster.sample import crowd, normalised

PEOPLE, EACH = 5, 12


@pytest.fixture(scope="module")
def sample() -> Sample:
    """Five people so far apart that every method finds them."""
    labels = np.repeat(np.arange(PEOPLE), EACH)
    rng = np.random.default_rng(0)
    rows = np.eye(PEOPLE, 64)[labels] + rng.normal(size=(len(labels), 64)) * 0.05
    return Sample(normalised(rows), labels)


def graph_of(*pairs: tuple[int, int, float], count: int, k: int = 3) -> Graph:
    """A graph of the named pairs; all others are at -1."""
    matrix = np.full((count, count), -1.0, np.float32)
    for one, other, cosine in pairs:
        matrix[one, other] = matrix[other, one] = cosine
    np.fill_diagonal(matrix, -2)
    neighbours = np.argsort(-matrix, axis=1, kind="stable")[:, :k]
    u, v = np.nonzero(np.triu(matrix > -1, 1))
    return Graph(
        neighbours.astype(np.int32),
        np.take_along_axis(matrix, neighbours, axis=1),
        Pairs(count, u.astype(np.int32), v.astype(np.int32), matrix[u, v]),
    )


def groups(labels: Labels) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def test_the_graph_holds_the_nearest_others() -> None:
    vectors = crowd(3, count=80, dimension=16, people=4)
    graph = exact_graph(vectors, 5)
    wide = vectors.astype(np.float64)
    matrix = wide @ wide.T
    np.fill_diagonal(matrix, -2)
    best: NDArray[np.float64] = -np.sort(-matrix, axis=1)[:, :5]
    assert np.allclose(graph.cosines, best, atol=1e-5)
    rows = np.arange(80)[:, None]
    assert np.allclose(matrix[rows, graph.neighbours], best, atol=1e-5)
    listed = {frozenset((i, int(j))) for i, row in enumerate(graph.neighbours) for j in row}
    pairs = list(zip(graph.pairs.u.tolist(), graph.pairs.v.tolist(), strict=True))
    assert {frozenset(pair) for pair in pairs} == listed
    assert len(pairs) == len(listed)
    assert np.allclose(matrix[graph.pairs.u, graph.pairs.v], graph.pairs.cosine, atol=1e-5)


def test_the_graph_of_equal_vectors_names_no_item_as_its_own_neighbour() -> None:
    graph = exact_graph(np.repeat(crowd(0, count=1, dimension=8, people=1), 20, axis=0), 4)
    assert (graph.neighbours != np.arange(20)[:, None]).all()


def test_more_neighbours_than_others_are_refused() -> None:
    with pytest.raises(ValueError, match="5 vectors have no 5 others"):
        exact_graph(crowd(0, count=5, dimension=8, people=1), 5)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_finds_people_who_are_far_apart(peer: Peer, sample: Sample) -> None:
    if peer.absent:
        pytest.skip(peer.absent)
    given = sample.vectors if peer.on_vectors else exact_graph(sample.vectors, 20)
    found = [peer.cluster(given, **setting) for setting in peer.settings]
    assert all(labels.shape == sample.labels.shape for labels in found)
    assert max(ari(sample.labels, labels) for labels in found) == 1


def test_a_peer_whose_package_is_missing_says_so() -> None:
    peer = Peer(name="x", cluster=peers.components, grid={"least": (0.5,)}, needs="no_such_package")
    assert peer.absent == "no_such_package is not installed: pip install 'imm-ray[bench]'"
    assert PEERS[0].absent is None


def test_a_grid_is_every_combination() -> None:
    peer = Peer(name="x", cluster=peers.dbscan, grid={"least": (0.5, 0.6), "min_points": (2, 3)})
    assert [tuple(setting.values()) for setting in peer.settings] == [
        (0.5, 2),
        (0.5, 3),
        (0.6, 2),
        (0.6, 3),
    ]


CHAIN = graph_of((0, 1, 0.9), (1, 2, 0.8), (2, 3, 0.7), (4, 5, 0.6), count=7)


def test_components_chain() -> None:
    assert groups(peers.components(CHAIN, least=0.65)) == {
        frozenset({0, 1, 2, 3}),
        *(frozenset({i}) for i in (4, 5, 6)),
    }


def test_dbscans_border_goes_to_the_nearest_core_and_does_not_bridge() -> None:
    graph = graph_of(
        *((u, v, 0.9) for u, v in ((0, 1), (0, 2), (1, 2), (4, 5), (4, 6), (5, 6))),
        (3, 0, 0.7),
        (3, 4, 0.8),
        count=7,
    )
    bridged = peers.dbscan(graph, least=0.7, min_points=3)  # 3 is a core: two others and itself
    assert len(np.unique(bridged)) == 1
    parted = peers.dbscan(graph, least=0.7, min_points=4)  # only 0 and 4 are
    assert groups(parted) == {frozenset({0, 1, 2}), frozenset({3, 4, 5, 6})}
    assert len(np.unique(peers.dbscan(graph, least=0.7, min_points=5))) == 7


def test_whispers_settle_on_the_heavier_side() -> None:
    graph = graph_of(
        *((u, v, 0.9) for u, v in ((0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5))),
        (2, 3, 0.5),
        count=6,
    )
    for seed in range(5):
        labels = peers.chinese_whispers(graph, least=0.4, rounds=20, seed=seed)
        assert groups(labels) == {frozenset({0, 1, 2}), frozenset({3, 4, 5})}


def test_core_points_found_people_and_others_only_join() -> None:
    graph = graph_of(
        *((u, v, 0.9) for u, v in ((0, 1), (0, 2), (1, 2))),
        (3, 2, 0.7),  # within reach of a core
        (4, 5, 0.8),  # two, where three are needed
        count=7,
    )
    for seed in range(5):
        labels = peers.core_points(graph, least=0.6, min_faces=3, seed=seed)
        assert groups(labels) == {
            frozenset({0, 1, 2, 3}),
            *(frozenset({i}) for i in (4, 5, 6)),
        }


def test_a_face_counts_itself_among_those_within_reach() -> None:
    triangle = graph_of((0, 1, 0.9), (0, 2, 0.9), (1, 2, 0.9), count=4)
    assert len(np.unique(peers.core_points(triangle, least=0.6, min_faces=3))) == 2
    assert len(np.unique(peers.core_points(triangle, least=0.6, min_faces=4))) == 4


def test_faces_that_are_no_core_wait_and_so_do_not_bridge() -> None:
    """Eight comes before the second person and is nearest to it, but has joined nobody by then."""
    graph = graph_of(
        *((first + u, first + v, 0.9) for first in (0, 4) for u in range(4) for v in range(u)),
        (8, 0, 0.7),
        (8, 4, 0.95),
        count=9,
        k=4,
    )
    order = np.array([0, 1, 2, 3, 8, 4, 5, 6, 7])
    labels = recognise(graph.neighbours, graph.cosines, order, 0.6, 4)
    assert groups(labels) == {frozenset({0, 1, 2, 3}), frozenset({4, 5, 6, 7, 8})}


@pytest.mark.parametrize("method", [peers.core_points, peers.chinese_whispers])
def test_peers_repeat_themselves_for_one_seed(method: Callable[..., Labels]) -> None:
    graph = exact_graph(crowd(5, count=300, dimension=32, people=30), 20)
    more = {"min_faces": 3} if method is peers.core_points else {"rounds": 20}
    first, again = (method(graph, least=0.4, seed=2, **more) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.skipif(find_spec("infomap") is None, reason="infomap is not installed")
def test_infomap_leaves_items_without_a_pair_alone() -> None:
    assert len(np.unique(peers.infomap(CHAIN, least=0.99))) == 7


def test_hdbscan_works_on_a_graph_in_many_pieces(sample: Sample) -> None:
    graph = exact_graph(sample.vectors, EACH - 1)  # no neighbour is of another person
    assert len(np.unique(peers.components(graph, least=-1))) == PEOPLE
    labels = peers.hdbscan_of_graph(graph, min_size=3, min_samples=2, select="eom")
    assert ari(sample.labels, labels) == 1
