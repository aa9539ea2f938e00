"""A second pass that weighs pairs of an owner: in whatever order they come, as if at once."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.model import Vectors
from tests.unit.cluster.album import LARGE, Pool
from tests.unit.cluster.sample import at_angles, crowd, normalised, seeds
from tests.unit.cluster.test_figures import photos
from tests.unit.cluster.test_overlay import PAIR, Persons, second_pass

COUNT = 24


def suited() -> Vectors:
    """Two pairs of base clusters at right angles: each is one person, the second one nearer."""
    nearer = at_angles(0, 20, 66, 81)
    return normalised(
        np.concatenate((np.pad(PAIR, ((0, 0), (0, 2))), np.pad(nearer, ((0, 0), (2, 0)))))
    )


OWN = [[0, 1], [4, 5]]
"""Two base clusters that a user gave to one person."""
PARTNERS = [[2, 3], [6, 7]]
"""The second pass pairs each with one of them; faces 2 and 6 are two people of one photo."""
PHOTOS = [0, 1, 2, 3, 4, 5, 2, 7]


def owned(*twos: list[int]) -> Persons:
    persons = Persons(Pool(suited(), photos=PHOTOS), second_pass())
    for two in twos:
        persons.album.insert_only(np.array(two))
        for item in {0, 4} & set(two):
            persons.pin(item, 1)
        persons.update()
        persons.check_rebuilt()
    return persons


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_of_two_partners_that_share_a_photo_an_owner_has_the_nearer_one(
    order: tuple[int, ...],
) -> None:
    persons = owned(*([*OWN, *PARTNERS][place] for place in order))
    base = persons.album.clusterer.base.label
    assert persons.overlay.partner(int(base[4])) == base[6]
    assert persons.overlay.partner(int(base[0])) is None


def test_when_a_partner_goes_the_one_that_it_kept_out_comes_in() -> None:
    persons = owned(*OWN, *PARTNERS)
    base = persons.album.clusterer.base.label
    apart = int(base[2])
    persons.album.remove([6, 7])
    told = persons.update()
    persons.check_rebuilt()
    assert persons.overlay.partner(int(base[0])) == apart
    assert {apart, int(base[0]), int(base[4])} <= told


def test_when_a_partner_is_given_to_another_the_one_that_it_kept_out_comes_in() -> None:
    persons = owned(*OWN, *PARTNERS)
    base = persons.album.clusterer.base.label
    persons.pin(7, 2).update()
    persons.check_rebuilt()
    assert persons.overlay.partner(int(base[0])) == base[2]


actions = st.lists(
    st.tuples(
        st.sampled_from(["insert", "insert", "remove", "pin", "unpin", "ban", "update", "update"]),
        st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=6),
    ),
    max_size=14,
)


def play(persons: Persons, steps: list[tuple[str, list[int]]]) -> None:
    """Take steps; after every update all is as if found at once, and what differs was told."""
    album = persons.album
    before = set[frozenset[frozenset[int]]]()
    for verb, chosen in [*steps, ("update", [])]:
        here = [item for item in chosen if item in album.here and album.pool.core[item]]
        if verb == "insert":
            album.insert(chosen)
        elif verb == "remove":
            album.remove(chosen)
            album.free()
            # What comes again is not what went.
            before = {
                frozenset(frozenset(~i if i in chosen else i for i in base) for base in person)
                for person in before
            }
        elif verb == "update":
            told = persons.update()
            persons.check_rebuilt()
            clusters = album.clusters()
            for person in persons.of() - before:
                assert {number for number in clusters if clusters[number] in person} <= told
            before = persons.of()
        else:
            for item in here:
                if verb == "ban":
                    persons.ban(item, 1)
                else:
                    persons.pin(item, 1 if verb == "pin" else 0)


@settings(deadline=None, max_examples=150)
@given(seed=seeds, people=st.integers(5, 9), photos=photos, steps=actions, exact=st.booleans())
def test_claims_in_any_order_are_as_if_at_once(
    seed: int, people: int, photos: list[int], steps: list[tuple[str, list[int]]], exact: bool
) -> None:
    pool = Pool(
        crowd(seed, count=COUNT, dimension=6, people=people, noise=0.7),
        photos=[photo % 12 for photo in photos],
    )
    limits = second_pass(strong=0.4, strong_share=0.2, second_mean=0.1, second_smallest=1)
    play(Persons(pool, limits, exact_items=LARGE if exact else 0), steps)
