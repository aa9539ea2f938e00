from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from imm_ray.cluster.average import NO_CONFLICTS, Conflicts, Grouping, Nodes, link_nodes
from imm_ray.cluster.fixed import UNIT, FixedVectors, quantise, to_fixed
from imm_ray.cluster.kernels import MAX_MEMBERS
from imm_ray.model import Vectors
from tests.unit.cluster.sample import (
    Partition,
    crowd,
    edges_of,
    grouped,
    pools,
    seeds,
    similarities,
    textbook,
)


def nodes_of(
    fixed: FixedVectors,
    clusters: Sequence[Sequence[int]] = (),
    *,
    order: NDArray[np.int64] | None = None,
    owners: Sequence[int] | None = None,
) -> Nodes:
    """The items in no cluster, in their order, then the clusters."""
    free = np.setdiff1d(np.arange(len(fixed)), [i for members in clusters for i in members])
    count = len(free) + len(clusters)
    sums = [fixed[list(members)].sum(axis=0, dtype=np.int32) for members in clusters]
    return Nodes(
        vectors=fixed[free],
        sums=np.array(sums, np.int32).reshape(len(clusters), fixed.shape[1]),
        sizes=np.array([len(members) for members in clusters], np.int64),
        order=np.arange(count) if order is None else order,
        owners=np.zeros(count, np.int32) if owners is None else np.array(owners, np.int32),
    )


def linked(nodes: Nodes, threshold: int, conflicts: Conflicts = NO_CONFLICTS) -> Grouping:
    """Average link with every pair that has a cluster as a crossing."""
    edges = edges_of(similarities(nodes.vectors), threshold)
    u, v = np.triu_indices(len(nodes), 1)
    crossings = np.stack((u, v))[:, v >= len(nodes.vectors)]
    return link_nodes(nodes, edges, crossings, threshold=threshold, conflicts=conflicts)


def conflicts_of(pairs: Sequence[tuple[int, int]]) -> Conflicts:
    return np.array(pairs, np.int64).reshape(-1, 2).T


def by_scipy(vectors: Vectors, threshold: int) -> Partition:
    distances = (UNIT - similarities(quantise(vectors))).astype(np.float64)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average")
    return grouped(fcluster(tree, UNIT - threshold, "distance"))


@settings(deadline=None, max_examples=60)
@given(
    seed=seeds,
    count=st.integers(2, 60),
    people=st.integers(1, 12),
    noise=st.floats(0.2, 2.0),
    cosine=st.floats(-0.2, 0.9),
)
def test_it_equals_scipy(seed: int, count: int, people: int, noise: float, cosine: float) -> None:
    vectors = crowd(seed, count=count, dimension=32, people=people, noise=noise)
    threshold = to_fixed(cosine)
    assert grouped(linked(nodes_of(quantise(vectors)), threshold).labels) == by_scipy(
        vectors, threshold
    )


def test_it_equals_scipy_on_two_thousand_items() -> None:
    vectors = crowd(7, count=2000, dimension=64, people=150)
    threshold = to_fixed(0.4)
    groups = grouped(linked(nodes_of(quantise(vectors)), threshold).labels)
    assert groups == by_scipy(vectors, threshold)
    assert 100 < len(groups) < 400


@settings(deadline=None, max_examples=80)
@given(data=st.data(), pool=pools(14), cosine=st.sampled_from([0.2, 0.5, 0.7]))
def test_with_ties_clusters_owners_and_conflicts_it_is_agglomeration_by_the_book(
    data: st.DataObject, pool: Vectors, cosine: float
) -> None:
    fixed, threshold = quantise(pool), to_fixed(cosine)
    cut = data.draw(st.lists(st.integers(0, 14), max_size=6, unique=True).map(sorted))
    items = np.array(data.draw(st.permutations(range(14))))
    clusters = [c.tolist() for c in np.split(items, cut)[1:] if len(c)]
    free = sorted(items[: cut[0] if cut else 14].tolist())
    groups = [[i] for i in free] + clusters
    count = len(groups)
    order = np.array(data.draw(st.permutations(range(count))))
    owners = data.draw(st.lists(st.sampled_from([0, 0, 1, 2]), min_size=count, max_size=count))
    places = st.integers(0, count - 1)
    pairs = data.draw(st.lists(st.tuples(places, places).filter(lambda p: p[0] != p[1])))

    found = linked(
        nodes_of(fixed, clusters, order=order, owners=owners), threshold, conflicts_of(pairs)
    )

    ranks = np.empty(14, np.int64)
    for place, group in enumerate(groups):
        ranks[group] = order[place]
    rival = [(a, b) for a, b in combinations(range(count), 2) if 0 < owners[a] != owners[b] > 0]
    barred = [(i, j) for a, b in [*pairs, *rival] for i in groups[a] for j in groups[b]]
    expected = textbook(similarities(fixed), threshold, groups=groups, barred=barred, ranks=ranks)
    by_name: dict[int, set[int]] = {}
    for place, label in enumerate(found.labels.tolist()):
        by_name.setdefault(label, set()).update(groups[place])
    assert {frozenset(group) for group in by_name.values()} == expected
    for name, members in by_name.items():
        assert order[name] == order[found.labels == name].min()
        if len(members) > 1:
            total = found.sums_of(np.array([name]))[0]
            assert total.tolist() == fixed[sorted(members)].sum(axis=0, dtype=int).tolist()


@settings(deadline=None, max_examples=40)
@given(seed=seeds, photo_size=st.integers(2, 6))
def test_conflicts_hold_through_many_rounds_of_merging(seed: int, photo_size: int) -> None:
    fixed, threshold = quantise(crowd(seed, count=40, dimension=16, people=3)), to_fixed(0.2)
    photos = np.random.default_rng(seed).permutation(40) // photo_size
    barred = [(a, b) for a, b in combinations(range(40), 2) if photos[a] == photos[b]]
    labels = linked(nodes_of(fixed), threshold, conflicts_of(barred)).labels
    assert grouped(labels) == textbook(similarities(fixed), threshold, barred=barred)
    assert not any(labels[a] == labels[b] for a, b in barred)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), pool=pools(20), cosine=st.sampled_from([0.3, 0.5, 0.7]))
def test_ties_go_by_canonical_order_and_not_by_arrival(
    data: st.DataObject, pool: Vectors, cosine: float
) -> None:
    arrival = np.array(data.draw(st.permutations(range(20))))
    pairs = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(10, 19)), max_size=20))
    place = np.argsort(arrival)

    def labels_of(order: NDArray[np.int64], barred: Sequence[tuple[int, int]]) -> list[int]:
        nodes = nodes_of(quantise(pool[order]), order=order)
        labels = linked(nodes, to_fixed(cosine), conflicts_of(barred)).labels
        return order[labels][np.argsort(order)].tolist()  # type: ignore[no-any-return]

    moved = [(int(place[a]), int(place[b])) for a, b in pairs]
    assert labels_of(arrival, moved) == labels_of(np.arange(20), pairs)


def test_pairs_below_the_threshold_in_the_edges_change_nothing() -> None:
    threshold = to_fixed(0.5)
    nodes = nodes_of(quantise(crowd(11, count=80, dimension=16, people=6)))
    full = edges_of(similarities(nodes.vectors), -UNIT * 2)
    labels = link_nodes(nodes, full, NO_CONFLICTS, threshold=threshold).labels
    assert labels.tolist() == linked(nodes, threshold).labels.tolist()


def test_no_items_are_no_groups() -> None:
    assert linked(nodes_of(np.empty((0, 4), np.int16)), 1).labels.tolist() == []


@pytest.mark.parametrize(("more", "together"), [(0, True), (1, False)])
def test_a_cluster_stays_so_small_that_its_sum_fits(more: int, together: bool) -> None:
    fixed = quantise(np.array([[1, 0]] * 2, np.float16))
    sizes = np.array([100_000, MAX_MEMBERS - 100_000 + more])
    nodes = Nodes(
        vectors=fixed[:0],
        sums=(fixed.astype(np.int64) * sizes[:, None]).astype(np.int32),
        sizes=sizes,
        order=np.arange(2),
        owners=np.zeros(2, np.int32),
    )
    found = linked(nodes, to_fixed(0.9))
    assert (found.labels[0] == found.labels[1]) == together
    if together:
        assert found.sums_of(np.array([0])).tolist() == [[MAX_MEMBERS * 16384, 0]]
