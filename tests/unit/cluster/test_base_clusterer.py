from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster import base_clusterer
from imm_ray.cluster.agreement import adjusted_rand_index
from imm_ray.model import Vectors
from tests.unit.cluster.album import LARGE, BaseAlbum, Pool, slots_of
from tests.unit.cluster.sample import Partition, at_angles, crowd, figure_limits, pools, seeds

COUNT = 24
LIMITS = figure_limits()
Step: TypeAlias = tuple[str, list[int]]
items = st.lists(st.integers(0, COUNT - 1), max_size=8)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(["insert", "insert", "remove", "run", "free", "claim"]), items),
    max_size=14,
)
photos = st.lists(st.integers(0, COUNT - 1), min_size=COUNT, max_size=COUNT)


def play(album: BaseAlbum, steps: list[Step]) -> None:
    """Do things to an album; after every run its books agree and it told what changed."""
    before = album.clusters()
    for verb, chosen in steps:
        if verb == "insert":
            album.insert(chosen)
        elif verb == "remove":
            album.remove(chosen)
            # What comes again is not what went.
            before = {
                number: frozenset(~item if item in chosen else item for item in members)
                for number, members in before.items()
            }
        elif verb == "free":
            album.free()
        elif verb == "claim":
            claim(album, chosen)
        else:
            before = finish(album, before)
    finish(album, before)


def finish(album: BaseAlbum, before: dict[int, frozenset[int]]) -> dict[int, frozenset[int]]:
    album.run()
    album.check_books()
    after = album.clusters()
    assert album.changed.numbers == {n for n in after if after[n] != before.get(n)}
    assert album.changed.gone == before.keys() - after.keys()
    return after


def claim(album: BaseAlbum, chosen: list[int]) -> None:
    """Pin and ban faces, and take that back from others."""
    clusterer = album.clusterer
    for place, item in enumerate(i for i in chosen if i in album.here and album.pool.core[i]):
        owner = 1 + item % 2
        if place % 4 == 0:
            clusterer.claims.lift(item, owner)
            clusterer.claims.pin(item, owner)
        elif place % 4 == 1 and clusterer.claims.owner(item) != owner:
            clusterer.claims.ban(item, owner)
        elif place % 4 == 2:
            clusterer.claims.unpin(item)
        else:
            clusterer.claims.lift(item, owner)
        clusterer.reopen(np.array([item]))


@settings(deadline=None, max_examples=80)
@given(pool=pools(COUNT), photos=photos, steps=steps)
def test_runs_over_whole_components_are_average_link_by_the_book(
    pool: Vectors, photos: list[int], steps: list[Step]
) -> None:
    album = BaseAlbum(Pool(pool, photos=photos, poor=[5, 11]), LIMITS)
    play(album, steps)
    assert not album.clusterer.is_approximate
    assert album.partition() == album.by_the_book()
    album.consolidate()
    album.check_books()
    assert not album.changed.numbers
    assert not album.changed.gone


@settings(deadline=None, max_examples=80)
@given(pool=pools(COUNT), photos=photos, steps=steps, exact_items=st.sampled_from([0, 6]))
def test_a_consolidation_makes_runs_around_new_items_average_link_by_the_book(
    pool: Vectors, photos: list[int], steps: list[Step], exact_items: int
) -> None:
    album = BaseAlbum(Pool(pool, photos=photos, poor=[5, 11]), LIMITS, exact_items=exact_items)
    play(album, steps)
    if not album.clusterer.is_approximate:
        assert album.partition() == album.by_the_book()
    before = album.clusters()
    album.consolidate()
    album.check_books()
    assert not album.clusterer.is_approximate
    assert album.partition() == album.by_the_book()
    after = album.clusters()
    assert album.changed.numbers == {n for n in after if after[n] != before.get(n)}


@pytest.mark.parametrize("seed", range(4))
def test_runs_around_new_items_come_near_to_everything_at_once(seed: int) -> None:
    pool = Pool(crowd(seed, count=600, dimension=64, people=50, noise=1.1))
    limits = figure_limits(threshold=0.3)
    at_once = BaseAlbum(pool, limits)
    at_once.insert(range(600))
    at_once.run()
    found = []
    for order in range(2):
        album = BaseAlbum(pool, limits, exact_items=0)
        for part in np.split(np.random.default_rng(order).permutation(600), 12):
            album.insert(part.tolist())
            album.run()
        found.append(album.clusterer.base.label[:600].copy())
        assert adjusted_rand_index(at_once.clusterer.base.label[:600], found[-1]) >= 0.98
        album.consolidate()
        assert album.partition() == at_once.partition()
    assert adjusted_rand_index(*found) >= 0.98


@settings(deadline=None, max_examples=60)
@given(pool=pools(COUNT), steps=steps, exact_items=st.sampled_from([0, LARGE]))
def test_no_cluster_has_two_owners_or_one_of_whom_a_face_is_kept_out(
    pool: Vectors, steps: list[Step], exact_items: int
) -> None:
    album = BaseAlbum(Pool(pool), LIMITS, exact_items=exact_items)
    play(album, steps)
    claims = album.clusterer.claims
    for members in album.partition():
        owners = {claims.owner(item) for item in members} - {0}
        assert len(owners) <= 1
        assert not any(owners & claims.bans(item) for item in members)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, width=st.integers(2, 6))
def test_runs_that_miss_what_capped_lists_hide_say_so(seed: int, width: int) -> None:
    pool = Pool(crowd(seed, count=60, dimension=12, people=6))
    album = BaseAlbum(pool, LIMITS, width=width)
    for part in np.split(np.random.default_rng(seed).permutation(60), 6):
        album.insert(part.tolist())
        album.run()
    before, approximate = album.partition(), album.clusterer.is_approximate
    album.consolidate()
    album.check_books()
    assert approximate or album.partition() == before


@settings(deadline=None, max_examples=40)
@given(seed=seeds, width=st.integers(2, 6), steps=steps)
def test_with_capped_lists_a_consolidation_is_the_same_for_any_order(
    seed: int, width: int, steps: list[Step]
) -> None:
    pool = Pool(crowd(seed, count=COUNT, dimension=8, people=3))
    straight = BaseAlbum(pool, LIMITS, width=width)
    straight.insert(range(COUNT))
    straight.consolidate()
    album = BaseAlbum(pool, LIMITS, width=width, exact_items=0)
    play(album, [step for step in steps if step[0] in ("insert", "run")])
    album.insert(range(COUNT))
    album.consolidate()
    assert album.partition() == straight.partition()


def test_of_what_is_far_from_the_new_nothing_is_opened() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(8), 30, axis=0)
    vectors = centres + rng.normal(size=centres.shape) * 0.05
    pool = Pool((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16))
    album = BaseAlbum(pool, LIMITS, exact_items=0)
    album.insert([item for item in range(240) if item != 100])
    album.run()
    album.insert([100])
    _, work = album.clusterer.run()
    assert (work.items_new, work.items_reopened, work.clusters_touched) == (1, 1, 1)
    assert work.pairs_compared == 29
    assert frozenset(range(90, 120)) in album.partition()


@pytest.mark.parametrize(("margin", "opened"), [(0.05, False), (0.3, True)])
def test_a_cluster_is_opened_when_a_new_item_is_within_the_margin(
    margin: float, opened: bool
) -> None:
    # 80 takes 44 away from 0, with which it had been alone: its mean to both is .49.
    limits = figure_limits(threshold=0.7, margin=margin)
    album = BaseAlbum(Pool(at_angles(0, 44, 80)), limits, exact_items=0)
    album.insert([0, 1])
    album.run()
    assert album.partition() == {frozenset([0, 1])}
    album.insert([2])
    album.run()
    assert (album.partition() == {frozenset([0]), frozenset([1, 2])}) == opened
    album.consolidate()
    assert album.partition() == {frozenset([0]), frozenset([1, 2])}


def test_two_clusters_that_lose_what_kept_them_apart_become_one() -> None:
    pool = Pool(at_angles(0, 6, 3, 12, 18, 15), photos=[0, 1, 2, 3, 4, 2])
    album = BaseAlbum(pool, figure_limits(same_photo=0.999))
    album.insert(range(6))
    album.run()
    assert len(album.partition()) == 2
    album.remove([2, 5])
    album.run()
    assert album.partition() == {frozenset([0, 1, 3, 4])}
    assert len(album.changed.gone) == 1


@pytest.mark.parametrize("exact_items", [0, LARGE])
def test_what_users_say_parts_a_cluster_and_taken_back_it_is_one_again(exact_items: int) -> None:
    album = BaseAlbum(Pool(at_angles(0, 5, 90, 95, 45)), LIMITS, exact_items=exact_items)
    album.insert([0, 1])
    album.run()
    claims, reopen = album.clusterer.claims, album.clusterer.reopen
    whole, parts = {frozenset([0, 1])}, {frozenset([0]), frozenset([1])}
    claims.pin(0, 1)
    words: list[tuple[Callable[[], None], Partition]] = [
        (lambda: claims.pin(1, 2), parts),
        (lambda: claims.unpin(1), whole),
        (lambda: claims.ban(1, 1), parts),
        (lambda: claims.lift(1, 1), whole),
    ]
    for word, expected in words:
        word()
        reopen(np.array([1]))
        album.run()
        assert album.partition() == expected


def test_a_poor_face_joins_no_components() -> None:
    album = BaseAlbum(Pool(at_angles(0, 5, 45, 90, 95), poor=[2]), LIMITS, exact_items=3)
    album.insert([0, 1, 2])
    album.run()
    album.insert([3, 4])
    album.run()
    assert not album.clusterer.is_approximate


def test_clusters_that_a_new_item_fuses_are_opened() -> None:
    # As whole clusters 1, 2, 3 and 0, 4 would become one with 5; item by item they do not.
    pool = Pool(at_angles(90, 30, 50, 10, 100, 70))
    album = BaseAlbum(pool, figure_limits(margin=0.0), exact_items=0)
    album.insert(range(5))
    album.consolidate()
    assert album.partition() == {frozenset([1, 2, 3]), frozenset([0, 4])}
    album.insert([5])
    album.run()
    assert album.partition() == {frozenset([0, 2, 4, 5]), frozenset([1, 3])}


def test_a_cluster_that_only_loses_an_item_has_changed() -> None:
    album = BaseAlbum(Pool(at_angles(0, 1, 2, 90)), LIMITS)
    album.insert(range(4))
    album.run()
    (number,) = (n for n, members in album.clusters().items() if len(members) == 3)
    first = int(np.argmin(album.pool.keys[:3]))
    album.remove([first])
    album.run()
    assert album.changed.numbers == {number}
    album.check_books()


def test_a_consolidation_in_batches_keeps_no_cluster_that_a_removal_has_parted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = Pool(at_angles(0, 50, 100, 200, 250, 300), photos=range(6))
    for at_once in (1, 100):
        monkeypatch.setattr(base_clusterer, "_AT_ONCE", at_once)
        album = BaseAlbum(pool, figure_limits(threshold=0.2))
        album.insert(range(6))
        album.run()
        middle = [
            m for m in ([1], [4]) if any(set(m) < c and len(c) == 3 for c in album.partition())
        ]
        album.remove([item for m in middle for item in m])
        album.consolidate()
        album.check_books()
        assert album.partition() == album.by_the_book()


def test_a_consolidation_of_nothing_is_nothing() -> None:
    album = BaseAlbum(Pool(at_angles(0, 1)), LIMITS)
    album.consolidate()
    assert album.partition() == set()
    album.insert([0, 1])
    album.run()
    album.remove([0, 1])
    album.consolidate()
    assert album.partition() == set()


def test_a_consolidation_tells_how_far_runs_had_drifted() -> None:
    pool = Pool(crowd(3, count=120, dimension=8, people=6, noise=1.2))
    album = BaseAlbum(pool, figure_limits(margin=0.0), exact_items=0)
    for part in np.split(np.arange(120), 30):
        album.insert(part.tolist())
        album.run()
    before = album.clusterer.base.label[:120].copy()
    _, work = album.clusterer.consolidate()
    after = album.clusterer.base.label[:120]
    assert work.drift == adjusted_rand_index(before, after) < 1
    assert work.items_moved == (before != after).sum() > 0
    _, work = album.clusterer.consolidate()
    assert (work.drift, work.items_moved) == (1.0, 0)


@settings(deadline=None, max_examples=40)
@given(
    seed=seeds,
    gone=st.lists(st.integers(0, 19), unique=True, max_size=16),
    width=st.integers(2, 8),
    sweeps=st.booleans(),
)
def test_lists_that_removals_have_emptied_are_refilled(
    seed: int, gone: list[int], width: int, sweeps: bool
) -> None:
    pool = Pool(crowd(seed, count=20, dimension=8, people=1, noise=0.4), poor=[3, 4, 5, 6])
    album = BaseAlbum(pool, LIMITS, width=width)
    album.insert(range(20))
    album.run()
    assert album.clusterer.stirred() == {3, 4, 5, 6}
    assert album.clusterer.stirred() == set()
    album.remove(gone)
    if sweeps:
        album.free()
    lists = album.clusterer.lists
    here = slots_of(sorted(album.here))
    counts = lists.counts[here]
    assert (
        album.clusterer.hollow().tolist()
        == here[lists.capped[here] & (counts < width // 2)].tolist()
    )
    album.refill()
    if sweeps:
        enough = min(width // 2, len(here) - 1)
        assert all(len(lists.neighbours(item)[0]) >= enough for item in here.tolist())
