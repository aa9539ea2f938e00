from dataclasses import replace

import numpy as np
import pytest

from imm_ray.cluster.explanation import Reason
from imm_ray.cluster.fixed import to_cosine
from tests.unit.cluster.album import PeopleAlbum, Pool
from tests.unit.cluster.sample import at_angles, figure_limits

SECOND = figure_limits(strong=0.6, strong_share=0.5, second_mean=0.35, second_smallest=2)


@pytest.fixture
def album() -> PeopleAlbum:
    """{0, 1} and {2, 3} one person by the second pass, {4, 5} another; 6 follows, 7 does not."""
    pool = Pool(
        at_angles(0, 20, 70, 85, 200, 205, 10, 280),
        poor=[6, 7],
        photos=[0, 1, 2, 3, 4, 1, 6, 7],
    )
    album = PeopleAlbum(pool, SECOND)
    album.insert(range(8))
    album.run()
    assert album.partition() == {frozenset([0, 1, 2, 3, 6]), frozenset([4, 5]), frozenset([7])}
    return album


def reason(album: PeopleAlbum, a: int, b: int) -> Reason:
    """Why, the same both ways, and in step with the groups."""
    found = album.clusterer.explain(a, b)
    back = album.clusterer.explain(b, a)
    assert (found.together, found.reason) == (back.together, back.reason)
    assert found.together == album.together(a, b)
    return found.reason


def test_what_brings_two_faces_together(album: PeopleAlbum) -> None:
    assert reason(album, 0, 1) is Reason.SAME_BASE
    assert reason(album, 1, 2) is Reason.SECOND_PASS
    assert reason(album, 6, 2) is Reason.SECOND_PASS
    assert reason(album, 0, 6) is Reason.FOLLOWS


def test_what_keeps_two_faces_apart(album: PeopleAlbum) -> None:
    assert reason(album, 0, 4) is Reason.TOO_DIFFERENT
    assert reason(album, 1, 5) is Reason.SAME_PHOTO
    assert reason(album, 4, 7) is Reason.POOR_FACE
    assert reason(album, 6, 7) is Reason.POOR_FACE


def test_what_users_have_said(album: PeopleAlbum) -> None:
    album.pin(0, 1)
    album.pin(4, 1)
    album.pin(7, 1)
    album.run()
    assert reason(album, 1, 4) is Reason.USER
    assert reason(album, 7, 5) is Reason.USER
    assert reason(album, 0, 1) is Reason.SAME_BASE
    album.pin(4, 2)
    album.run()
    assert reason(album, 0, 5) is Reason.TWO_PERSONS
    assert reason(album, 7, 4) is Reason.TWO_PERSONS
    album.ban(3, 1)
    album.run()
    assert reason(album, 0, 3) is Reason.KEPT_OUT


def test_two_poor_faces_that_a_user_gave_to_one_person(album: PeopleAlbum) -> None:
    album.pin(6, 3)
    album.pin(7, 3)
    album.run()
    assert album.together(6, 7)
    assert reason(album, 6, 7) is Reason.USER


def test_what_would_be_near_enough_but_has_nearer_ones() -> None:
    # 2 is near enough to the first cluster as it stands, which its photo keeps from growing.
    pool = Pool(at_angles(0, 30, 45), photos=[0, 1, 0])
    album = PeopleAlbum(pool, figure_limits(same_photo=0.99))
    album.insert(range(3))
    album.run()
    assert album.partition() == {frozenset([0]), frozenset([1, 2])}
    assert reason(album, 0, 1) is Reason.OTHERS_NEARER


def test_the_figures_behind_it(album: PeopleAlbum) -> None:
    found = album.clusterer.explain(1, 2)
    matrix = album.pool.matrix
    assert found.similarity == to_cosine(int(matrix[1, 2]))
    across = matrix[np.ix_([0, 1], [2, 3])].mean()
    assert found.mean_similarity == pytest.approx(to_cosine(across), rel=1e-12)
    assert found.threshold == 0.5
    assert found.base_clusters == (2, 2)
    assert album.clusterer.explain(0, 1).mean_similarity is None
    assert album.clusterer.explain(0, 7).base_clusters == (2, 0)


def test_it_can_be_read(album: PeopleAlbum) -> None:
    together = album.clusterer.explain(1, 2).sentence
    assert together.startswith("One person: their groups are just below the threshold")
    assert "clusters of 2 and 2 on average 0.37" in together
    apart = album.clusterer.explain(4, 7)
    assert apart.sentence.startswith("Not one person: one is too poor")
    assert "clusters of 2 and 0; threshold 0.500" in apart.sentence
    for why in Reason:
        assert replace(apart, reason=why).sentence
