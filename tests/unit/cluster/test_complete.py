from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from imm_ray.cluster.complete import complete_link
from imm_ray.cluster.fixed import UNIT, quantise, to_fixed
from tests.unit.cluster.sample import Partition, crowd, edges_of, grouped, normalised, similarities


def by_scipy(matrix: NDArray[np.int64], threshold: int) -> Partition:
    distances = (UNIT - matrix).astype(np.float64)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "complete")
    return grouped(fcluster(tree, UNIT - threshold, "distance"))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(2, 200),
    people=st.integers(1, 30),
    noise=st.floats(0.2, 2.0),
    cosine=st.floats(-0.2, 0.9),
)
def test_it_equals_scipy(seed: int, count: int, people: int, noise: float, cosine: float) -> None:
    vectors = crowd(seed, count=count, dimension=32, people=people, noise=noise)
    matrix, threshold = similarities(quantise(vectors)), to_fixed(cosine)
    labels = complete_link(count, edges_of(matrix, threshold), order=np.arange(count))
    assert grouped(labels) == by_scipy(matrix, threshold)


@settings(deadline=None)
@given(data=st.data(), count=st.integers(2, 40))
def test_every_pair_is_alike_and_ties_go_by_canonical_order(
    data: st.DataObject, count: int
) -> None:
    rows = st.lists(st.integers(-1, 1), min_size=4, max_size=4).filter(any)
    vectors = normalised(np.array(data.draw(st.lists(rows, min_size=count, max_size=count))))
    arrival = np.array(data.draw(st.permutations(range(count))))
    threshold = to_fixed(data.draw(st.sampled_from([0.3, 0.5, 0.7, 0.8])))
    matrix = similarities(quantise(vectors))

    def labels_of(order: NDArray[np.int64]) -> NDArray[np.int64]:
        edges = edges_of(matrix[np.ix_(order, order)], threshold)
        return order[complete_link(count, edges, order=order)]

    straight = labels_of(np.arange(count))
    assert labels_of(arrival).tolist() == straight[arrival].tolist()
    for group in grouped(straight):
        assert all(matrix[i, j] >= threshold for i, j in combinations(group, 2))


def test_a_chain_is_cut() -> None:
    angles = np.linspace(0, np.pi / 2, 10)
    vectors = normalised(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    matrix, threshold = similarities(quantise(vectors)), to_fixed(np.cos(np.pi / 6))
    edges = edges_of(matrix, threshold)
    groups = grouped(complete_link(10, edges, order=np.arange(10)))
    assert len(groups) > 1
    for group in groups:
        assert matrix[np.ix_(list(group), list(group))].min() >= threshold
