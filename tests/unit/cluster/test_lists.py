from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster.fixed import UNIT, search_cosine, to_fixed
from imm_ray.cluster.graph import Slots
from imm_ray.cluster.list_kernels import region_edges
from imm_ray.cluster.lists import NeighbourLists
from imm_ray.model import Vectors
from tests.unit.cluster.album import Pool, slots_of
from tests.unit.cluster.sample import crowd, normalised, pools, seeds

COSINE = 0.3


class Lists:
    """Neighbour lists of a pool, with what they were told."""

    def __init__(self, pool: Pool, *, width: int, cosine: float = COSINE) -> None:
        self.pool = pool
        self.threshold = to_fixed(cosine)
        dimension = pool.vectors.shape[1]
        self.lists = NeighbourLists(self.threshold, dimension=dimension, width=width)
        self.here: set[int] = set()
        self.stored: set[frozenset[int]] = set()
        self.compared = 0
        self._cosine = search_cosine(self.threshold, dimension)

    def insert(self, items: Sequence[int]) -> None:
        new = slots_of(items)
        self.here.update(items)
        found = self.pool.near(new, slots_of(sorted(self.here)), self._cosine)
        self.compared += self.lists.insert(
            new, self.pool.keys[new], found, self.pool.fixed, self._remember
        )

    def remove(self, items: Sequence[int]) -> None:
        self.here.difference_update(items)
        self.lists.remove(slots_of(items))

    def refill(self, items: Slots) -> None:
        found = self.pool.near(items, slots_of(sorted(self.here)), self._cosine)
        self.lists.refill(items, found, self.pool.fixed, self._remember)

    def of(self, item: int) -> dict[int, int]:
        ids, similarities = self.lists.neighbours(item)
        return dict(zip(ids.tolist(), similarities.tolist(), strict=True))

    def all(self) -> dict[int, dict[int, int]]:
        return {item: self.of(item) for item in sorted(self.here)}

    def best(self, item: int) -> dict[int, int]:
        """By brute force: the nearest by similarity, then content key, then slot."""
        pool = self.pool
        others = [
            other for other in self.here - {item} if pool.matrix[item, other] >= self.threshold
        ]
        others.sort(key=lambda other: (-pool.matrix[item, other], pool.keys[other], other))
        return {other: int(pool.matrix[item, other]) for other in others[: self.lists.width]}

    def neighbour_count(self, item: int) -> int:
        return int((self.pool.matrix[item, sorted(self.here)] >= self.threshold).sum()) - 1

    def _remember(self, u: Slots, v: Slots) -> None:
        self.stored |= {frozenset(pair) for pair in zip(u.tolist(), v.tolist(), strict=True)}


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    pool=pools(40),
    width=st.integers(1, 8),
    cuts=st.lists(st.integers(0, 40), max_size=5).map(sorted),
)
def test_they_hold_the_nearest_for_any_order_and_any_split(
    data: st.DataObject, pool: Vectors, width: int, cuts: list[int]
) -> None:
    lists = Lists(Pool(pool), width=width)
    order = np.array(data.draw(st.permutations(range(40))))
    for part in np.split(order, cuts):
        lists.insert(part.tolist())
    for item in range(40):
        assert lists.of(item) == lists.best(item)
        assert lists.lists.capped[item] == (lists.neighbour_count(item) > width)
        assert {frozenset((item, other)) for other in lists.of(item)} <= lists.stored
    assert lists.lists.capped_count == sum(lists.neighbour_count(i) > width for i in range(40))
    assert len(lists.lists) == 40


@settings(deadline=None, max_examples=40)
@given(pool=pools(30), width=st.integers(1, 8), gone=st.sets(st.integers(0, 29), max_size=10))
def test_the_edges_of_a_region_are_the_pairs_that_stand_in_either_list(
    pool: Vectors, width: int, gone: set[int]
) -> None:
    faces = Lists(Pool(pool), width=width)
    faces.insert(list(range(30)))
    faces.remove(sorted(gone))
    slots = slots_of(item for item in sorted(faces.here) if item % 5)
    node_of = np.full(len(faces.lists.alive), -1, np.int32)
    node_of[slots] = np.arange(len(slots))
    lists = faces.lists
    u, v, s = region_edges(
        lists.ids, lists.similarities, lists.counts, lists.alive, lists.capped, slots, node_of
    )
    found = list(zip(slots[u].tolist(), slots[v].tolist(), s.tolist(), strict=True))
    assert (u < v).all()
    assert len({pair[:2] for pair in found}) == len(found)
    assert set(found) == {
        (min(item, other), max(item, other), similarity)
        for item in slots.tolist()
        for other, similarity in faces.of(item).items()
        if other in slots
    }


def test_a_pair_is_compared_only_where_it_may_enter_a_list() -> None:
    angles = np.random.default_rng(3).permutation(np.linspace(0, 1.0, 400))
    pool = Pool(normalised(np.stack([np.cos(angles), np.sin(angles)], axis=1)))
    lists = Lists(pool, width=4)
    for part in np.split(np.arange(400), 8):
        lists.insert(part.tolist())
    assert all(lists.of(item) == lists.best(item) for item in range(400))
    assert lists.lists.capped[:400].all()
    assert lists.compared < 400 * 399 / 2 / 4


@settings(deadline=None, max_examples=25)
@given(seed=seeds, components=st.integers(100, 512))
def test_rounding_that_adds_up_over_all_components_costs_no_pair(
    seed: int, components: int
) -> None:
    # Components that are alike round alike: the fixed cosine is off by far more than by chance.
    rng = np.random.default_rng(seed)
    signs = np.where(rng.random((60, components)) < 0.03, -1, 1)
    lists = Lists(Pool(normalised(signs * rng.uniform(0.98, 1.02, (60, 1)))), width=3)
    for part in np.split(rng.permutation(60), 4):
        lists.insert(part.tolist())
    assert all(lists.of(item) == lists.best(item) for item in range(60))


def test_a_pair_below_the_threshold_caps_no_list() -> None:
    # The index finds 3 for the last one too, which is not near enough, and nearer to others.
    degrees = np.radians([1, 25.31, 26.10, 27, 0])
    vectors = np.zeros((5, 1280))
    vectors[:, 0], vectors[:, 1] = np.cos(degrees), np.sin(degrees)
    lists = Lists(Pool(normalised(vectors)), width=2, cosine=0.9)
    found = lists.pool.near(slots_of([4]), slots_of(range(5)), lists._cosine)
    assert found.slots.tolist() == [0, 1, 2, 4]
    lists.insert([0, 1, 2, 3])
    lists.insert([4])
    assert lists.of(4).keys() == {0, 1}
    assert not lists.lists.capped[4]


def test_a_thousand_equal_vectors_stay_small() -> None:
    pool = Pool(np.repeat(normalised(np.array([[3, 4]])), 1000, axis=0))
    lists = Lists(pool, width=5)
    for part in np.split(np.arange(1000), 4):
        lists.insert(part.tolist())
    assert lists.lists.ids.shape[1] == 5
    assert all(lists.of(item) == lists.best(item) for item in (0, 1, 500, 999))
    assert lists.lists.capped_count == 1000


@settings(deadline=None, max_examples=40)
@given(data=st.data(), pool=pools(30), width=st.integers(2, 6))
def test_what_is_removed_leaves_the_lists_and_a_refill_makes_them_whole(
    data: st.DataObject, pool: Vectors, width: int
) -> None:
    lists = Lists(Pool(pool), width=width)
    lists.insert(list(range(30)))
    gone = data.draw(st.lists(st.integers(0, 29), unique=True, max_size=20))
    before = lists.all()
    lists.remove(gone)
    capped = lists.lists.capped.copy()
    for item in lists.here:
        assert lists.of(item) == {o: s for o, s in before[item].items() if o not in gone}
    assert lists.lists.quarantined_count == len(gone)
    counts = lists.lists.counts.copy()
    freed, bereft = lists.lists.sweep()
    assert sorted(freed.tolist()) == sorted(gone)
    assert bereft.tolist() == [i for i in sorted(lists.here) if len(lists.of(i)) < counts[i]]
    assert lists.lists.quarantined_count == 0
    left = slots_of(sorted(lists.here))
    hollow = [i for i in left.tolist() if capped[i] and len(lists.of(i)) < width // 2]
    assert lists.lists.hollow(left).tolist() == hollow
    lists.refill(left)
    for item in lists.here:
        assert lists.of(item) == lists.best(item)
        assert lists.lists.capped[item] == (lists.neighbour_count(item) > width)
    assert not len(lists.lists.hollow(left))


def test_a_capped_list_still_names_the_removed_in_its_memory_until_a_sweep() -> None:
    lists = Lists(Pool(normalised(np.array([[10, k] for k in range(6)]))), width=2)
    lists.insert(list(range(6)))
    far = next(i for i in lists.here if any(i not in lists.of(o) for o in lists.of(i)))
    hub = next(o for o in lists.of(far) if far not in lists.of(o))
    lists.remove([hub])
    assert hub not in lists.of(far)
    assert hub in lists.lists.ids[far, : lists.lists.counts[far]]
    freed, bereft = lists.lists.sweep()
    assert freed.tolist() == [hub]
    assert far in bereft
    assert hub not in lists.lists.ids[far, : lists.lists.counts[far]]


def test_a_swept_slot_brings_nothing_of_its_former_item_back() -> None:
    pool = Pool(crowd(1, count=20, dimension=8, people=1, noise=0.3))
    lists = Lists(pool, width=30)
    lists.insert(list(range(20)))
    lists.remove([4])
    lists.lists.sweep()
    pool.fixed_rows[4] = -pool.fixed_rows[5]
    pool.matrix[4] = pool.matrix[:, 4] = -UNIT
    nothing = pool.near(slots_of([]), slots_of([]), COSINE)
    lists.lists.insert(slots_of([4]), pool.keys[[4]], nothing, pool.fixed, lambda *_: None)
    assert lists.of(4) == {}
    assert all(4 not in lists.of(item) for item in lists.here)


def test_pairs_with_items_that_are_not_here_are_skipped() -> None:
    lists = Lists(Pool(normalised(np.ones((5000, 2)))), width=4)
    lists.here.update(range(5000))
    lists.here.difference_update([1, 2])
    lists.insert([1, 2])
    assert lists.of(1).keys() == {2}


def test_a_slot_is_inserted_once_and_removed_once() -> None:
    lists = Lists(Pool(normalised(np.ones((4, 2)))), width=4)
    lists.insert([0, 1])
    for again in ([1], [2, 2]):
        with pytest.raises(ValueError, match="already"):
            lists.insert(again)
    with pytest.raises(ValueError, match="not in the graph"):
        lists.remove([3])
