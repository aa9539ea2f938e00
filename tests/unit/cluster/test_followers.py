import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster.limits import FigureLimits
from imm_ray.model import Vectors
from tests.unit.cluster.album import LARGE, BaseAlbum, PeopleAlbum, Pool
from tests.unit.cluster.sample import at_angles, figure_limits, pools

COUNT = 24
LIMITS = figure_limits(same_photo=0.999)


def album_of(
    *degrees: float,
    poor: list[int],
    photos: list[int] | None = None,
    limits: FigureLimits = LIMITS,
) -> PeopleAlbum:
    album = PeopleAlbum(Pool(at_angles(*degrees), poor=poor, photos=photos), limits)
    album.insert(range(len(degrees)))
    album.run()
    return album


def test_a_poor_face_joins_whom_it_is_like() -> None:
    assert album_of(0, 5, 40, poor=[2]).partition() == {frozenset([0, 1, 2])}


def test_poor_faces_found_nothing_however_alike_they_are() -> None:
    album = album_of(0, 0, 1, 1, poor=[0, 1, 2, 3])
    assert album.partition() == {frozenset([item]) for item in range(4)}


def test_a_lone_face_is_not_followed() -> None:
    assert album_of(0, 1, 2, poor=[1, 2]).partition() == {frozenset([i]) for i in range(3)}
    assert album_of(0, 1, 2, poor=[2]).partition() == {frozenset([0, 1, 2])}


def test_a_poor_face_between_two_people_is_no_bridge() -> None:
    album = album_of(0, 5, 95, 100, 49, poor=[4])
    assert album.partition() == {frozenset([0, 1, 4]), frozenset([2, 3])}


def test_the_mean_decides_and_must_reach_the_threshold() -> None:
    # The nearest single face is of the first cluster, the nearest cluster is the second.
    album = album_of(0, 40, 100, 102, 69, poor=[4], limits=figure_limits(threshold=0.7))
    assert album.partition() == {frozenset([0, 1]), frozenset([2, 3, 4])}
    album = album_of(0, 40, 84, poor=[2], limits=figure_limits(threshold=0.7))
    assert album.partition() == {frozenset([0, 1]), frozenset([2])}


def test_the_threshold_itself_is_enough() -> None:
    pool = Pool(at_angles(0, 0, 50), poor=[2])
    mean = int(pool.matrix[0, 2])
    for threshold, joins in ((mean, True), (mean + 1, False)):
        album = PeopleAlbum(pool, figure_limits(threshold=threshold / 2**28))
        album.insert(range(3))
        album.run()
        assert album.together(0, 2) == joins


def test_of_one_photo_the_most_alike_follows_and_the_other_looks_further() -> None:
    album = album_of(0, 5, 80, 85, 20, 30, poor=[4, 5], photos=[0, 1, 2, 3, 4, 4])
    assert album.partition() == {frozenset([0, 1, 4]), frozenset([2, 3, 5])}
    album = album_of(0, 5, 20, 30, poor=[2, 3], photos=[0, 1, 2, 2])
    assert album.partition() == {frozenset([0, 1, 2]), frozenset([3])}


def test_who_was_second_takes_the_place_of_a_removed_follower() -> None:
    album = album_of(0, 5, 20, 30, poor=[2, 3], photos=[0, 1, 2, 2])
    album.remove([2])
    run = album.run()
    assert album.partition() == {frozenset([0, 1, 3])}
    assert len(run.groups) == 1


def test_a_good_face_of_the_same_photo_comes_first() -> None:
    album = album_of(0, 5, 10, poor=[2], photos=[0, 1, 1])
    assert album.partition() == {frozenset([0, 1]), frozenset([2])}
    album.remove([1])
    album.run()
    assert album.partition() == {frozenset([0]), frozenset([2])}


def test_a_mirror_image_may_follow_beside_its_good_face() -> None:
    mirror = figure_limits(same_photo=0.99)
    album = album_of(0, 5, 10, poor=[2], photos=[0, 1, 1], limits=mirror)
    assert album.partition() == {frozenset([0, 1, 2])}


def test_the_photos_of_all_base_clusters_of_a_person_count() -> None:
    # 4 is like the first cluster; 2, of its photo, is in another one of the same person.
    album = album_of(0, 5, 100, 105, 10, poor=[4], photos=[0, 1, 2, 3, 2])
    assert album.together(0, 4)
    album.pin(0, 1)
    album.pin(3, 1)
    album.run()
    assert album.partition() == {frozenset([0, 1, 2, 3]), frozenset([4])}


def test_a_poor_face_stays_out_of_whom_it_is_banned_from() -> None:
    album = album_of(0, 5, 70, 75, 20, poor=[4])
    assert album.together(0, 4)
    album.ban(4, 1)
    album.run()
    assert album.together(0, 4)
    album.pin(0, 1)
    album.run()
    assert album.partition() == {frozenset([0, 1]), frozenset([2, 3, 4])}
    album.ban(4, 1, lift=True)
    album.run()
    assert album.together(0, 4)


def test_a_pinned_poor_face_is_where_it_was_pinned_and_nowhere_else() -> None:
    album = album_of(0, 5, 100, 105, 10, poor=[4])
    album.pin(2, 1)
    album.run()
    assert album.partition() == {frozenset([0, 1, 4]), frozenset([2, 3])}
    album.pin(4, 1)
    album.run()
    assert album.partition() == {frozenset([0, 1]), frozenset([2, 3, 4])}
    assert album.owners() == {0: 0, 1: 0, 2: 1, 3: 1, 4: 1}
    album.pin(4, 0)
    album.run()
    assert album.together(0, 4)


def test_a_pinned_poor_face_holds_the_place_of_its_photo() -> None:
    album = album_of(0, 5, 10, 20, poor=[2, 3], photos=[0, 1, 2, 2])
    assert album.partition() == {frozenset([0, 1, 2]), frozenset([3])}
    album.pin(0, 1)
    album.pin(3, 1)
    album.run()
    assert album.partition() == {frozenset([0, 1, 3]), frozenset([2])}


def test_poor_faces_alone_can_be_a_person_of_a_user() -> None:
    album = album_of(0, 100, 200, poor=[0, 1, 2])
    album.pin(0, 5)
    album.pin(2, 5)
    album.run()
    assert album.partition() == {frozenset([0, 2]), frozenset([1])}
    album.clusterer.touch(np.array([2]))
    (group,) = album.run().groups
    assert (group.slots.tolist(), group.owner) == ([0, 2], 5)


def test_all_poor_faces_of_a_photo_choose_anew_when_one_of_them_does() -> None:
    # 4 and 6 look alike (a mirror), 5 is somebody else. When 0 and 1 go, 5 must leave 2 to 4.
    limits = figure_limits(same_photo=0.97)
    pool = Pool(at_angles(0, 5, 80, 85, 30, 48, 20), poor=[4, 5, 6], photos=[0, 1, 2, 3, 4, 4, 4])
    album = PeopleAlbum(pool, limits)
    album.insert(range(7))
    album.run()
    album.remove([0, 1])
    album.run()
    assert album.partition() == album.at_once().partition()


@settings(deadline=None, max_examples=60)
@given(
    pool=pools(COUNT),
    poor=st.sets(st.integers(0, COUNT - 1)),
    order=st.permutations(range(COUNT)),
    exact_items=st.sampled_from([0, LARGE]),
)
def test_poor_faces_change_nothing_for_the_good_ones_and_come_in_any_order(
    pool: Vectors, poor: set[int], order: list[int], exact_items: int
) -> None:
    faces = Pool(pool, poor=poor)
    good = [item for item in order if item not in poor]
    alone = BaseAlbum(faces, LIMITS)
    alone.insert(good)
    alone.run()
    album = PeopleAlbum(faces, LIMITS, exact_items=exact_items)
    for part in np.split(np.array(order), 4):
        album.insert(part.tolist())
        album.run()
    album.consolidate()
    groups = album.partition()
    assert {group - poor for group in groups} - {frozenset()} == alone.partition()
    for group in groups:
        assert len(group) == 1 or len(group - poor) >= min(2, len(group))
    straight = PeopleAlbum(faces, LIMITS)
    straight.insert(range(COUNT))
    straight.run()
    assert groups == straight.partition()
