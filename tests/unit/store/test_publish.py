"""A run becomes visible together with its task, its edits and its constraints, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from imm_ray.model import (
    NO_CLUSTER,
    ClusterEvent,
    ClusterId,
    ClusterKind,
    Constraint,
    ConstraintKind,
    Edit,
    EditKind,
    EditStatus,
    EventKind,
    Task,
    TaskStatus,
)
from imm_ray.store import datasets, edits, loading, outbox, staging, tables, tasks
from imm_ray.store.staging import EditsArrived
from tests.unit.store.album import FIGURE, Album, applied, tell_task

A = ClusterId("A")
MOST_STATEMENTS = 60


class Crash(Exception):
    """The process is gone."""


@contextmanager
def crash_at(album: Album, statement: int) -> Iterator[list[int]]:
    """Die before the given statement of the block; yields what counts them."""
    count = [0]

    def step(*_: Any) -> None:
        count[0] += 1
        if count[0] == statement:
            raise Crash

    event.listen(album.database.engine, "before_cursor_execute", step)
    try:
        yield count
    finally:
        event.remove(album.database.engine, "before_cursor_execute", step)


def ended(album: Album, task: Task) -> Task:
    return replace(task, status=TaskStatus.SUCCEEDED, progress=100, ended_at=album.clock())


def state(album: Album, task: Task, edit: Edit) -> dict[str, Any]:
    with album.database.read() as tx:
        stored = tasks.get(tx, "a", "p", task.task_id, alive_since=task.started_at)
        return {
            "run": datasets.visible_run(tx, album.dataset_id, FIGURE),
            "task": stored.status,
            "told": len(outbox.due(tx, album.clock(), limit=9)),
            "edit": edits.get(tx, album.dataset_id, edit.edit_id).status,
            "constraints": {c.item_id: c.kind.value for c in album.constraints()},
        }


def test_a_run_is_published_with_all_that_belongs_to_it_or_not_at_all(album: Album) -> None:
    album.run({"A": ["a0", "a1"]})
    kept, dropped = album.figure("a0"), album.figure("a1")
    old = Constraint(dropped, A, ConstraintKind.PIN, "old")
    album.add_constraints(old)
    task = album.create_task()
    edit = album.edit(EditKind.NAME, {"id": "A"})
    run = album.stage({"A": ["a2"]})
    end: dict[str, Any] = {
        "watermark": task.watermark,
        "task": ended(album, task),
        "edits": [applied(edit)],
        "added": [Constraint(kept, A, ConstraintKind.PIN, edit.edit_id)],
        "removed": [old],
    }
    before = state(album, task, edit)
    assert before == {
        "run": 1,
        "task": TaskStatus.RUNNING,
        "told": 0,
        "edit": EditStatus.PENDING,
        "constraints": {dropped: "pin"},
    }
    crashes = 0
    for statement in range(1, MOST_STATEMENTS):
        with crash_at(album, statement) as count:
            try:
                assert album.publish(run, **end)
            except Crash:
                crashes += 1
        if count[0] < statement:
            break
        assert state(album, task, edit) == before, f"crash at statement {statement}"
    assert crashes > 10
    assert state(album, task, edit) == {
        "run": 2,
        "task": TaskStatus.SUCCEEDED,
        "told": 1,
        "edit": EditStatus.APPLIED,
        "constraints": {kept: "pin"},
    }


def test_a_run_without_a_task_leaves_the_watermark_as_given(album: Album) -> None:
    task = album.create_task()
    album.run({"A": ["a0"]}, watermark=task.watermark, task=ended(album, task))
    edit = album.edit(EditKind.CONSOLIDATE, {})
    album.run({}, watermark=task.watermark, edits=[applied(edit)])
    at = loading.progress(album.database, album.dataset_id, FIGURE)
    assert (at.run, at.watermark) == (2, task.watermark)
    with album.database.read() as tx:
        assert edits.get(tx, album.dataset_id, edit.edit_id).run == 2
        assert len(outbox.due(tx, album.clock(), limit=9)) == 1


def test_a_task_that_ended_otherwise_changes_nothing(album: Album) -> None:
    task = album.create_task()
    edit = album.edit(EditKind.NAME, {})
    run = album.stage({"A": ["a0"]})
    with album.database.write() as tx:
        tasks.fail(tx, task, "code", "message", album.clock(), tell_task)
    before = state(album, task, edit)
    pin = Constraint(album.figure("a0"), A, ConstraintKind.PIN, edit.edit_id)
    end = {"task": ended(album, task), "edits": [applied(edit)], "added": [pin]}
    assert not album.publish(run, watermark=task.watermark, **end)
    assert state(album, task, edit) == before


def test_an_edit_that_came_meanwhile_sends_the_run_back(album: Album) -> None:
    task = album.create_task()
    known = album.edit(EditKind.NAME, {"id": "A"})
    with album.database.read() as tx:
        until = datasets.acknowledged(tx, album.dataset_id)
    run = album.stage({"A": ["a0"]})
    late = album.edit(EditKind.NAME, {"id": "A"})
    before = state(album, task, late)
    end: dict[str, Any] = {
        "watermark": task.watermark,
        "task": ended(album, task),
        "edits": [applied(known)],
    }
    with pytest.raises(EditsArrived, match="plan it again"):
        album.publish(run, edits_until=until, **end)
    assert state(album, task, late) == before
    with album.database.read() as tx:
        assert edits.pending(tx, album.dataset_id) == [known, late]
    end["edits"] = [applied(known), applied(late)]
    assert album.publish(album.stage({"A": ["a0"]}), edits_until=late.seq, **end)
    assert state(album, task, late)["edit"] is EditStatus.APPLIED


def test_what_is_no_edit_or_has_ended_sends_nothing_back(album: Album) -> None:
    with album.database.read() as tx:
        until = datasets.acknowledged(tx, album.dataset_id)
    run = album.stage({"A": ["a0"]})
    late = album.edit(EditKind.NAME, {"id": "A"})
    with album.database.write() as tx:
        edits.settle(tx, album.lease, run, [applied(late)], album.clock())
    album.index("later")
    assert album.publish(run, edits_until=until)


def test_known_edits_that_wait_for_a_later_run_do_not_hold_this_one_up(album: Album) -> None:
    first, second = album.edit(EditKind.NAME, {}), album.edit(EditKind.NAME, {})
    run = album.stage({"A": ["a0"]})
    assert album.publish(run, edits_until=second.seq, edits=[applied(first)])
    with album.database.read() as tx:
        assert edits.pending(tx, album.dataset_id) == [second]


def test_no_edit_makes_a_run_of_similar_images_stale(album: Album) -> None:
    edit = album.edit(EditKind.NAME, {})
    end = staging.RunEnd(watermark=9, edits_until=edit.seq - 1, at=album.clock())
    with album.database.write() as tx:
        assert staging.publish(tx, album.lease, ClusterKind.SIMILAR, 1, end, tell_task)
    at = loading.progress(album.database, album.dataset_id, ClusterKind.SIMILAR)
    assert (at.run, at.watermark) == (1, 9)


def test_a_deleted_dataset_leaves_no_row(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"]})
    task = album.create_task()
    edit = album.edit(EditKind.NAME, {"id": "A"})
    pin = Constraint(album.figure("b1"), A, ConstraintKind.PIN, edit.edit_id)
    happened = ClusterEvent(EventKind.MERGED, A, ClusterId("B"), ("x",))
    album.run({"": ["a0"]}, retired={"A": NO_CLUSTER}, events=[happened], added=[pin])
    ours = [
        table
        for table in tables.metadata.sorted_tables
        if "dataset_id" in table.c and table not in (tables.task, tables.index_request)
    ]
    with album.database.read() as tx:
        uris = [row.uri for row in tx.execute(tables.file.select())]
    filled = {table.name for table in ours if album.rows(table)}
    assert {"edit", "figure_constraint", "cluster_event", "retired_cluster"} <= filled
    album.delete(*uris)
    with album.database.write() as tx:
        orphan = {"dataset_id": album.dataset_id, "item_id": "gone", "cluster_id": "gone"}
        tx.execute(tables.figure_constraint.insert().values(**orphan, kind="pin", edit_id="e"))
        datasets.delete(tx, album.dataset_id, album.clock(), tell_task)
    assert {table.name for table in ours if album.rows(table)} == set()
    with album.database.read() as tx:
        stored = tasks.get(tx, "a", "p", task.task_id, alive_since=task.started_at)
        assert stored.status is TaskStatus.FAILED
