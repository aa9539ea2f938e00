"""Anchors: which figures hold a person that a user has touched."""

import numpy as np
import pytest

from imm_ray.cluster.explanation import Reason
from imm_ray.model import ClusterId, ConstraintKind, EditKind, Outcome
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, Owner
from tests.unit.dataset.photos import person, portraits, uri, uris

CENTRE = random_vector("cat", DIMENSION)


def pins(owner: Owner) -> dict[str, ClusterId]:
    """The cluster of each pinned figure, by the URI of its photo."""
    stored = {c.item_id: c.cluster_id for c in owner.constraints() if c.kind is ConstraintKind.PIN}
    return {
        u: stored[f.figure_id]
        for u in owner.uris()
        for f in owner.file(u).figures
        if f.figure_id in stored
    }


def cat(count: int, *, first: int = 0) -> dict[str, Outcome]:
    """Cat's photos; the first is the most like all others."""
    return {
        uri("cat", i): picture(f"cat{i}", face(near(CENTRE, f"{i}", 1.0 if not i else 0.9)))
        for i in range(first, first + count)
    }


def named(owner: Owner, *, pictures: dict[str, Outcome], name: str = "Cat") -> ClusterId:
    owner.index(pictures)
    owner.cluster()
    cluster_id = owner.cluster_of(next(iter(pictures)))
    owner.name(cluster_id, name)
    return cluster_id


@pytest.mark.parametrize("restarted", [False, True])
def test_the_most_central_figure_holds_a_named_person(owner: Owner, restarted: bool) -> None:
    owner.index(cat(5))
    owner.cluster()
    if restarted:
        owner.restart()
    (cluster_id,) = owner.people()
    owner.name(cluster_id, "Cat")
    assert pins(owner) == {uri("cat", 0): cluster_id}
    owner.name(cluster_id, "Catherine")
    assert pins(owner) == {uri("cat", 0): cluster_id}


def test_every_part_of_a_merged_person_is_held(owner: Owner) -> None:
    owner.index(portraits("ann", 3) | portraits("bob", 3) | portraits("eve", 2))
    owner.cluster()
    ann, bob, eve = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob", "eve"))
    owner.applied(EditKind.MERGE, {"to": ann, "from": [bob, eve]})
    held = pins(owner)
    assert set(held.values()) == {ann}
    assert sorted(u[8:11] for u in held) == ["ann", "bob", "eve"]


@pytest.mark.parametrize("restarted", [False, True])
def test_when_an_anchor_goes_another_takes_its_place_with_the_next_run(
    owner: Owner, restarted: bool
) -> None:
    cluster_id = named(owner, pictures=cat(4))
    owner.delete(uri("cat", 0))
    if restarted:
        owner.restart()
    owner.cluster()
    (anchor,) = pins(owner)
    assert anchor in owner.people()[cluster_id]
    assert len(owner.constraints()) == 1


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("what", ["consolidation", "edit", "earlier task"])
def test_a_person_is_held_while_the_anchors_new_picture_waits_for_a_task(
    owner: Owner, what: str, restarted: bool
) -> None:
    cluster_id = named(owner, pictures=cat(4) | portraits("ann", 2))
    everybody = owner.people()
    task_id = owner.create_task() if what == "earlier task" else None
    owner.index({uri("cat", 0): picture("again", face(near(CENTRE, "again", 0.9)))})
    if restarted:
        owner.restart()
    if what == "edit":
        owner.applied(EditKind.NAME, {"cluster_id": owner.cluster_of(uri("ann", 0))})
    elif what == "consolidation":
        owner.drain()
        owner.applied(EditKind.CONSOLIDATE, {})
    else:
        assert task_id is not None
        owner.drain()
    assert owner.people() == everybody
    owner.cluster()
    assert owner.people() == everybody
    assert owner.names()[cluster_id] == "Cat"


def test_a_named_person_of_whom_only_poor_pictures_are_left_is_held_by_some(owner: Owner) -> None:
    poor: dict[str, Outcome] = {
        uri("cat", i): picture(f"cat{i}", face(near(CENTRE, f"{i}", 0.95), quality=0.1 + i / 1000))
        for i in range(20, 32)
    }
    cluster_id = named(owner, pictures=cat(2) | poor)
    assert len(owner.people()[cluster_id]) == 14
    owner.delete(*cat(2))
    owner.cluster()
    assert owner.people()[cluster_id] == uris("cat", *range(24, 32))
    assert owner.names() == {cluster_id: "Cat"}


@pytest.mark.parametrize("restarted", [False, True])
def test_constraints_go_with_their_figure(owner: Owner, restarted: bool) -> None:
    cluster_id = named(owner, pictures=cat(3) | portraits("ann", 3))
    moved = owner.figure(uri("ann", 0)).figure_id
    owner.applied(EditKind.REMOVE, {"figure_id": moved})
    owner.applied(EditKind.MOVE, {"figure_id": moved, "cluster_id": cluster_id})
    owner.applied(EditKind.REMOVE, {"figure_id": owner.figure(uri("cat", 1)).figure_id})
    owner.delete(uri("ann", 0), uri("cat", 1))
    if restarted:
        owner.restart()
    owner.cluster()
    exist = {f.figure_id for u in owner.uris() for f in owner.file(u).figures}
    assert {c.item_id for c in owner.constraints()} <= exist


def test_a_figure_that_is_moved_before_any_run_has_seen_it_is_moved_at_once(owner: Owner) -> None:
    cluster_id = named(owner, pictures=cat(3))
    owner.index(portraits("ann", 1) | {uri("cat", 1): picture("again", person("bob", 1))})
    owner.drain()
    for u in (uri("ann", 0), uri("cat", 1)):
        figure = owner.figure(u).figure_id
        owner.applied(EditKind.MOVE, {"figure_id": figure, "cluster_id": cluster_id})
    owner.applied(EditKind.REMOVE, {"figure_id": owner.figure(uri("cat", 1)).figure_id})
    expected = uris("cat", 0, 2) | uris("ann", 0)
    assert owner.people()[cluster_id] == expected
    owner.cluster()
    assert owner.people()[cluster_id] == expected


@pytest.mark.parametrize("restarted", [False, True])
def test_why_two_figures_are_together_or_apart_is_explained(owner: Owner, restarted: bool) -> None:
    cluster_id = named(owner, pictures=cat(3) | portraits("ann", 2))
    owner.applied(EditKind.MERGE, {"to": cluster_id, "from": [owner.cluster_of(uri("ann", 0))]})
    removed = owner.figure(uri("cat", 2)).figure_id
    owner.applied(EditKind.REMOVE, {"figure_id": removed})
    if restarted:
        owner.restart()
    first, second, ann = (
        owner.figure(u).figure_id for u in (uri("cat", 0), uri("cat", 1), uri("ann", 0))
    )
    assert owner.engine.explain(first, second).reason is Reason.SAME_BASE
    assert owner.engine.explain(first, ann).reason is Reason.USER
    assert owner.engine.explain(first, removed).reason is Reason.KEPT_OUT
    with pytest.raises(KeyError, match="no run has looked at a figure nobody"):
        owner.engine.explain(first, type(first)("nobody"))


def test_memory_and_store_know_the_same_constraints(owner: Owner) -> None:
    cluster_id = named(owner, pictures=cat(3) | portraits("ann", 2) | portraits("bob", 2))
    ann, bob = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob"))
    owner.applied(EditKind.REMOVE, {"figure_id": owner.figure(uri("cat", 1)).figure_id})
    edit_id = owner.applied(EditKind.MERGE, {"to": ann, "from": [cluster_id, bob]})
    owner.undo(edit_id)
    owner.delete(uri("cat", 0))
    owner.cluster()
    stored = {(c.item_id, c.cluster_id, c.kind) for c in owner.constraints()}
    known = {
        (c.item_id, c.cluster_id, c.kind)
        for who in (cluster_id, ann, bob)
        for c in (*owner.book.pins_of(who), *owner.book.bans_of(who))
    }
    assert stored == known
    assert (owner.book.added, owner.book.removed) == ([], [])
    here = owner.figures.items.slots_of(item_id for item_id, *_ in stored)
    assert len(np.unique(here)) == len({item_id for item_id, *_ in stored})
