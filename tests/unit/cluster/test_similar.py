from itertools import combinations
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster import similar
from imm_ray.cluster.complete import complete_link
from imm_ray.cluster.fixed import to_cosine, to_fixed
from imm_ray.model import Vectors
from tests.unit.cluster.album import Pool, SimilarAlbum, slots_of
from tests.unit.cluster.sample import (
    at_angles,
    crowd,
    edges_of,
    grouped,
    normalised,
    pools,
    ranks_of,
)

COUNT = 24
THRESHOLD = to_fixed(0.7)
Step: TypeAlias = tuple[str, list[int]]
items = st.lists(st.integers(0, COUNT - 1), max_size=8)
VERBS = ["insert", "insert", "insert", "remove", "run", "free"]
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(VERBS), items), max_size=16
)


def play(album: SimilarAlbum, steps: list[Step]) -> None:
    for verb, chosen in steps:
        if verb == "insert":
            album.insert(chosen)
        elif verb == "remove":
            album.remove(chosen)
        elif verb == "free":
            album.free()
        else:
            album.run()
            check_pairs(album)
            if not album.clusterer.is_approximate and not album.clusterer.capped_lists:
                assert album.partition() == album.at_once()


def check_pairs(album: SimilarAlbum) -> None:
    """Every pair of a group is within the limit, and every picture is in one group."""
    groups = album.partition()
    for group in groups:
        assert all(album.pool.matrix[a, b] >= THRESHOLD for a, b in combinations(group, 2))
    assert sum(map(len, groups)) == len(album.here)
    means = album.clusterer.means(slots_of(range(COUNT)))
    for group in groups:
        for item in group:
            others = sorted(group - {item})
            expected = to_cosine(album.pool.matrix[item, others].mean()) if others else 1.0
            assert means[item] == pytest.approx(expected, rel=1e-12)


@settings(deadline=None, max_examples=100)
@given(pool=pools(COUNT), steps=steps)
def test_runs_are_one_run_over_everything(pool: Vectors, steps: list[Step]) -> None:
    album = SimilarAlbum(Pool(pool), THRESHOLD)
    play(album, [*steps, ("run", [])])
    assert not album.clusterer.is_approximate
    before = album.partition()
    album.consolidate()
    assert album.partition() == before


@settings(deadline=None, max_examples=60)
@given(pool=pools(COUNT))
def test_one_run_is_complete_link_by_the_book(pool: Vectors) -> None:
    faces = Pool(pool)
    album = SimilarAlbum(faces, THRESHOLD)
    album.insert(range(COUNT))
    album.run()
    labels = complete_link(COUNT, edges_of(faces.matrix, THRESHOLD), order=ranks_of(faces.keys))
    assert album.partition() == grouped(labels)


@settings(deadline=None, max_examples=100)
@given(
    pool=pools(COUNT),
    steps=steps,
    guard=st.sampled_from([0, 3, 100]),
    most=st.sampled_from([2, 1000]),
)
def test_guarded_and_capped_groups_hold_no_pair_below_the_limit(
    pool: Vectors, steps: list[Step], guard: int, most: int
) -> None:
    album = SimilarAlbum(Pool(pool), THRESHOLD, guard=guard, most=most)
    play(album, [*steps, ("run", [])])
    album.consolidate()
    check_pairs(album)
    assert not album.clusterer.is_approximate
    if not album.clusterer.capped_lists:
        assert album.partition() == album.at_once()


def film(count: int) -> Pool:
    """Frames that drift: a component without an end."""
    return Pool(at_angles(*(np.arange(count) * 9.0 % 350)))


def test_a_long_film_is_looked_at_only_around_what_is_new() -> None:
    album = SimilarAlbum(film(36), THRESHOLD, guard=10)
    album.insert(range(30))
    first = album.run()
    assert first.work.items_guarded == 30
    assert album.clusterer.is_approximate
    album.insert([30])
    work = album.run().work
    assert (work.items_new, work.items_guarded) == (1, 1)
    assert work.items_reopened < 20
    album.consolidate()
    assert album.partition() == album.at_once()
    assert not album.clusterer.is_approximate
    album.insert([31])
    assert album.run().work.items_guarded == 1


def test_a_film_that_is_cut_up_is_looked_at_whole_again_after_a_consolidation() -> None:
    album = SimilarAlbum(film(36), THRESHOLD, guard=10)
    album.insert(range(30))
    album.remove([i for i in range(30) if i % 8 > 2])
    album.consolidate()
    album.insert([31])
    assert album.run().work.items_guarded == 0
    assert album.partition() == album.at_once()
    assert not album.clusterer.is_approximate


def test_neighbours_beyond_the_most_are_counted_and_left_out() -> None:
    pool = Pool(normalised(np.array([[100, k] for k in range(COUNT)])))
    album = SimilarAlbum(pool, THRESHOLD, most=5)
    album.insert(range(12))
    assert album.clusterer.capped_lists == 12
    album.insert([13])
    album.run()
    assert album.clusterer.capped_lists == 13
    check_pairs(album)
    whole = SimilarAlbum(pool, THRESHOLD, most=12)
    whole.insert(range(12))
    whole.run()
    assert whole.clusterer.capped_lists == 0
    assert whole.clusterer.pair_count == 12 * 11 / 2


def test_the_slot_of_a_removed_picture_can_return_before_the_next_run() -> None:
    # 0 gave its group its place in the books; when the slot returns, that is another picture.
    pool = Pool(at_angles(0, 5, 10, 180, 185, 190))
    for slot in range(3):
        album = SimilarAlbum(pool, THRESHOLD, guard=0)
        album.insert(range(6))
        album.run()
        album.remove([slot])
        album.free()
        pool.fixed_rows[slot], pool.vectors[slot] = pool.fixed_rows[4], pool.vectors[4]
        album.insert([slot])
        album.run()
        left = {0, 1, 2} - {slot}
        assert album.partition() == {frozenset(left), frozenset([slot, 3, 4, 5])}
        assert album.clusterer.means(np.array(sorted(left))).max() < 1
        pool = Pool(at_angles(0, 5, 10, 180, 185, 190))


def test_only_what_was_touched_is_looked_at() -> None:
    pool = Pool(normalised(np.repeat(np.eye(6), 4, axis=0) + np.arange(24)[:, None] / 1000))
    album = SimilarAlbum(pool, THRESHOLD)
    album.insert([item for item in range(24) if item != 9])
    work = album.run().work
    assert (work.items_new, work.clusters_touched, work.items_reopened) == (23, 6, 23)
    assert album.run().groups == []
    album.insert([9])
    work = album.run().work
    assert (work.items_new, work.clusters_touched, work.items_reopened) == (1, 1, 4)
    assert work.pairs_compared == 3
    album.clusterer.touch(np.array([20]))
    assert [group.slots.tolist() for group in album.run().groups] == [[20, 21, 22, 23]]
    assert album.consolidate().work.items_reopened == 24
    assert len(album.clusterer) == 24


def test_groups_come_in_canonical_order() -> None:
    pool = Pool(crowd(4, count=COUNT, dimension=8, people=8, noise=0.5))
    album = SimilarAlbum(pool, THRESHOLD)
    album.insert(range(COUNT))
    keys = [pool.keys[group.slots].min() for group in album.run().groups]
    assert keys == sorted(keys)
    assert len(keys) > 3


def test_large_runs_are_cut_in_batches_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(crowd(4, count=120, dimension=24, people=30, noise=0.6))
    found = []
    for at_once in (32_768, 5):
        monkeypatch.setattr(similar, "_ITEMS_AT_ONCE", at_once)
        album = SimilarAlbum(pool, THRESHOLD)
        album.insert(range(120))
        found.append([group.slots.tolist() for group in album.run().groups])
    assert found[0] == found[1]
    assert 10 < len(found[0]) < 120


def test_no_list_is_ever_hollow() -> None:
    album = SimilarAlbum(film(20), THRESHOLD)
    album.insert(range(20))
    album.remove(range(1, 20, 2))
    assert len(album.clusterer.hollow()) == 0
    pairs = album.clusterer.pair_count
    album.clusterer.refill(slots_of([0]), album.pool.near(slots_of([0]), slots_of([2]), 0.1))
    assert album.clusterer.pair_count == pairs
