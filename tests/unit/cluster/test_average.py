from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from imm_ray.cluster import kernels
from imm_ray.cluster.average import Conflicts, average_link, photo_conflicts
from imm_ray.cluster.fixed import UNIT, quantise, to_fixed
from imm_ray.cluster.graph import Edges
from imm_ray.model import Vectors
from tests.unit.cluster.sample import Partition, crowd, edges_of, grouped, normalised, similarities

seeds = st.integers(0, 2**32 - 1)


def clustered(
    vectors: Vectors,
    threshold: int,
    *,
    conflicts: Conflicts | None = None,
    order: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    fixed = quantise(vectors)
    return average_link(
        fixed,
        edges_of(similarities(fixed), threshold),
        threshold=threshold,
        order=np.arange(len(vectors)) if order is None else order,
        conflicts=conflicts,
    )


def by_scipy(vectors: Vectors, threshold: int) -> Partition:
    distances = (UNIT - similarities(quantise(vectors))).astype(np.float64)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average")
    return grouped(fcluster(tree, UNIT - threshold, "distance"))


def one_by_one(matrix: NDArray[np.int64], threshold: int, barred: set[frozenset[int]]) -> Partition:
    """Textbook agglomeration: merge the closest allowed pair of groups until none is left."""
    groups = [frozenset([i]) for i in range(len(matrix))]

    def mean(a: frozenset[int], b: frozenset[int]) -> float:
        if any(frozenset((i, j)) in barred for i in a for j in b):
            return -np.inf
        return int(matrix[np.ix_(list(a), list(b))].sum()) / (len(a) * len(b))

    while len(groups) > 1:
        a, b = max(combinations(groups, 2), key=lambda pair: mean(*pair))
        if mean(a, b) < threshold:
            break
        groups = [group for group in groups if group not in (a, b)] + [a | b]
    return set(groups)


@settings(deadline=None, max_examples=60)
@given(
    seed=seeds,
    count=st.integers(2, 200),
    people=st.integers(1, 30),
    noise=st.floats(0.2, 2.0),
    cosine=st.floats(-0.2, 0.9),
)
def test_it_equals_scipy(seed: int, count: int, people: int, noise: float, cosine: float) -> None:
    vectors = crowd(seed, count=count, dimension=32, people=people, noise=noise)
    threshold = to_fixed(cosine)
    assert grouped(clustered(vectors, threshold)) == by_scipy(vectors, threshold)


def test_it_equals_scipy_on_two_thousand_items() -> None:
    vectors = crowd(7, count=2000, dimension=64, people=150)
    threshold = to_fixed(0.4)
    groups = grouped(clustered(vectors, threshold))
    assert groups == by_scipy(vectors, threshold)
    assert 100 < len(groups) < 400


@settings(deadline=None, max_examples=60)
@given(seed=seeds, count=st.integers(2, 22), photo_size=st.integers(2, 6))
def test_with_conflicts_it_equals_merging_one_by_one(
    seed: int, count: int, photo_size: int
) -> None:
    vectors = crowd(seed, count=count, dimension=16, people=3)
    matrix, threshold = similarities(quantise(vectors)), to_fixed(0.2)
    photos = np.random.default_rng(seed).permutation(count) // photo_size
    conflicts = photo_conflicts(photos, edges_of(matrix, threshold), same_photo=UNIT * 2)
    barred = {frozenset(pair) for pair in zip(*(side.tolist() for side in conflicts), strict=True)}
    labels = clustered(vectors, threshold, conflicts=conflicts)
    assert grouped(labels) == one_by_one(matrix, threshold, barred)
    assert not any(labels[i] == labels[j] for i, j in map(tuple, barred))


@settings(deadline=None)
@given(data=st.data(), count=st.integers(2, 30))
def test_ties_go_by_canonical_order_and_not_by_arrival(data: st.DataObject, count: int) -> None:
    rows = st.lists(st.integers(-1, 1), min_size=4, max_size=4).filter(any)
    vectors = normalised(np.array(data.draw(st.lists(rows, min_size=count, max_size=count))))
    arrival = np.array(data.draw(st.permutations(range(count))))
    photos = np.array(data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count)))
    threshold = to_fixed(data.draw(st.sampled_from([0.3, 0.5, 0.7, 0.8])))

    def labels_of(order: NDArray[np.int64]) -> NDArray[np.int64]:
        shuffled = vectors[order]
        edges = edges_of(similarities(quantise(shuffled)), threshold)
        conflicts = photo_conflicts(photos[order], edges, same_photo=to_fixed(0.95))
        labels = clustered(shuffled, threshold, order=order, conflicts=conflicts)
        return order[labels]

    straight = labels_of(np.arange(count))
    assert labels_of(arrival).tolist() == straight[arrival].tolist()


def test_in_the_end_no_two_groups_reach_the_threshold() -> None:
    vectors = crowd(3, count=300, dimension=24, people=20)
    matrix, threshold = similarities(quantise(vectors)), to_fixed(0.3)
    groups = [list(group) for group in grouped(clustered(vectors, threshold))]
    assert all(
        matrix[np.ix_(a, b)].sum() < threshold * len(a) * len(b) for a, b in combinations(groups, 2)
    )


def test_a_group_is_named_by_its_first_item_in_canonical_order() -> None:
    vectors = normalised(np.array([[1, 0], [1, 0], [0, 1]]))
    labels = clustered(vectors, to_fixed(0.9), order=np.array([2, 1, 0]))
    assert labels.tolist() == [1, 1, 2]


def test_no_items_are_no_groups() -> None:
    none = np.empty(0, np.int64)
    labels = average_link(
        np.empty((0, 4), np.int16), Edges(none, none, none), threshold=1, order=none
    )
    assert labels.tolist() == []


def test_two_faces_of_one_photo_conflict_unless_they_look_alike() -> None:
    edges = Edges(np.array([0, 3, 1]), np.array([1, 2, 4]), np.array([90, 80, 99]))
    photos = np.array([5, 5, 7, 7, 8, 5])
    u, v = photo_conflicts(photos, edges, same_photo=85)
    assert set(zip(u.tolist(), v.tolist(), strict=True)) == {(0, 5), (1, 5), (2, 3)}


def test_every_call_uses_the_one_compiled_version() -> None:
    for count in (1, 2, 40):
        vectors = crowd(count, count=count, dimension=8 * count, people=2)
        vectors.flags.writeable = False
        clustered(np.asfortranarray(vectors), to_fixed(0.1))
    assert len(kernels.average_link.signatures) == 1


def test_pairs_below_the_threshold_in_the_edges_change_nothing() -> None:
    threshold = to_fixed(0.5)
    vectors = crowd(11, count=80, dimension=16, people=6)
    fixed = quantise(vectors)
    full = edges_of(similarities(fixed), -UNIT * 2)
    labels = average_link(fixed, full, threshold=threshold, order=np.arange(80))
    assert labels.tolist() == clustered(vectors, threshold).tolist()
