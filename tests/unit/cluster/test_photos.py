from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster.fixed import quantise, to_fixed
from imm_ray.cluster.photos import Photos
from tests.unit.cluster.sample import at_angles, crowd, seeds, similarities

SAME_PHOTO = to_fixed(np.cos(np.radians(15)))


def photos_of(photos: list[int], degrees: list[float]) -> Photos:
    found = Photos(SAME_PHOTO)
    found.reserve(len(photos))
    found.insert(np.arange(len(photos)), np.array(photos), quantise(at_angles(*degrees)))
    return found


@pytest.fixture
def photos() -> Photos:
    """Photo 5: faces 0 and 1 alike, 2 another person. Photo 7: 3 and 4, two people."""
    return photos_of([5, 5, 5, 7, 7], [0, 10, 40, 0, 50])


def test_two_faces_of_one_photo_are_two_people_unless_they_look_alike(photos: Photos) -> None:
    apart = {(a, b) for a, b in combinations(range(5), 2) if photos.conflict(a, b)}
    assert apart == {(0, 2), (1, 2), (3, 4)}
    assert {(a, b) for a, b in combinations(range(5), 2) if photos.passed(b, a)} == {(0, 1)}
    assert photos.rivals(0) == [2]
    assert photos.rivals(2) == [0, 1]


def test_the_limit_itself_passes() -> None:
    vectors = quantise(at_angles(0, 15))
    exact = int(similarities(vectors)[0, 1])
    for limit, conflict in ((exact, False), (exact + 1, True)):
        photos = Photos(limit)
        photos.reserve(2)
        photos.insert(np.arange(2), np.zeros(2, np.int64), vectors)
        assert photos.conflict(0, 1) == conflict


def test_a_removed_face_rules_nothing_out_and_its_slot_is_clean(photos: Photos) -> None:
    photos.remove(np.array([0, 3]))
    assert not photos.conflict(3, 4)
    assert photos.rivals(2) == [1]
    photos.insert(np.array([0]), np.array([9]), quantise(at_angles(0)))
    assert not photos.passed(0, 1)
    assert not photos.conflict(0, 2)
    photos.remove(np.array([0, 1, 2, 4]))
    assert not len(photos)


def test_faces_alone_in_their_photo_conflict_with_nobody(photos: Photos) -> None:
    photos.reserve(10_000)
    assert photos.rivals(9_999) == []
    assert not photos.conflict(9_998, 9_999)
    photos.remove(np.array([9_999]))


@settings(deadline=None)
@given(data=st.data(), seed=seeds)
def test_nodes_conflict_that_hold_two_people_of_one_photo(data: st.DataObject, seed: int) -> None:
    count = 12
    photo = np.array(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)))
    nodes = np.array(data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)))
    slots = np.array(data.draw(st.permutations(range(count)))[: data.draw(st.integers(0, count))])
    fixed = quantise(crowd(seed, count=count, dimension=3, people=4))
    photos = Photos(SAME_PHOTO)
    photos.reserve(count)
    photos.insert(np.arange(count), photo, fixed)
    near = similarities(fixed) >= SAME_PHOTO
    expected = {
        (min(m, n), max(m, n))
        for (a, m), (b, n) in combinations(
            zip(slots.tolist(), nodes.tolist()[: len(slots)], strict=True), 2
        )
        if m != n and photo[a] == photo[b] and not near[a, b]
    }
    u, v = photos.conflicts(slots.astype(np.int64), nodes[: len(slots)])
    assert list(zip(u.tolist(), v.tolist(), strict=True)) == sorted(expected)
