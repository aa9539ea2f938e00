from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors, quantise, to_fixed
from imm_ray.cluster.graph import NeighbourGraph, Slots
from tests.unit.cluster.sample import crowd, similarities


@dataclass(frozen=True)
class Pairs:
    query_rows: NDArray[np.int64]
    slots: Slots


class Items:
    """Vectors by slot; ``near`` names every pair, so that the graph alone decides."""

    def __init__(self, vectors: FixedVectors) -> None:
        self._vectors = vectors

    def vectors(self, slots: Slots) -> FixedVectors:
        return self._vectors[slots]

    def near(self, count: int, stored: Slots) -> Pairs:
        return Pairs(np.repeat(np.arange(count), len(stored)), np.tile(stored, count))


def path(*slots: int) -> tuple[NeighbourGraph, Items]:
    """A graph in which each slot is near only the one before it."""
    angles = np.arange(max(slots) + 1) * 0.1
    items = Items(quantise(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16)))
    graph = NeighbourGraph(to_fixed(np.cos(0.15)))
    new = np.array(slots)
    graph.insert(new, items.near(len(new), new), vectors=items.vectors)
    return graph, items


def test_it_holds_exactly_the_pairs_at_or_over_the_threshold() -> None:
    fixed = quantise(crowd(5, count=300, dimension=32, people=20))
    items, graph = Items(fixed), NeighbourGraph(to_fixed(0.35))
    for start in range(0, 300, 60):
        new = np.arange(start, start + 60)
        graph.insert(new, items.near(60, np.arange(start + 60)), vectors=items.vectors)
    removed = np.arange(0, 300, 7)
    graph.remove(removed)
    alive = np.setdiff1d(np.arange(300), removed)
    edges = graph.edges(alive)
    expected = similarities(fixed[alive])
    u, v = np.nonzero(np.triu(expected >= graph.threshold, 1))
    found = sorted(zip(edges.u.tolist(), edges.v.tolist(), edges.similarity.tolist(), strict=True))
    assert found == list(zip(u.tolist(), v.tolist(), expected[u, v].tolist(), strict=True))
    assert graph.pair_count == len(u)
    assert len(graph) == len(alive)


def test_the_threshold_itself_joins() -> None:
    items = Items(quantise(np.array([[0.6, 0.8], [0.8, 0.6]], np.float16)))
    exact = int(similarities(items.vectors(np.arange(2)))[0, 1])
    for threshold, pairs in ((exact, 1), (exact + 1, 0)):
        graph = NeighbourGraph(threshold)
        graph.insert(np.arange(2), items.near(2, np.arange(2)), vectors=items.vectors)
        assert graph.pair_count == pairs


def test_components_are_whole_ordered_and_disjoint() -> None:
    graph, _ = path(0, 1, 2, 5, 6, 9)
    found = [c.tolist() for c in graph.components(np.array([9, 6, 2, 5]))]
    assert found == [[0, 1, 2], [5, 6], [9]]
    assert [c.tolist() for c in graph.components(np.array([1]))] == [[0, 1, 2]]
    assert graph.components(np.empty(0, np.int64)) == []


def test_a_removal_touches_the_pieces_it_leaves() -> None:
    graph, _ = path(0, 1, 2, 3, 4, 7)
    graph.settle()
    graph.remove(np.array([2]))
    assert graph.touched().tolist() == [1, 3]
    assert [c.tolist() for c in graph.components(graph.touched())] == [[0, 1], [3, 4]]


def test_removing_all_leaves_nothing_touched() -> None:
    graph, _ = path(0, 1, 2)
    graph.remove(np.array([0, 1, 2]))
    assert (len(graph), graph.pair_count, graph.touched().tolist()) == (0, 0, [])


def test_a_slot_that_returns_brings_nothing_back() -> None:
    graph, items = path(0, 1, 2)
    graph.remove(np.array([1]))
    none = np.empty(0, np.int64)
    graph.insert(np.array([1]), Pairs(none, none), vectors=items.vectors)
    assert graph.pair_count == 0
    assert [c.tolist() for c in graph.components(np.arange(3))] == [[0], [1], [2]]


def test_dead_rows_are_dropped_in_time_with_all_their_pairs() -> None:
    graph, items = path(0, 1, 5)
    for _ in range(40):
        new = np.arange(10, 110)
        near = items.near(100, np.array([0, 1]))
        graph.insert(new, near, vectors=lambda slots: items.vectors(np.minimum(slots, 1)))
        assert graph.pair_count == 201
        graph.remove(new)
    assert len(graph._slots) <= 2 * len(graph) + 1024 + 100
    assert graph.pair_count == 1
    edges = graph.edges(np.array([0, 1, 5]))
    assert (edges.u.tolist(), edges.v.tolist()) == ([0], [1])
    assert [c.tolist() for c in graph.components(np.array([0, 5]))] == [[0, 1], [5]]


def test_few_runs_hold_many_insertions() -> None:
    fixed = quantise(crowd(2, count=400, dimension=16, people=2))
    items, graph = Items(fixed), NeighbourGraph(to_fixed(0.2))
    for slot in range(400):
        graph.insert(np.array([slot]), items.near(1, np.arange(slot + 1)), vectors=items.vectors)
    assert len(graph._runs) <= 10
    assert sum(len(run.source) for run in graph._runs) == 2 * graph.pair_count > 40_000


def test_what_it_does_not_know_is_refused() -> None:
    graph, items = path(0, 1)
    with pytest.raises(ValueError, match="slot 5 is not in the graph"):
        graph.remove(np.array([0, 5]))
    with pytest.raises(ValueError, match="named twice"):
        graph.remove(np.array([0, 0]))
    for slots in (np.array([1]), np.array([7, 7])):
        with pytest.raises(ValueError, match="already"):
            graph.insert(slots, items.near(1, slots), vectors=items.vectors)
    assert len(graph) == 2
    assert graph.pair_count == 1
