from collections.abc import Iterable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.overlay import Overlay
from imm_ray.model import Vectors
from tests.unit.cluster.album import LARGE, BaseAlbum, Pool
from tests.unit.cluster.sample import at_angles, figure_limits, pools
from tests.unit.cluster.test_base_clusterer import Step, claim, photos, steps

A, B = frozenset([0, 1]), frozenset([2, 3])
PAIR = at_angles(0, 20, 70, 85)
"""Two base clusters: mean .37 between them, one pair at .64, the faces 1 and 2."""


def second_pass(
    *,
    strong: float = 0.6,
    strong_share: float = 0.5,
    second_mean: float = 0.35,
    second_smallest: int = 2,
    same_photo: float = 0.95,
) -> FigureLimits:
    return figure_limits(
        same_photo=same_photo,
        strong=strong,
        strong_share=strong_share,
        second_mean=second_mean,
        second_smallest=second_smallest,
    )


class Persons:
    """Base clusters and the overlay over them."""

    def __init__(self, pool: Pool, limits: FigureLimits, *, exact_items: int = LARGE) -> None:
        self.album = BaseAlbum(pool, limits, exact_items=exact_items)
        self.overlay = Overlay(self.album.clusterer.graph, limits)
        self.claimed: set[int] = set()

    def insert(self, items: Iterable[int]) -> "Persons":
        self.album.insert(items)
        return self

    def pin(self, item: int, owner: int) -> "Persons":
        claims = self.album.clusterer.claims
        claims.pin(item, owner) if owner else claims.unpin(item)
        return self._reopened(item)

    def ban(self, item: int, owner: int) -> "Persons":
        self.album.clusterer.claims.ban(item, owner)
        return self._reopened(item)

    def update(self) -> set[int]:
        """Return the base clusters of which the overlay says that their person may differ."""
        self.album.run()
        label = self.album.clusterer.base.label
        claimed = {int(label[item]) for item in self.claimed & self.album.here}
        self.claimed.clear()
        return self.overlay.update(self.album.changed, claimed - {-1})

    def of(self) -> set[frozenset[frozenset[int]]]:
        """The persons, as sets of base clusters; those that have emptied since the update aside."""
        clusters = self.album.clusters()
        return {
            frozenset(clusters[number] for number in person if number in clusters)
            for person in self.overlay.persons(clusters)
        }

    def check_rebuilt(self) -> None:
        fresh = Overlay(self.album.clusterer.graph, self.album.limits)
        fresh.rebuild()
        for number in self.album.clusters():
            assert self.overlay.partner(number) == fresh.partner(number)
            assert self.overlay.owner(number) == fresh.owner(number)
            assert self.overlay.mates(number) == fresh.mates(number)

    def _reopened(self, item: int) -> "Persons":
        self.claimed.add(item)
        self.album.clusterer.reopen(np.array([item]))
        return self


def pair(limits: FigureLimits | None = None, *, photos: Iterable[int] | None = None) -> Persons:
    return Persons(Pool(PAIR, photos=photos), limits or second_pass()).insert(range(4))


TOGETHER = {frozenset([A, B])}
APART = {frozenset([A]), frozenset([B])}


def test_two_base_clusters_with_evidence_enough_are_one_person() -> None:
    persons = pair()
    numbers = persons.update()
    assert persons.of() == TOGETHER
    assert numbers == set(persons.album.clusters())
    for number in numbers:
        assert persons.overlay.mates(number) == numbers
        assert {number, persons.overlay.partner(number)} == numbers


@pytest.mark.parametrize(
    "limits",
    [
        second_pass(strong=0.66),
        second_pass(strong_share=0.6),
        second_pass(second_mean=0.4),
        second_pass(second_smallest=3),
    ],
    ids=["no near twins", "too few of them", "too far on the whole", "too small"],
)
def test_each_condition_alone_keeps_two_base_clusters_apart(limits: FigureLimits) -> None:
    persons = pair(limits)
    persons.update()
    assert persons.of() == APART


def test_two_persons_of_users_stay_two_until_one_is_given_up() -> None:
    persons = pair().pin(0, 1).pin(3, 2)
    persons.update()
    assert persons.of() == APART
    persons.pin(3, 0)
    assert persons.update() == set(persons.album.clusters())
    assert persons.of() == TOGETHER
    persons.pin(3, 2)
    assert persons.update() == set(persons.album.clusters())
    assert persons.of() == APART


def test_a_face_kept_out_keeps_its_whole_base_cluster_out() -> None:
    persons = pair().pin(0, 1)
    persons.update()
    assert persons.of() == TOGETHER
    persons.ban(3, 1)
    assert persons.update() == set(persons.album.clusters())
    assert persons.of() == APART
    persons.ban(3, 2)
    persons.album.clusterer.claims.lift(3, 1)
    persons._reopened(3)
    persons.update()
    assert persons.of() == TOGETHER


def test_two_people_of_one_photo_stay_two_unless_they_look_alike() -> None:
    persons = pair(photos=[0, 1, 2, 1])
    persons.update()
    assert persons.of() == APART
    mirrored = pair(second_pass(same_photo=0.6), photos=[0, 1, 1, 2])
    mirrored.update()
    assert mirrored.of() == TOGETHER
    persons.album.remove([1])
    persons.album.free()
    persons.update()
    assert persons.of() == {frozenset([frozenset([0])]), frozenset([B])}


def test_a_photo_in_another_base_cluster_of_the_owner_counts_too() -> None:
    vectors = np.concatenate((PAIR, at_angles(180, 185)))
    for last, expected in ((5, True), (3, False)):
        # Faces 4 and 5 are far away, but a user gave them to the person of A.
        persons = Persons(Pool(vectors, photos=[0, 1, 2, 3, 4, last]), second_pass())
        persons.insert(range(6)).pin(0, 1).pin(4, 1)
        persons.update()
        number = int(persons.album.clusterer.base.label[2])
        assert (persons.overlay.partner(number) is not None) == expected


def test_each_is_the_nearest_of_the_other_and_persons_do_not_chain() -> None:
    vectors = np.concatenate((PAIR, at_angles(-48, -62)))
    c = frozenset([4, 5])
    persons = Persons(Pool(vectors), second_pass()).insert(range(6))
    persons.update()
    assert persons.of() == {frozenset([A, c]), frozenset([B])}
    persons.album.remove([4, 5])
    assert persons.update() == set(persons.album.clusters())
    assert persons.of() == TOGETHER


def test_a_newcomer_that_is_nearer_parts_two_that_were_one_person() -> None:
    persons = Persons(Pool(np.concatenate((PAIR, at_angles(133, 147)))), second_pass())
    persons.insert(range(4)).update()
    assert persons.of() == TOGETHER
    persons.insert([4, 5])
    assert persons.update() == set(persons.album.clusters())
    assert persons.of() == {frozenset([A]), frozenset([B, frozenset([4, 5])])}
    persons.check_rebuilt()


def test_the_smaller_one_too_must_be_large_enough() -> None:
    vectors = np.concatenate((PAIR, at_angles(18)))
    persons = Persons(Pool(vectors), second_pass(strong_share=0.3)).insert(range(5))
    persons.update()
    assert len(persons.of()) == 1
    strict = second_pass(strong_share=0.3, second_smallest=3)
    persons = Persons(Pool(vectors), strict).insert(range(5))
    persons.update()
    assert len(persons.of()) == 2


@pytest.mark.parametrize(
    ("degrees", "limits"),
    [
        # Of two of equal size one has two faces near the other one, which has one near it.
        ((0, 49, 90, 108), second_pass(strong=0.5, strong_share=0.6, second_mean=0.2)),
        ((90, 108, 0, 49), second_pass(strong=0.5, strong_share=0.6, second_mean=0.2)),
        # Two are equally near to the one between them.
        ((-10, 10, 65, 75, -65, -75), second_pass(strong=0.5, second_mean=0.2)),
        ((-10, 10, -65, -75, 65, 75), second_pass(strong=0.5, second_mean=0.2)),
    ],
)
def test_ties_do_not_go_by_arrival(degrees: tuple[float, ...], limits: FigureLimits) -> None:
    found = []
    twos = [[item, item + 1] for item in range(0, len(degrees), 2)]
    for order in permutations(twos):
        persons = Persons(Pool(at_angles(*degrees)), limits)
        for two in order:
            persons.insert(two).update()
        assert len(persons.album.partition()) == len(twos)
        found.append(persons.of())
    assert all(other == found[0] for other in found)
    if len(twos) == 3:
        assert len(found[0]) == 2


def test_who_would_not_have_had_a_removed_one_gets_the_next_nearest() -> None:
    # B would have C, but C has D; when C goes, B takes A.
    vectors = np.concatenate((at_angles(0, 20, 70, 85), at_angles(133, 148, 194, 209)))
    persons = Persons(Pool(vectors), second_pass()).insert(range(8))
    persons.update()
    before = persons.of()
    for gone in ([0, 1], [4, 5], [6, 7]):
        fresh = Persons(Pool(vectors), second_pass()).insert(range(8))
        fresh.update()
        assert fresh.of() == before
        fresh.album.remove(gone)
        fresh.update()
        fresh.check_rebuilt()


def test_the_base_clusters_of_an_owner_are_one_person_however_far_apart() -> None:
    persons = Persons(Pool(at_angles(0, 5, 100, 105, 200, 205)), second_pass()).insert(range(6))
    persons.pin(0, 7).pin(3, 7)
    persons.update()
    both = frozenset([frozenset([0, 1]), frozenset([2, 3])])
    assert persons.of() == {both, frozenset([frozenset([4, 5])])}
    label = persons.album.clusterer.base.label
    assert persons.overlay.of_owner(7) == {int(label[0]), int(label[2])}
    assert persons.overlay.owner(int(label[4])) == 0
    persons.pin(3, 0)
    # What was his and is no more may differ, and so may all that stay his.
    assert persons.update() == {int(label[0]), int(label[2])}
    assert all(len(person) == 1 for person in persons.of())


@settings(deadline=None, max_examples=80)
@given(
    pool=pools(24),
    photos=photos,
    steps=steps,
    exact_items=st.sampled_from([0, LARGE]),
    smallest=st.integers(1, 2),
)
def test_an_update_finds_what_a_rebuild_finds(
    pool: Vectors, photos: list[int], steps: list[Step], exact_items: int, smallest: int
) -> None:
    limits = second_pass(strong=0.55, strong_share=0.3, second_mean=0.3, second_smallest=smallest)
    persons = Persons(Pool(pool, photos=photos, poor=[5, 11]), limits, exact_items=exact_items)
    album = persons.album
    for verb, chosen in [*steps, ("run", [])]:
        if verb == "insert":
            album.insert(chosen)
        elif verb == "remove":
            album.remove(chosen)
        elif verb == "free":
            album.free()
        elif verb == "claim":
            claim(album, chosen)
            persons.claimed.update(chosen)
        else:
            before = persons.of()
            told = persons.update()
            persons.check_rebuilt()
            assert told <= set(album.clusters())
            clusters = album.clusters()
            for person in persons.of() - before:
                assert {number for number in clusters if clusters[number] in person} <= told
