"""What a user does by hand, and that it lasts until a user takes it back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imm_ray.model import (
    NO_CLUSTER,
    ClusterId,
    ConstraintKind,
    EditKind,
    EditStatus,
    EventKind,
    Outcome,
    TaskStatus,
    TaskType,
)
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, InterruptedDatabase, Owner
from tests.unit.dataset.photos import person, portraits, shots, uri, uris

Restart = Callable[[], None]

ANN, BOB = uris("ann", 0, 1, 2), uris("bob", 0, 1, 2)


@pytest.fixture(params=["alive", "restarted"])
def again(request: pytest.FixtureRequest, owner: Owner) -> Restart:
    """The same owner goes on, or it is another one each time."""
    return owner.restart if request.param == "restarted" else lambda: None


@pytest.fixture
def people(owner: Owner) -> dict[str, ClusterId]:
    """Ann and Bob with three photos each, and Eve with two."""
    owner.index(portraits("ann", 3) | portraits("bob", 3) | portraits("eve", 2))
    owner.cluster()
    return {name: owner.cluster_of(uri(name, 0)) for name in ("ann", "bob", "eve")}


def merge(owner: Owner, to: ClusterId, *others: ClusterId) -> str:
    return owner.applied(EditKind.MERGE, {"to": to, "from": list(others)})


def move(owner: Owner, figure: str, to: ClusterId) -> str:
    payload = {"figure_id": owner.figure(figure).figure_id, "cluster_id": to}
    return owner.applied(EditKind.MOVE, payload)


def remove(owner: Owner, figure: str) -> str:
    return owner.applied(EditKind.REMOVE, {"figure_id": owner.figure(figure).figure_id})


def undo(owner: Owner, edit_id: str) -> None:
    edit = owner.undo(edit_id)
    assert edit.status is EditStatus.APPLIED, edit.reason


def pinned(owner: Owner, cluster_id: ClusterId) -> set[str]:
    """The URIs of the figures pinned to a cluster."""
    pins = {
        c.item_id
        for c in owner.constraints()
        if c.kind is ConstraintKind.PIN and c.cluster_id == cluster_id
    }
    return {u for u in owner.uris() if any(f.figure_id in pins for f in owner.file(u).figures)}


def test_an_undone_merge_gives_both_people_back_with_names_and_later_photos(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob = people["ann"], people["bob"]
    owner.name(ann, "Ann")
    owner.name(bob, "Bob")
    again()
    edit_id = merge(owner, ann, bob)
    assert owner.people()[ann] == ANN | BOB
    assert owner.names() == {ann: "Ann"}
    assert owner.resolve(bob) == ann
    again()
    owner.index(portraits("ann", 1, first=3) | portraits("bob", 1, first=3))
    owner.cluster()
    assert owner.people()[ann] == uris("ann", 0, 1, 2, 3) | uris("bob", 0, 1, 2, 3)
    again()
    undo(owner, edit_id)
    assert owner.people()[ann] == uris("ann", 0, 1, 2, 3)
    assert owner.people()[bob] == uris("bob", 0, 1, 2, 3)
    assert owner.names() == {ann: "Ann", bob: "Bob"}
    assert owner.resolve(bob) == bob
    again()
    owner.index(portraits("bob", 1, first=4))
    owner.cluster()
    assert owner.people()[bob] == uris("bob", 0, 1, 2, 3, 4)


def test_merged_people_stay_together_when_what_holds_them_is_deleted(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob = people["ann"], people["bob"]
    edit_id = merge(owner, ann, bob)
    owner.index(portraits("bob", 2, first=3))
    owner.cluster()
    left = uris("ann", 0, 1, 2) | uris("bob", 0, 1, 2, 3, 4)
    for _ in range(2):
        (anchor, *_) = pinned(owner, ann) & uris("bob", *range(5))
        owner.delete(anchor)
        left.discard(anchor)
        again()
        owner.cluster()
        assert owner.people()[ann] == left
    undo(owner, edit_id)
    assert owner.people()[ann] == ANN
    assert owner.people()[bob] == left - ANN


def test_a_merge_is_undone_when_only_photos_that_came_later_hold_it(
    owner: Owner, people: dict[str, ClusterId]
) -> None:
    ann, bob = people["ann"], people["bob"]
    edit_id = merge(owner, ann, bob)
    owner.index(portraits("bob", 4, first=3))
    owner.cluster()
    while pinned(owner, ann) & BOB:
        owner.delete(*pinned(owner, ann) & BOB)
        owner.cluster()
    bobs = {u for u in owner.people()[ann] if "bob" in u}
    if not bobs & BOB:
        pytest.fail("none of the merged figures is left")
    undo(owner, edit_id)
    assert owner.people()[ann] == ANN
    assert owner.people()[bob] == bobs


def test_a_merge_is_undone_when_later_photos_have_made_one_of_two(owner: Owner) -> None:
    centre, *axes = np.eye(DIMENSION)
    sides = [(0.72 * centre + 0.694 * axis).astype(np.float16) for axis in axes[:2]]
    people: dict[str, Outcome] = {
        uri(f"side{side}", i): picture(f"{side} {i}", face(near(vector, f"{side} {i}", 0.99)))
        for side, vector in enumerate(sides)
        for i in range(3)
    }
    middle: dict[str, Outcome] = {
        uri("m", i): picture(f"m{i}", face(near(centre.astype(np.float16), f"{i}", 0.99)))
        for i in range(9)
    }
    owner.index(people)
    owner.cluster()
    left, right = (owner.cluster_of(uri(f"side{side}", 0)) for side in range(2))
    edit_id = merge(owner, left, right)
    owner.index(middle)
    owner.cluster()
    assert owner.people()[left] == {*people, *middle}
    gone = pinned(owner, left) & uris("side1", 0, 1, 2)
    owner.delete(*gone)
    owner.cluster()
    undo(owner, edit_id)
    assert owner.people()[left] >= uris("side0", 0, 1, 2)
    assert owner.people()[right] >= uris("side1", 0, 1, 2) - gone
    assert owner.people()[left] | owner.people()[right] == {*people, *middle} - gone


def test_merges_are_undone_one_after_the_other(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob, eve = people["ann"], people["bob"], people["eve"]
    before = owner.people()
    first = merge(owner, ann, bob)
    second = merge(owner, eve, ann)
    assert set(owner.people()) == {eve}
    assert owner.resolve(bob) == owner.resolve(ann) == eve
    again()
    refused = owner.undo(first)
    assert refused.status is EditStatus.REFUSED
    assert "merged into others since" in refused.reason
    undo(owner, second)
    undo(owner, first)
    assert owner.people() == before
    third = merge(owner, ann, bob)
    again()
    assert owner.undo(first).status is EditStatus.REFUSED
    undo(owner, third)
    assert owner.people() == before


def test_a_moved_figure_stays_where_it_was_put_until_that_is_undone(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob = people["ann"], people["bob"]
    before = owner.people()
    edit_id = move(owner, uri("ann", 0), bob)
    after = {**before, ann: uris("ann", 1, 2), bob: BOB | uris("ann", 0)}
    assert owner.people() == after
    again()
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == after
    undo(owner, edit_id)
    assert owner.people() == before


def test_a_removed_figure_stays_out_until_that_is_undone(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann = people["ann"]
    edit_id = remove(owner, uri("ann", 0))
    assert owner.people()[ann] == uris("ann", 1, 2)
    again()
    owner.index(portraits("ann", 1, first=3))
    owner.cluster()
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people()[ann] == uris("ann", 1, 2, 3)
    assert owner.cluster_of(uri("ann", 0)) == NO_CLUSTER
    again()
    undo(owner, edit_id)
    assert owner.people()[ann] == uris("ann", 0, 1, 2, 3)


def test_the_figure_that_holds_a_person_can_be_moved_alone(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob = people["ann"], people["bob"]
    owner.name(ann, "Ann")
    again()
    (anchor,) = pinned(owner, ann)
    move(owner, anchor, bob)
    assert owner.people()[ann] == ANN - {anchor}
    assert owner.people()[bob] == BOB | {anchor}
    assert owner.names() == {ann: "Ann"}


def test_the_figure_that_holds_a_merged_person_can_be_removed_alone(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob = people["ann"], people["bob"]
    merge(owner, ann, bob)
    again()
    (anchor,) = pinned(owner, ann) & BOB
    edit_id = remove(owner, anchor)
    assert owner.people()[ann] == (ANN | BOB) - {anchor}
    again()
    undo(owner, edit_id)
    assert owner.people()[ann] == ANN | BOB


def test_a_ban_outlives_the_last_pin_of_its_cluster(
    owner: Owner, people: dict[str, ClusterId]
) -> None:
    eve = people["eve"]
    remove(owner, uri("eve", 0))
    remove(owner, uri("eve", 1))
    assert eve not in owner.people()
    assert owner.cluster_of(uri("eve", 0)) == owner.cluster_of(uri("eve", 1))


def test_a_person_who_lost_the_last_figure_comes_back_with_it(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann, eve = people["ann"], people["eve"]
    owner.name(eve, "Eve")
    before = owner.people()
    edits = [move(owner, uri("eve", 0), ann), remove(owner, uri("eve", 1))]
    assert eve not in owner.people()
    again()
    for edit_id in reversed(edits):
        undo(owner, edit_id)
    assert owner.people() == before
    assert owner.names() == {eve: "Eve"}


def test_moves_are_undone_one_after_the_other(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob, eve = people["ann"], people["bob"], people["eve"]
    figure = uri("ann", 0)
    first = move(owner, figure, bob)
    second = move(owner, figure, eve)
    assert owner.undo(first).status is EditStatus.REFUSED
    again()
    undo(owner, second)
    assert owner.cluster_of(figure) == bob
    undo(owner, first)
    assert owner.cluster_of(figure) == ann


def test_undoing_a_move_restores_the_ban_that_it_lifted(
    owner: Owner, people: dict[str, ClusterId]
) -> None:
    ann = people["ann"]
    figure = uri("ann", 0)
    removal = remove(owner, figure)
    undo(owner, move(owner, figure, ann))
    assert owner.cluster_of(figure) != ann
    undo(owner, removal)
    assert owner.cluster_of(figure) == ann


def test_an_undone_merge_leaves_the_bans_as_they_were(
    owner: Owner, people: dict[str, ClusterId]
) -> None:
    ann, bob, eve = people["ann"], people["bob"], people["eve"]
    remove(owner, uri("ann", 0))
    move(owner, uri("ann", 0), bob)
    remove(owner, uri("bob", 0))
    before = owner.people()
    bans = {(c.item_id, c.cluster_id) for c in owner.constraints() if c.kind == "ban"}
    edit_id = merge(owner, ann, bob)
    assert uri("ann", 0) in owner.people()[ann]
    assert uri("bob", 0) not in owner.people()[ann]
    undo(owner, edit_id)
    assert owner.people() == before
    assert bans == {(c.item_id, c.cluster_id) for c in owner.constraints() if c.kind == "ban"}
    move(owner, uri("bob", 0), ann)
    assert uri("bob", 0) in owner.people()[ann]
    assert eve in owner.people()


def test_a_poor_face_is_moved_and_removed_as_any_other(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob = people["ann"], people["bob"]
    poor = uri("ann", 9)
    owner.index(portraits("ann", 1, first=9, quality=0.2))
    owner.cluster()
    assert owner.cluster_of(poor) == ann
    edit_id = move(owner, poor, bob)
    again()
    owner.index(portraits("bob", 1, first=3))
    owner.cluster()
    assert owner.people()[bob] == uris("bob", 0, 1, 2, 3) | {poor}
    undo(owner, edit_id)
    assert owner.cluster_of(poor) == ann
    remove(owner, poor)
    assert owner.cluster_of(poor) == NO_CLUSTER


def test_a_name_protects_through_consolidation_and_deletion_of_the_anchor(
    owner: Owner, people: dict[str, ClusterId], again: Restart
) -> None:
    eve = people["eve"]
    owner.name(eve, "Eve")
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.names() == {eve: "Eve"}
    owner.index(portraits("eve", 2, first=2))
    owner.cluster()
    for left in (3, 2, 1):
        owner.delete(*pinned(owner, eve))
        again()
        owner.applied(EditKind.CONSOLIDATE, {})
        assert len(owner.people()[eve]) == left
        assert owner.names() == {eve: "Eve"}
    owner.delete(*pinned(owner, eve))
    owner.cluster()
    assert eve not in owner.people()
    assert owner.resolve(eve) is None
    owner.index(portraits("eve", 2))
    owner.cluster()
    assert owner.names() == {}


def test_a_named_person_is_not_taken_over_by_a_larger_group(
    owner: Owner, people: dict[str, ClusterId]
) -> None:
    # Eve's two photos now show Ann, who has three: by overlap, Ann's id would win.
    ann, eve = people["ann"], people["eve"]
    owner.name(eve, "Eve")
    owner.index({uri("eve", i): picture(f"new{i}", person("ann", 20 + i)) for i in range(2)})
    owner.cluster()
    assert owner.people()[eve] == ANN | uris("eve", 0, 1)
    assert owner.resolve(ann) == eve
    assert owner.names() == {eve: "Eve"}


@pytest.mark.parametrize("step", range(1, 6))
def test_a_name_given_while_a_run_is_computed_is_not_lost(tmp_path: Path, step: int) -> None:
    owner, database = interruptible(tmp_path)
    owner.index(portraits("ann", 3) | portraits("eve", 2))
    owner.cluster()
    eve = owner.cluster_of(uri("eve", 0))
    # Without the name, the run would retire Eve into Ann.
    owner.index({uri("eve", i): picture(f"new{i}", person("ann", 20 + i)) for i in range(2)})
    owner.drain()
    task_id = owner.create_task()
    database.interrupt(step, lambda: owner.ask_name(eve, "Eve"))
    owner.drain()
    assert database.interrupted
    assert owner.names() == {eve: "Eve"}
    assert owner.task(task_id).status is TaskStatus.SUCCEEDED
    assert {edit.status for edit in owner.edits()} == {EditStatus.APPLIED}


def interruptible(folder: Path) -> tuple[Owner, InterruptedDatabase]:
    owner = Owner(folder)
    owner.engine_database = database = InterruptedDatabase(owner.url)
    owner.restart()
    return owner, database


@pytest.mark.parametrize("step", [1, 3, 6])
@pytest.mark.parametrize("second", ["undo", "name", "move", "merge"])
def test_an_edit_may_come_while_another_is_applied(tmp_path: Path, step: int, second: str) -> None:
    """However they overlap, edits take effect in the order in which they were acknowledged."""
    owner, database = interruptible(tmp_path)
    owner.index(portraits("ann", 3) | portraits("bob", 3) | portraits("eve", 2))
    owner.cluster()
    ann, bob, eve = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob", "eve"))
    before = owner.people()
    edit_id = owner.ask(EditKind.MERGE, {"to": ann, "from": [bob]})
    figure = owner.figure(uri("bob", 0)).figure_id
    seconds: dict[str, Callable[[], object]] = {
        "undo": lambda: owner.ask(EditKind.UNDO, {"edit_id": edit_id}),
        "name": lambda: owner.ask(EditKind.NAME, {"cluster_id": bob}),
        "move": lambda: owner.ask(EditKind.MOVE, {"figure_id": figure, "cluster_id": eve}),
        "merge": lambda: owner.ask(EditKind.MERGE, {"to": eve, "from": [bob]}),
    }
    database.interrupt(step, seconds[second])
    owner.drain()
    assert database.interrupted
    assert {edit.status for edit in owner.edits()} == {EditStatus.APPLIED}
    merged = ANN | BOB
    expected = {
        "undo": before,
        "name": {ann: merged, eve: before[eve]},
        "move": {ann: merged - uris("bob", 0), eve: before[eve] | uris("bob", 0)},
        "merge": {eve: merged | before[eve]},
    }
    assert owner.people() == expected[second]
    owner.restart()
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == expected[second]
    database.close()


def test_a_restored_person_can_be_named_before_a_run_shows_it(tmp_path: Path) -> None:
    owner, database = interruptible(tmp_path)
    owner.index(portraits("ann", 3) | portraits("bob", 3))
    owner.cluster()
    ann, bob = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob"))
    merged = merge(owner, ann, bob)
    owner.ask(EditKind.UNDO, {"edit_id": merged})
    database.interrupt(3, lambda: owner.ask(EditKind.NAME, {"cluster_id": bob}))
    owner.drain()
    assert database.interrupted
    assert owner.edits()[-1].effect == {"cluster_id": bob}
    database.close()


def test_a_merge_is_not_undone_below_another_that_no_run_has_shown_yet(tmp_path: Path) -> None:
    owner, database = interruptible(tmp_path)
    owner.index(portraits("ann", 3) | portraits("bob", 3) | portraits("eve", 2))
    owner.cluster()
    ann, bob, eve = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob", "eve"))
    first = owner.ask(EditKind.MERGE, {"to": ann, "from": [bob]})

    def change_the_mind() -> None:
        owner.ask(EditKind.MERGE, {"to": eve, "from": [ann]})
        owner.ask(EditKind.UNDO, {"edit_id": first})

    database.interrupt(3, change_the_mind)
    owner.drain()
    assert database.interrupted
    assert owner.edits()[-1].status is EditStatus.REFUSED
    assert owner.people() == {eve: ANN | BOB | uris("eve", 0, 1)}
    database.close()


def test_edits_that_wait_are_applied_in_their_order(
    owner: Owner, people: dict[str, ClusterId]
) -> None:
    before = owner.people()
    edit_id = owner.ask(EditKind.MERGE, {"to": people["ann"], "from": [people["bob"]]})
    owner.ask(EditKind.UNDO, {"edit_id": edit_id})
    owner.drain()
    assert owner.people() == before
    assert [edit.status for edit in owner.edits()] == [EditStatus.APPLIED] * 2
    assert [edit.run for edit in owner.edits()] == [2, 2]


NOBODY, NO_FIGURE = "Cluster-nobody", "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        (EditKind.NAME, {"cluster_id": NOBODY}, "The figure cluster Cluster-nobody does not"),
        (EditKind.NAME, {"cluster_id": "sea"}, "The figure cluster .* does not exist"),
        (EditKind.MERGE, {"to": "ann", "from": [NOBODY]}, "does not exist"),
        (EditKind.MERGE, {"to": "sea", "from": ["ann"]}, "does not exist"),
        (EditKind.MERGE, {"to": "ann", "from": ["bob", "sea"]}, "does not exist"),
        (EditKind.MOVE, {"figure_id": NO_FIGURE, "cluster_id": "ann"}, f"figure {NO_FIGURE} does"),
        (EditKind.MOVE, {"figure_id": "no uuid", "cluster_id": "ann"}, "figure no uuid does not"),
        (EditKind.MOVE, {"figure_id": "ann0", "cluster_id": NOBODY}, "does not exist"),
        (EditKind.REMOVE, {"figure_id": NO_FIGURE}, "does not exist"),
        (EditKind.REMOVE, {"figure_id": "joe0"}, "is in no cluster"),
        (EditKind.UNDO, {"edit_id": "nothing"}, "no such edit"),
        (EditKind.UNDO, {"edit_id": "name"}, "changed by another edit"),
    ],
)
def test_an_edit_that_can_not_be_done_is_refused_and_changes_nothing(
    owner: Owner, kind: EditKind, payload: dict[str, Any], reason: str
) -> None:
    everybody = portraits("ann", 2) | portraits("bob", 2) | portraits("joe", 1)
    owner.index(everybody | shots("sea", 2))
    owner.cluster()
    owner.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING)
    ann = owner.cluster_of(uri("ann", 0))
    names = {
        "ann": ann,
        "bob": owner.cluster_of(uri("bob", 0)),
        "sea": next(iter(owner.groups())),
        "ann0": owner.figure(uri("ann", 0)).figure_id,
        "joe0": owner.figure(uri("joe", 0)).figure_id,
        "name": owner.applied(EditKind.NAME, {"cluster_id": ann}),
    }
    before = owner.people(), owner.groups(), owner.constraints(), owner.events()

    def meant(value: Any) -> Any:
        return [meant(v) for v in value] if isinstance(value, list) else names.get(value, value)

    edit = owner.apply(kind, {key: meant(value) for key, value in payload.items()})
    assert edit.status is EditStatus.REFUSED
    assert edit.effect == {}
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(edit.reason)
    assert (owner.people(), owner.groups(), owner.constraints(), owner.events()) == before


def test_an_undo_says_when_it_is_too_late(owner: Owner, people: dict[str, ClusterId]) -> None:
    moved = move(owner, uri("ann", 0), people["bob"])
    merged = merge(owner, people["eve"], people["bob"])
    assert "later edit" in owner.undo(moved).reason
    owner.delete(*owner.people()[people["eve"]])
    owner.cluster()
    assert "none of their figures is left" in owner.undo(merged).reason
    assert "does not exist any more" in owner.undo(moved).reason


def test_an_id_that_is_no_more_stands_for_its_heir_in_edits(
    owner: Owner, people: dict[str, ClusterId]
) -> None:
    ann, bob, eve = people["ann"], people["bob"], people["eve"]
    merge(owner, ann, bob)
    owner.name(bob, "Ann or Bob")
    move(owner, uri("eve", 0), bob)
    assert owner.names() == {ann: "Ann or Bob"}
    assert owner.people() == {ann: ANN | BOB | uris("eve", 0), eve: uris("eve", 1)}


def test_the_lineage_names_the_edit_or_the_task(owner: Owner, people: dict[str, ClusterId]) -> None:
    ann, bob = people["ann"], people["bob"]
    born = [event for event in owner.events() if event.event is EventKind.BORN]
    assert {event.cluster_id for event in born} == set(people.values())
    assert all(event.task_id and not event.edit_id for event in born)
    edit_id = merge(owner, ann, bob)
    (merged,) = [event for event in owner.events() if event.event is EventKind.MERGED]
    assert (merged.cluster_id, merged.other_id, merged.edit_id) == (ann, bob, edit_id)
    assert merged.task_id == ""
    assert set(merged.items) == {owner.figure(u).figure_id for u in BOB}
    undo(owner, edit_id)
    restored = owner.events()[-1]
    assert (restored.event, restored.cluster_id, restored.other_id) == (
        EventKind.RESTORED,
        bob,
        ann,
    )


def test_poor_faces_that_share_a_photo_with_the_other_person_go_with_a_merge(
    owner: Owner, people: dict[str, ClusterId]
) -> None:
    ann, bob = people["ann"], people["bob"]
    together = picture("both", person("ann", 8), person("bob", 8, left=300, quality=0.2))
    owner.index({"oss://b/both": together})
    owner.cluster()
    assert owner.cluster_of("oss://b/both", 1) == bob
    edit_id = merge(owner, ann, bob)
    assert bob not in owner.people()
    assert owner.cluster_of("oss://b/both", 1) == ann
    undo(owner, edit_id)
    assert owner.cluster_of("oss://b/both", 1) == bob


def test_who_was_kept_out_of_a_person_stays_out_of_a_merge(
    owner: Owner, people: dict[str, ClusterId]
) -> None:
    ann, bob = people["ann"], people["bob"]
    owner.index({"oss://b/x": picture("x", person("ann", 9))})
    owner.cluster()
    remove(owner, "oss://b/x")
    owner.index({"oss://b/x": picture("y", face(random_vector("bob", DIMENSION)))})
    owner.cluster()
    owner.name(bob, "Bob")
    assert pinned(owner, bob) == {"oss://b/x"}
    before = owner.people()
    edit_id = merge(owner, ann, bob)
    assert owner.people()[ann] == ANN | BOB
    undo(owner, edit_id)
    assert owner.people() == before
