"""A second pass that weighs pairs of an owner: in whatever order they come, as if at once."""

from itertools import permutations
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.model import Vectors
from tests.unit.cluster.album import LARGE, Pool
from tests.unit.cluster.sample import at_angles, normalised
from tests.unit.cluster.test_overlay import Persons, second_pass

PAIRS = 6
COUNT = 4 * PAIRS
Step: TypeAlias = tuple[str, list[int]]


def suited(*starts: int) -> Vectors:
    """Pairs of base clusters, all pairs at right angles to each other; each pair is one person.

    The second base cluster of a pair begins at an angle of so many degrees to the first one.
    """
    rows = np.zeros((4 * len(starts), 2 * len(starts)))
    for place, start in enumerate(starts):
        rows[4 * place : 4 * place + 4, 2 * place : 2 * place + 2] = at_angles(
            0, 20, start, start + 15
        )
    return normalised(rows)


OWN = [[0, 1], [4, 5]]
"""Two base clusters that a user gave to one person."""
PARTNERS = [[2, 3], [6, 7]]
"""The second pass pairs each with one of them; faces 2 and 6 are two people of one photo."""
PHOTOS = [0, 1, 2, 3, 4, 5, 2, 7]


def owned(*twos: list[int]) -> Persons:
    persons = Persons(Pool(suited(70, 66), photos=PHOTOS), second_pass())
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
    out = int(base[2])
    persons.album.remove([6, 7])
    told = persons.update()
    persons.check_rebuilt()
    assert persons.overlay.partner(int(base[0])) == out
    assert {out, int(base[0]), int(base[4])} <= told


def test_when_a_partner_is_given_to_another_the_one_that_it_kept_out_comes_in() -> None:
    persons = owned(*OWN, *PARTNERS)
    base = persons.album.clusterer.base.label
    persons.pin(7, 2).update()
    persons.check_rebuilt()
    assert persons.overlay.partner(int(base[0])) == base[2]


actions = st.lists(
    st.tuples(
        st.sampled_from(["insert", "insert", "insert", "remove", "pin", "unpin", "ban"]),
        st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=3),
    ),
    max_size=14,
)


def play(persons: Persons, steps: list[Step]) -> None:
    """Take steps; after every update all is as if found at once, and what differs was told."""
    album = persons.album
    before = set[frozenset[frozenset[int]]]()
    for verb, chosen in [step for action in steps for step in (action, ("update", []))]:
        here = [item for item in chosen if item in album.here and album.pool.core[item]]
        if verb == "insert":
            fresh = {2 * (item // 2) + side for item in chosen for side in (0, 1)}
            fresh -= album.here | album.waiting
            album.insert_only(np.array(sorted(fresh), np.int64))
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
                    persons.pin(item, 1 + item % 8 // 4 if verb == "pin" else 0)


@settings(deadline=None, max_examples=150)
@given(
    starts=st.lists(st.integers(64, 72), min_size=PAIRS, max_size=PAIRS),
    apart=st.lists(st.booleans(), min_size=COUNT, max_size=COUNT),
    steps=actions,
    exact=st.booleans(),
)
def test_claims_in_any_order_are_as_if_at_once(
    starts: list[int], apart: list[bool], steps: list[Step], exact: bool
) -> None:
    # Some partners have a face in photo 0.
    photos = [i + 1 if i % 4 != 2 or apart[i] else 0 for i in range(COUNT)]
    persons = Persons(
        Pool(suited(*starts), photos=photos), second_pass(), exact_items=LARGE if exact else 0
    )
    for item in range(0, COUNT, 4):
        persons.album.insert([item, item + 1])
        persons.pin(item, 1 + item % 8 // 4)
    play(persons, steps)
