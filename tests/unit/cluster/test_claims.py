import numpy as np
import pytest

from imm_ray.cluster.claims import Claims

LABELS = np.array([4, 4, 7, 7, -1, 9], np.int32)


@pytest.fixture
def claims() -> Claims:
    """Slots 0 and 5 belong to person 1, 3 to 2, 4 (in no cluster) to 3; 1 is kept out of 2."""
    claims = Claims(lambda slots: LABELS[slots])
    for slot, owner in ((5, 1), (0, 1), (3, 2), (4, 3)):
        claims.pin(slot, owner)
    claims.ban(1, 2)
    return claims


def test_pinned_faces_have_owners_and_so_have_their_clusters(claims: Claims) -> None:
    assert claims.owners(np.array([4, 0, 1, 3, 5, 2])).tolist() == [3, 1, 0, 2, 1, 0]
    assert claims.owner_of_clusters() == {4: 1, 9: 1, 7: 2}
    assert claims.cluster_owners(np.array([9, 8, 7])).tolist() == [1, 0, 2]
    assert claims.pinned() == {0: 1, 3: 2, 4: 3, 5: 1}


def test_a_face_has_one_owner_and_any_number_of_bans(claims: Claims) -> None:
    claims.pin(0, 2)
    claims.ban(1, 3)
    assert claims.owner(0) == 2
    assert set(claims.bans(1)) == {2, 3}
    assert [(slot, set(owners)) for slot, owners in claims.banned()] == [(1, {2, 3})]


def test_what_is_taken_back_leaves_nothing(claims: Claims) -> None:
    claims.unpin(0)
    claims.unpin(2)
    claims.lift(1, 2)
    claims.lift(1, 5)
    assert claims.owner(0) == 0
    assert list(claims.banned()) == []
    assert claims.owner_of_clusters() == {9: 1, 7: 2}


def test_faces_that_are_no_more_are_forgotten(claims: Claims) -> None:
    claims.forget(np.array([0, 1, 2]))
    assert claims.pinned() == {3: 2, 4: 3, 5: 1}
    assert not claims.bans(1)


def test_without_claims_nobody_owns_anything() -> None:
    claims = Claims(lambda slots: LABELS[slots])
    assert claims.owners(np.array([0, 1])).tolist() == [0, 0]
    assert claims.cluster_owners(np.array([4])).tolist() == [0]
