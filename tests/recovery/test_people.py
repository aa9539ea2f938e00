"""Crash at every transaction of an owner that merges for tasks and splits."""

from pathlib import Path
from typing import Literal

import pytest

from imm_ray.model import EditKind, TaskType
from tests.recovery.test_crash import MOST_TRANSACTIONS, album, play, survive
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.test_splits import ask_merge, ask_split


def story(owner: Owner) -> list[str]:
    """Merge two people, take one figure out of them, and take both back."""
    owner.index(album())
    tasks: list[str] = [owner.create_task(TaskType.FIGURE_CLUSTERING)]
    survive(owner)
    ann, bob = (owner.cluster_of(f"oss://b/{name}0") for name in ("ann", "bob"))
    owner.ask_name(bob, "Bob")
    tasks.append(ask_merge(owner, ann, bob))
    survive(owner)
    _, split = ask_split(owner, ann, "oss://b/ann1", "oss://b/bob1")
    survive(owner)
    merge = next(edit for edit in owner.edits() if edit.kind is EditKind.MERGE)
    owner.ask(EditKind.UNDO, {"edit_id": merge.edit_id})
    survive(owner)
    owner.ask(EditKind.UNDO, {"edit_id": split})
    survive(owner)
    return tasks


@pytest.mark.parametrize("moment", ["before", "after"])
def test_every_transaction_may_be_the_last(
    tmp_path: Path, moment: Literal["before", "after"]
) -> None:
    undisturbed, _ = play(tmp_path / "undisturbed", story, 0, moment)
    for at in range(1, MOST_TRANSACTIONS):
        ending, reached = play(tmp_path / str(at), story, at, moment)
        assert ending == undisturbed, f"crash {moment} commit {at}"
        if not reached:
            return
    pytest.fail(f"the story takes more than {MOST_TRANSACTIONS} transactions")
