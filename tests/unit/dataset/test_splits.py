"""Splits, merging tasks and cancelled tasks, as a dataset's owner carries them out."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from imm_ray.model import (
    ClusterId,
    EditKind,
    EditStatus,
    EventKind,
    TaskId,
    TaskStatus,
    TaskType,
)
from imm_ray.store import edits, outbox, people, tasks
from imm_ray.testing import picture
from tests.unit.dataset.owner import InterruptedDatabase, Owner, tell_task
from tests.unit.dataset.photos import person, portraits, shots, uri, uris

Restart = Callable[[], None]

ANN, BOB = uris("ann", 0, 1, 2, 3), uris("bob", 0, 1, 2)


@pytest.fixture(params=["alive", "restarted"])
def again(request: pytest.FixtureRequest, owner: Owner) -> Restart:
    """The same owner goes on, or it is another one each time."""
    return owner.restart if request.param == "restarted" else lambda: None


@pytest.fixture
def known(owner: Owner) -> dict[str, ClusterId]:
    """Ann with four photos and Bob with three."""
    owner.index(portraits("ann", 4) | portraits("bob", 3))
    owner.cluster()
    return {name: owner.cluster_of(uri(name, 0)) for name in ("ann", "bob")}


def ask_split(owner: Owner, source: ClusterId, *photos: str) -> tuple[ClusterId, str]:
    """Acknowledge a split as an ingress does; return the new cluster and the edit."""
    new = ClusterId(f"Cluster-{uuid.uuid4()}")
    figures = [owner.figure(photo).figure_id for photo in photos]
    payload = {"cluster_id": new, "from": source, "figure_ids": figures}
    with owner.database.write() as tx:
        edit = edits.add(tx, owner.dataset_id, EditKind.SPLIT, payload, owner.clock())
        people.found(tx, owner.dataset_id, new, owner.clock())
    return new, edit.edit_id


def split(owner: Owner, source: ClusterId, *photos: str) -> tuple[ClusterId, str]:
    new, edit_id = ask_split(owner, source, *photos)
    owner.drain()
    edit = owner.edit(edit_id)
    assert edit.status is EditStatus.APPLIED, edit.reason
    return new, edit_id


def ask_merge(owner: Owner, to: ClusterId, *others: ClusterId) -> TaskId:
    """Acknowledge a merging task."""
    task_id = owner.create_task(TaskType.FIGURE_CLUSTERS_MERGING)
    payload = {"to": to, "from": list(others)}
    with owner.database.write() as tx:
        edits.add(tx, owner.dataset_id, EditKind.MERGE, payload, owner.clock(), task_id=task_id)
    return task_id


def cancel(owner: Owner, task_id: TaskId) -> None:
    """Cancel a task as an ingress does."""
    with owner.database.write() as tx:
        edit = edits.pending_of_task(tx, owner.dataset_id, task_id)
        if edit is not None:
            payload = {"edit_id": edit.edit_id}
            edits.add(tx, owner.dataset_id, EditKind.UNDO, payload, owner.clock())
        task = tasks.of_dataset(tx, owner.dataset_id, task_id)
        assert task is not None
        tasks.fail(tx, task, "Cancelled", "No.", owner.clock(), tell_task)


def told(owner: Owner) -> list[str]:
    with owner.database.read() as tx:
        return sorted(w.message.message_id for w in outbox.due(tx, owner.clock(), limit=99))


def test_split_figures_stay_apart_until_that_is_undone(
    owner: Owner, known: dict[str, ClusterId], again: Restart
) -> None:
    ann = known["ann"]
    owner.name(ann, "Ann")
    before = owner.people()
    again()
    gone = [uri("ann", 0), uri("ann", 2)]
    new, edit_id = split(owner, ann, *gone)
    after = {**before, ann: ANN - {*gone}, new: {*gone}}
    assert owner.people() == after
    assert owner.names() == {ann: "Ann"}
    again()
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == after
    owner.cluster()
    assert owner.people() == after
    again()
    undone = owner.undo(edit_id)
    assert undone.status is EditStatus.APPLIED, undone.reason
    assert owner.people() == before
    assert owner.resolve(new) == ann
    again()
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == before


def test_a_split_is_one_event_with_its_edit(owner: Owner, known: dict[str, ClusterId]) -> None:
    new, edit_id = split(owner, known["ann"], uri("ann", 0), uri("ann", 1))
    (event,) = [event for event in owner.events() if event.edit_id == edit_id]
    assert (event.event, event.cluster_id, event.other_id) == (
        EventKind.SPLIT,
        new,
        known["ann"],
    )
    assert set(event.items) == {owner.figure(uri("ann", n)).figure_id for n in range(2)}
    assert owner.edit(edit_id).effect["to"] == new


def test_a_split_person_can_be_named_merged_and_joined(
    owner: Owner, known: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob = known["ann"], known["bob"]
    new, _ = split(owner, ann, uri("ann", 3))
    owner.name(new, "Not Ann")
    assert owner.names() == {new: "Not Ann"}
    again()
    task_id = ask_merge(owner, bob, new)
    owner.drain()
    assert owner.task(task_id).status is TaskStatus.SUCCEEDED
    assert owner.people() == {ann: ANN - {uri("ann", 3)}, bob: BOB | {uri("ann", 3)}}
    assert owner.resolve(new) == bob


def test_edits_that_wait_with_a_split_see_its_cluster(
    owner: Owner, known: dict[str, ClusterId]
) -> None:
    ann, bob = known["ann"], known["bob"]
    new, edit_id = ask_split(owner, ann, uri("ann", 0), uri("ann", 1))
    figure = owner.figure(uri("bob", 0)).figure_id
    owner.ask(EditKind.MOVE, {"figure_id": figure, "cluster_id": new})
    owner.ask(EditKind.NAME, {"cluster_id": new})
    owner.drain()
    assert {edit.status for edit in owner.edits()} == {EditStatus.APPLIED}
    assert owner.people()[new] == uris("ann", 0, 1) | uris("bob", 0)
    owner.undo(edit_id)
    assert owner.people() == {ann: ANN, bob: uris("bob", 1, 2), new: uris("bob", 0)}


def test_a_split_and_its_undo_in_one_run_change_nothing(
    owner: Owner, known: dict[str, ClusterId], again: Restart
) -> None:
    before = owner.people()
    new, edit_id = ask_split(owner, known["ann"], uri("ann", 0))
    owner.ask(EditKind.UNDO, {"edit_id": edit_id})
    owner.drain()
    assert owner.people() == before
    assert [edit.status for edit in owner.edits()] == [EditStatus.APPLIED] * 2
    again()
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == before
    assert owner.resolve(new) is None


def test_a_split_leaves_out_who_has_gone_since(owner: Owner, known: dict[str, ClusterId]) -> None:
    ann, bob = known["ann"], known["bob"]
    figure = owner.figure(uri("ann", 0)).figure_id
    owner.ask(EditKind.MOVE, {"figure_id": figure, "cluster_id": bob})
    new, edit_id = ask_split(owner, ann, uri("ann", 0), uri("ann", 1), uri("ann", 2))
    owner.delete(uri("ann", 2))
    owner.drain()
    assert owner.edit(edit_id).status is EditStatus.APPLIED
    assert owner.people() == {
        ann: uris("ann", 3),
        bob: BOB | uris("ann", 0),
        new: uris("ann", 1),
    }


@pytest.mark.parametrize("deleted", [[0, 1], [2, 3]])
def test_a_split_is_refused_when_nobody_would_leave_or_stay(
    owner: Owner, known: dict[str, ClusterId], deleted: list[int], again: Restart
) -> None:
    new, edit_id = ask_split(owner, known["ann"], uri("ann", 0), uri("ann", 1))
    owner.delete(*(uri("ann", number) for number in deleted))
    before = owner.people()
    again()
    owner.drain()
    edit = owner.edit(edit_id)
    assert edit.status is EditStatus.REFUSED
    assert ("None of the figures is in" if deleted[0] == 0 else "would stay") in edit.reason
    assert owner.people() == before
    assert owner.resolve(new) is None


def test_a_later_move_stands_when_a_split_is_undone(
    owner: Owner, known: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob = known["ann"], known["bob"]
    _, edit_id = split(owner, ann, uri("ann", 0), uri("ann", 1))
    figure = owner.figure(uri("ann", 0)).figure_id
    owner.applied(EditKind.MOVE, {"figure_id": figure, "cluster_id": bob})
    again()
    owner.undo(edit_id)
    assert owner.people() == {ann: ANN - {uri("ann", 0)}, bob: BOB | {uri("ann", 0)}}
    twice = owner.undo(edit_id)
    assert (twice.status, "where the split" in twice.reason) == (EditStatus.REFUSED, True)


def test_the_undo_of_a_split_goes_to_the_heir(owner: Owner, known: dict[str, ClusterId]) -> None:
    ann, bob = known["ann"], known["bob"]
    _, edit_id = split(owner, ann, uri("ann", 0))
    owner.applied(EditKind.MERGE, {"to": bob, "from": [ann]})
    owner.undo(edit_id)
    assert owner.people() == {bob: ANN | BOB}


def test_new_photos_join_the_side_that_they_look_like(owner: Owner) -> None:
    # Two people whom a merge by hand has made one are split by figures again.
    owner.index(portraits("ann", 3) | portraits("bob", 3))
    owner.cluster()
    ann, bob = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob"))
    owner.applied(EditKind.MERGE, {"to": ann, "from": [bob]})
    new, _ = split(owner, ann, *uris("bob", 0, 1, 2))
    owner.index(portraits("ann", 1, first=3) | portraits("bob", 1, first=3))
    owner.cluster()
    assert owner.people() == {ann: ANN, new: uris("bob", 0, 1, 2, 3)}


def test_a_merging_task_waits_for_no_files_and_ends_once(
    owner: Owner, known: dict[str, ClusterId], again: Restart
) -> None:
    ann, bob = known["ann"], known["bob"]
    earlier = told(owner)
    task_id = ask_merge(owner, ann, bob)
    again()
    owner.drain()
    task = owner.task(task_id)
    assert (task.status, task.progress, task.code) == (TaskStatus.SUCCEEDED, 100, "")
    assert task.ended_at is not None
    assert task.ledger["clusters_changed"] == 2
    assert owner.people() == {ann: ANN | BOB}
    assert told(owner) == sorted([*earlier, f"m-{task_id}"])


def test_a_merge_of_who_is_gone_fails_its_task(owner: Owner, known: dict[str, ClusterId]) -> None:
    ann, bob = known["ann"], known["bob"]
    task_id = ask_merge(owner, ann, bob)
    owner.delete(*BOB)
    owner.drain()
    task = owner.task(task_id)
    assert (task.status, task.code) == (TaskStatus.FAILED, "ResourceNotFound")
    assert f"The figure cluster {bob} does not exist" in task.message
    assert owner.people() == {ann: ANN}


def test_a_merge_of_one_with_itself_by_other_ids_succeeds(
    owner: Owner, known: dict[str, ClusterId]
) -> None:
    ann, bob = known["ann"], known["bob"]
    ask_merge(owner, ann, bob)
    task_id = ask_merge(owner, ann, bob)
    owner.drain()
    assert owner.task(task_id).status is TaskStatus.SUCCEEDED
    assert owner.people() == {ann: ANN | BOB}


def test_merging_tasks_and_clustering_tasks_go_side_by_side(
    owner: Owner, known: dict[str, ClusterId]
) -> None:
    ann, bob = known["ann"], known["bob"]
    merging = ask_merge(owner, ann, bob)
    owner.index(portraits("bob", 1, first=3) | shots("sea", 2))
    made = [merging, owner.create_task(), owner.create_task(TaskType.SIMILAR_IMAGE_CLUSTERING)]
    owner.drain()
    assert {owner.task(task_id).status for task_id in made} == {TaskStatus.SUCCEEDED}
    assert owner.people() == {ann: ANN | uris("bob", 0, 1, 2, 3)}


def interruptible(folder: Path) -> tuple[Owner, InterruptedDatabase]:
    owner = Owner(folder)
    owner.engine_database = database = InterruptedDatabase(owner.url)
    owner.restart()
    return owner, database


@pytest.mark.parametrize("step", range(1, 8))
def test_a_task_cancelled_while_its_run_is_made_shows_nothing(tmp_path: Path, step: int) -> None:
    owner, database = interruptible(tmp_path)
    owner.index(portraits("ann", 3))
    owner.cluster()
    before = owner.people()
    # The next run would give Ann's photos and Eve's to one person more.
    owner.index(portraits("eve", 3) | {uri("ann", 8): picture("n", person("ann", 8))})
    owner.drain()
    task_id = owner.create_task()
    database.interrupt(step, lambda: cancel(owner, task_id))
    owner.drain()
    if not database.interrupted:
        assert owner.task(task_id).status is TaskStatus.SUCCEEDED
        return
    task = owner.task(task_id)
    if task.status is TaskStatus.FAILED:
        assert task.code == "Cancelled"
        assert owner.people() == before
        assert told(owner).count(f"m-{task_id}") == 1
        assert owner.figure(uri("eve", 0)).cluster_id is None
    next_task = owner.cluster()
    assert next_task.status is TaskStatus.SUCCEEDED
    assert sorted(map(len, owner.people().values())) == [3, 4]
    restarted = owner.people()
    owner.restart()
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == restarted
    database.close()


def test_a_cancelled_task_leaves_what_it_covers_to_the_next(
    owner: Owner, known: dict[str, ClusterId], again: Restart
) -> None:
    owner.index(portraits("eve", 2))
    first = owner.create_task()
    second = owner.create_task()
    cancel(owner, first)
    again()
    owner.drain()
    assert owner.task(first).code == "Cancelled"
    assert owner.task(second).status is TaskStatus.SUCCEEDED
    assert len(owner.people()) == 3


@pytest.mark.parametrize("step", range(1, 6))
def test_a_merge_cancelled_before_it_shows_never_shows(tmp_path: Path, step: int) -> None:
    owner, database = interruptible(tmp_path)
    owner.index(portraits("ann", 3) | portraits("bob", 3))
    owner.cluster()
    before = owner.people()
    ann, bob = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob"))
    task_id = ask_merge(owner, ann, bob)
    database.interrupt(step, lambda: cancel(owner, task_id))
    owner.drain()
    assert database.interrupted
    assert owner.task(task_id).code == "Cancelled"
    assert told(owner).count(f"m-{task_id}") == 1
    assert owner.people() == before
    assert owner.resolve(bob) == bob
    owner.restart()
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == before
    database.close()


def test_old_tasks_are_purged_when_they_have_ended(
    owner: Owner, known: dict[str, ClusterId]
) -> None:
    task_id = ask_merge(owner, known["ann"], known["bob"])
    owner.clock.advance(timedelta(days=8))
    since = owner.clock() - timedelta(days=7)
    with owner.database.write() as tx:
        assert tasks.purge(tx, since, limit=10) == 1
        assert tasks.of_dataset(tx, owner.dataset_id, task_id) is not None
    owner.drain()
    with owner.database.write() as tx:
        assert tasks.purge(tx, since, limit=10) == 1
        assert tasks.of_dataset(tx, owner.dataset_id, task_id) is None
    assert {edit.status for edit in owner.edits()} == {EditStatus.APPLIED}


def test_events_name_the_edit_that_moved_figures_not_the_name_before_it(
    owner: Owner, known: dict[str, ClusterId]
) -> None:
    ann, bob = known["ann"], known["bob"]
    named = owner.ask_name(bob, "Bob")
    ask_merge(owner, ann, bob)
    new, split_id = ask_split(owner, ann, uri("ann", 0))
    owner.drain()
    (merge,) = [edit.edit_id for edit in owner.edits() if edit.kind is EditKind.MERGE]
    causes = {event.event: event.edit_id for event in owner.events() if event.edit_id}
    assert causes == {
        EventKind.NAMED: named,
        EventKind.MERGED: merge,
        EventKind.SPLIT: split_id,
    }
    assert owner.people()[new] == {uri("ann", 0)}


def test_a_name_and_a_merge_that_wait_for_a_new_owner_both_hold(
    owner: Owner, known: dict[str, ClusterId]
) -> None:
    ann, bob = known["ann"], known["bob"]
    owner.ask_name(bob, "Bob")
    task_id = ask_merge(owner, ann, bob)
    owner.restart()
    owner.drain()
    assert owner.task(task_id).status is TaskStatus.SUCCEEDED
    assert owner.people() == {ann: ANN | BOB}
