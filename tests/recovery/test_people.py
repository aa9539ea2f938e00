"""Crash at every transaction of an owner that merges for tasks, cancels and splits."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from imm_ray.model import EditKind, TaskId
from imm_ray.store import outbox
from tests.recovery.moments import sampled
from tests.recovery.test_crash import MOST_TRANSACTIONS, CrashingDatabase, restart, survive
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits, uri
from tests.unit.dataset.test_splits import ask_merge, ask_split, cancel

Story: TypeAlias = Callable[[Owner], list[TaskId]]


def merging(owner: Owner) -> list[TaskId]:
    """Name and merge for a task, and for one that fails."""
    ann, bob = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob"))
    owner.ask_name(bob, "Bob")
    tasks = [ask_merge(owner, ann, bob)]
    survive(owner)
    owner.delete(*owner.people()[ann])
    tasks.append(ask_merge(owner, bob, ann))
    survive(owner)
    return tasks


def cancelling(owner: Owner) -> list[TaskId]:
    """Take a merging task back before any run has shown it."""
    ann, bob = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob"))
    tasks = [ask_merge(owner, ann, bob)]
    cancel(owner, tasks[0])
    survive(owner)
    return tasks


def splitting(owner: Owner) -> list[TaskId]:
    """Split a person and put that back."""
    _, split = ask_split(owner, owner.cluster_of(uri("ann", 0)), uri("ann", 1))
    survive(owner)
    owner.ask(EditKind.UNDO, {"edit_id": split})
    survive(owner)
    return []


def outcome(owner: Owner, tasks: list[TaskId]) -> object:
    with owner.database.read() as tx:
        told = [w.message.message_id for w in outbox.due(tx, owner.clock(), limit=99)]
    assert sorted(f"m-{task_id}" for task_id in tasks) == sorted(told)
    names, people = owner.names(), owner.people()
    return (
        sorted((names.get(cluster_id, ""), sorted(uris)) for cluster_id, uris in people.items()),
        [(edit.kind, edit.status, edit.reason) for edit in owner.edits() if not edit.reason],
        [(owner.task(t).status, owner.task(t).code) for t in tasks],
    )


def play(
    folder: Path, story: Story, at: int, moment: Literal["before", "after"]
) -> tuple[object, bool]:
    """Return how the story ends when transaction ``at`` crashes, and whether it came to that."""
    folder.mkdir()
    owner = Owner(folder)
    owner.index(portraits("ann", 2) | portraits("bob", 2))
    owner.cluster()
    with owner.database.write() as tx:
        for waiting in outbox.due(tx, owner.clock(), limit=99):
            outbox.delivered(tx, waiting.message.message_id)
    owner.engine_database = database = CrashingDatabase(owner.url)
    database.at, database.moment = at, moment
    restart(owner)
    ending = outcome(owner, story(owner))
    database.close()
    owner.database.close()
    return ending, database.writes >= at


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("story", [merging, cancelling, splitting])
def test_every_transaction_may_be_the_last(
    tmp_path: Path, story: Story, moment: Literal["before", "after"]
) -> None:
    undisturbed, _ = play(tmp_path / "undisturbed", story, 0, moment)
    for at in sampled(moment, most=MOST_TRANSACTIONS):
        ending, reached = play(tmp_path / str(at), story, at, moment)
        assert ending == undisturbed, f"crash {moment} commit {at}"
        if not reached:
            return
    pytest.fail(f"the story takes more than {MOST_TRANSACTIONS} transactions")
