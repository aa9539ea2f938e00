from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster.fixed import to_cosine
from imm_ray.model import Vectors
from tests.unit.cluster.album import LARGE, PeopleAlbum, Pool, slots_of
from tests.unit.cluster.sample import at_angles, crowd, figure_limits, pools, seeds

COUNT = 24
LIMITS = figure_limits(strong=0.55, strong_share=0.3, second_mean=0.3, second_smallest=2)
Step: TypeAlias = tuple[str, list[int]]
items = st.lists(st.integers(0, COUNT - 1), max_size=8)
VERBS = ["insert", "insert", "insert", "remove", "run", "free", "pin", "ban", "touch"]
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(VERBS), items), max_size=16
)
photos = st.lists(st.integers(0, COUNT - 1), min_size=COUNT, max_size=COUNT)
poor = st.sets(st.integers(0, COUNT - 1), max_size=12)


def play(album: PeopleAlbum, steps: list[Step]) -> None:
    for verb, chosen in steps:
        here = [item for item in chosen if item in album.here]
        match verb:
            case "insert":
                album.insert(chosen)
            case "remove":
                album.remove(chosen)
            case "free":
                album.free()
            case "touch":
                album.clusterer.touch(slots_of(here))
            case "run":
                album.run()
                if not album.clusterer.is_approximate:
                    check_at_once(album)
            case _:
                claim(album, verb, here)


def claim(album: PeopleAlbum, verb: str, here: list[int]) -> None:
    for place, item in enumerate(here):
        if verb == "pin":
            album.pin(item, (item + place) % 4)
        else:
            album.ban(item, 1 + (item + place) % 3, lift=place % 3 == 2)


def check_at_once(album: PeopleAlbum) -> None:
    """What all runs have told adds up to what one run over everything finds."""
    at_once = album.at_once()
    assert album.partition() == at_once.partition()
    assert album.owners() == at_once.owners()


@settings(deadline=None, max_examples=100)
@given(pool=pools(COUNT), photos=photos, poor=poor, steps=steps)
def test_runs_come_to_one_run_over_everything(
    pool: Vectors, photos: list[int], poor: set[int], steps: list[Step]
) -> None:
    album = PeopleAlbum(Pool(pool, photos=photos, poor=poor), LIMITS)
    play(album, steps)
    album.run()
    check_at_once(album)


@settings(deadline=None, max_examples=100)
@given(pool=pools(COUNT), photos=photos, poor=poor, steps=steps, exact_items=st.integers(0, 8))
def test_a_consolidation_comes_to_one_run_over_everything(
    pool: Vectors, photos: list[int], poor: set[int], steps: list[Step], exact_items: int
) -> None:
    album = PeopleAlbum(Pool(pool, photos=photos, poor=poor), LIMITS, exact_items=exact_items)
    play(album, steps)
    run = album.consolidate()
    assert {slot for group in run.groups for slot in group.slots.tolist()} == album.here
    check_at_once(album)


@settings(deadline=None, max_examples=60)
@given(
    pool=pools(COUNT),
    photos=photos,
    poor=poor,
    steps=steps,
    exact_items=st.sampled_from([0, LARGE]),
)
def test_what_is_told_is_all_that_changed(
    pool: Vectors, photos: list[int], poor: set[int], steps: list[Step], exact_items: int
) -> None:
    """After any run a look at every single face finds nothing new."""
    album = PeopleAlbum(Pool(pool, photos=photos, poor=poor), LIMITS, exact_items=exact_items)
    play(album, steps)
    album.run()
    told, owners = album.partition(), album.owners()
    album.clusterer.touch(slots_of(sorted(album.here)))
    album.run()
    assert album.partition() == told
    assert album.owners() == owners
    assert album.run().groups == []


@settings(deadline=None, max_examples=80)
@given(
    pool=pools(COUNT),
    photos=photos,
    poor=poor,
    steps=steps,
    exact_items=st.sampled_from([0, LARGE]),
)
def test_the_word_of_users_holds(
    pool: Vectors, photos: list[int], poor: set[int], steps: list[Step], exact_items: int
) -> None:
    album = PeopleAlbum(Pool(pool, photos=photos, poor=poor), LIMITS, exact_items=exact_items)
    play(album, [*steps, ("run", [])])
    for item, owner in album.pins.items():
        if owner:
            assert album.group_of[item].owner == owner
            theirs = {other for other, his in album.pins.items() if his == owner}
            assert theirs <= set(album.group_of[item].slots.tolist())
    for item, owner in album.bans:
        assert album.group_of[item].owner != owner or album.pins.get(item) == owner


@settings(deadline=None, max_examples=80)
@given(
    pool=pools(COUNT),
    photos=photos,
    poor=poor,
    steps=steps,
    exact_items=st.sampled_from([0, LARGE]),
)
def test_nobody_is_twice_in_a_photo(
    pool: Vectors, photos: list[int], poor: set[int], steps: list[Step], exact_items: int
) -> None:
    album = PeopleAlbum(Pool(pool, photos=photos, poor=poor), LIMITS, exact_items=exact_items)
    play(album, [step for step in [*steps, ("run", [])] if step[0] != "pin"])
    for a, b in album.pool.barred(LIMITS.same_photo):
        assert not {a, b} <= album.here or not album.together(a, b)


@settings(deadline=None, max_examples=30)
@given(seed=seeds, order=st.permutations(range(60)), width=st.integers(3, 6))
def test_capped_lists_never_lose_or_double_a_face(seed: int, order: list[int], width: int) -> None:
    pool = Pool(crowd(seed, count=60, dimension=8, people=4), poor=range(0, 60, 4))
    album = PeopleAlbum(pool, LIMITS, exact_items=0, width=width)
    for part in np.split(np.array(order), 6):
        album.insert(part.tolist())
        album.run()
    album.remove(order[:20])
    album.run()
    album.free()
    album.run()
    assert {item for group in album.partition() for item in group} == album.here
    assert sum(map(len, album.partition())) == len(album.here) == len(album.clusterer)
    assert album.clusterer.capped_lists > 0


def test_groups_come_in_canonical_order() -> None:
    pool = Pool(at_angles(0, 90, 0, 90, 200))
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]):
        album = PeopleAlbum(pool, LIMITS)
        for item in order:
            album.insert([item])
        found = [group.slots.tolist() for group in album.run().groups]
        keys = [pool.keys[slots].min() for slots in found]
        assert keys == sorted(keys)
        assert sorted(found) == [[0, 2], [1, 3], [4]]


def test_a_touched_face_is_told_of_though_nothing_changed() -> None:
    album = PeopleAlbum(Pool(at_angles(0, 5, 90, 7), poor=[3]), LIMITS)
    album.insert(range(4))
    album.run()
    assert album.run().groups == []
    album.clusterer.touch(np.array([3]))
    assert [group.slots.tolist() for group in album.run().groups] == [[0, 1, 3]]


def test_slots_are_freed_when_enough_wait() -> None:
    album = PeopleAlbum(Pool(crowd(0, count=100, dimension=8, people=9)), LIMITS)
    album.insert(range(100))
    album.run()
    album.remove([1, 2])
    assert album.clusterer.freed().tolist() == []
    album.remove([10, 11, 12, 13, 14])
    assert sorted(album.clusterer.freed().tolist()) == [1, 2, 10, 11, 12, 13, 14]
    assert album.clusterer.freed().tolist() == []


def test_anchors_are_the_most_central_of_each_base_cluster() -> None:
    # Base clusters 0..4 around 10 and 5..7 around 100; 8 only follows.
    album = PeopleAlbum(Pool(at_angles(0, 8, 11, 20, 90, 95, 101, 12), poor=[7]), LIMITS)
    album.insert(range(8))
    album.run()
    clusterer = album.clusterer
    assert clusterer.anchors(np.arange(8)).tolist() == [2, 5]
    assert clusterer.anchors(np.array([3, 0, 4])).tolist() in ([0, 4], [3, 4])
    assert clusterer.anchors(np.array([7])).tolist() == []
    first, second, none = clusterer.bases(np.array([0, 5, 7])).tolist()
    assert clusterer.bases(np.arange(8)).tolist() == [first] * 4 + [second] * 3 + [none]
    assert none == -1 != first != second


def test_means_are_those_to_the_others_of_the_base_cluster() -> None:
    album = PeopleAlbum(Pool(at_angles(0, 8, 20, 200, 12, 300), poor=[4, 5]), LIMITS)
    album.insert(range(6))
    album.run()
    matrix = album.pool.matrix
    expected = [
        to_cosine(matrix[0, [1, 2]].mean()),
        to_cosine(matrix[1, [0, 2]].mean()),
        to_cosine(matrix[2, [0, 1]].mean()),
        1.0,
        to_cosine(matrix[4, [0, 1, 2]].mean()),
        1.0,
    ]
    assert album.clusterer.means(np.arange(6)).tolist() == pytest.approx(expected, rel=1e-12)
    assert album.clusterer.means(slots_of([])).tolist() == []
