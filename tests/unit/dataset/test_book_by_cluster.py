"""The book knows the pins and bans of each cluster, whatever was laid down and taken back."""

import random

import pytest

from imm_ray.model import ClusterId, Constraint, ConstraintKind
from tests.unit.dataset.owner import Owner

ITEMS = [f"i{number}" for number in range(6)]
CLUSTERS = [ClusterId(f"c{number}") for number in range(3)]


@pytest.mark.parametrize("seed", range(5))
def test_clusters_have_what_stands(owner: Owner, seed: int) -> None:
    book, chance = owner.book, random.Random(seed)
    for number in range(200):
        item_id, cluster_id = chance.choice(ITEMS), chance.choice(CLUSTERS)
        standing = [c for c in (book.pin_of(item_id), book.ban_of(item_id, cluster_id)) if c]
        if standing and chance.random() < 0.4:
            book.take_back(standing[0])
        elif chance.random() < 0.1:
            book.leave([item_id])
        else:
            kind = chance.choice(list(ConstraintKind))
            book.lay_down(Constraint(item_id, cluster_id, kind, f"e{number}"))
        pins = [pin for i in ITEMS if (pin := book.pin_of(i))]
        bans = [ban for i in ITEMS for c in CLUSTERS if (ban := book.ban_of(i, c))]
        for one in CLUSTERS:
            assert set(book.pins_of(one)) == {pin for pin in pins if pin.cluster_id == one}
            assert set(book.bans_of(one)) == {ban for ban in bans if ban.cluster_id == one}
        assert {c for c in book.added if c.kind is ConstraintKind.PIN} >= set(pins)


def test_what_was_said_is_told_once(owner: Owner) -> None:
    pin = Constraint("i", ClusterId("c"), ConstraintKind.PIN, "e")
    owner.book.lay_down(pin)
    assert (owner.book.said(), owner.book.said()) == ({"i"}, set())
    owner.book.take_back(pin)
    assert owner.book.said() == {"i"}
    assert (owner.book.added, owner.book.removed) == ([], [pin])
