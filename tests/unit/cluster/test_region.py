from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster.region import Region
from imm_ray.model import Vectors
from tests.unit.cluster.album import BaseAlbum, Pool
from tests.unit.cluster.sample import at_angles, figure_limits, pools

COUNT = 20
LIMITS = figure_limits()


def clustered(pool: Pool) -> BaseAlbum:
    """The first items are clustered; the last four are in the lists only."""
    album = BaseAlbum(pool, LIMITS)
    album.insert(range(COUNT - 4))
    album.run()
    album.insert(range(COUNT - 4, COUNT))
    return album


@settings(deadline=None, max_examples=40)
@given(pool=pools(COUNT), poor=st.sets(st.integers(0, COUNT - 1)))
def test_what_is_near_and_how_near_it_is(pool: Vectors, poor: set[int]) -> None:
    album = clustered(Pool(pool, poor=poor))
    graph, matrix, core = album.clusterer.graph, album.pool.matrix, album.pool.core
    clusters = album.clusters()
    slots = np.array([3, 17, 19])
    near = {
        (place, number)
        for place, slot in enumerate(slots.tolist())
        for number, members in clusters.items()
        if any(matrix[slot, m] >= LIMITS.threshold for m in members if m != slot)
    }
    places, numbers = graph.clusters_near(slots)
    assert set(zip(places.tolist(), numbers.tolist(), strict=True)) == near
    assert graph.around(slots).tolist() == sorted({number for _, number in near})
    means = graph.means(slots, places, numbers)
    for place, number, mean in zip(places.tolist(), numbers.tolist(), means.tolist(), strict=True):
        members = sorted(clusters[number])
        assert core[members].all()
        assert mean == pytest.approx(matrix[slots[place], members].mean(), rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(pool=pools(COUNT), opened=st.integers(0, 4))
def test_whole_clusters_are_taken_as_they_are(pool: Vectors, opened: int) -> None:
    album = clustered(Pool(pool))
    graph, base = album.clusterer.graph, album.clusterer.base
    numbers = base.numbers()
    slots = np.concatenate((base.members(numbers[:opened]), np.arange(COUNT - 4, COUNT)))
    region = Region(slots, numbers[opened:])
    crossings = np.array(list(combinations(range(len(region.clusters)), 2)), np.int64)
    pairs = crossings.reshape(-1, 2).T
    labels = graph.link(region, pairs, LIMITS.threshold).labels
    again = graph.link(region, pairs, LIMITS.threshold).labels
    assert labels.tolist() == again.tolist()
    nodes = [[slot] for slot in slots.tolist()]
    nodes += [base.members(np.array([n])).tolist() for n in region.clusters.tolist()]
    groups = [
        np.array([i for place in np.flatnonzero(labels == name) for i in nodes[place]])
        for name in np.unique(labels)
    ]
    means = [album.pool.matrix[np.ix_(a, b)].mean() for a, b in combinations(groups, 2)]
    assert all(mean < LIMITS.threshold for mean in means)
    assert sorted(i for group in groups for i in group.tolist()) == list(range(COUNT))


def test_a_cluster_conflicts_through_each_of_its_members() -> None:
    """One photo, a ban: what holds for a member holds for the cluster as a node."""
    for case in ("free", "photo", "ban"):
        photos = [0, 1, 2, 3, 1 if case == "photo" else 4, 5]
        album = BaseAlbum(
            Pool(at_angles(0, 10, 60, 62, 30, 90), photos=photos), figure_limits(threshold=0.8)
        )
        album.insert([0, 1, 2, 3, 5])
        album.insert([4])
        album.clusterer.base.reserve(6)
        graph, base = album.clusterer.graph, album.clusterer.base
        numbers = base.new_numbers(2)
        base.move(np.array([0, 1, 2, 3]), np.repeat(numbers, 2))
        base.state(numbers, album.pool.keys[[0, 2]], None)
        if case == "ban":
            graph.claims.pin(4, 1)
            graph.claims.ban(0, 1)
        labels = graph.link(Region(np.array([4]), numbers), np.empty((2, 0), np.int64), 1).labels
        assert (labels[0] == labels[1]) == (case == "free")
