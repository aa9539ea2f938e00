"""Crash at every transaction of an owner: its successor ends where an undisturbed one does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from imm_ray.model import Outcome, TaskStatus, TaskType
from imm_ray.store import outbox
from imm_ray.store.database import Database, Tx
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, Owner

MOST_TRANSACTIONS = 200


class Crash(BaseException):
    """The process is gone."""


class CrashingDatabase(Database):
    """Dies in write transaction number ``at``, before or after its commit."""

    at = 0
    moment: Literal["before", "after"] = "before"
    writes = 0

    @contextmanager
    def write(self) -> Iterator[Tx]:
        self.writes += 1
        with super().write() as tx:
            yield tx
            if self.writes == self.at and self.moment == "before":
                raise Crash
        if self.writes == self.at and self.moment == "after":
            raise Crash


def album() -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for name in ("ann", "bob"):
        for i in range(3):
            seed = f"{name}{i}"
            found[f"oss://b/{seed}"] = picture(
                seed,
                face(near(random_vector(name, DIMENSION), seed, 0.95)),
                vector=near(random_vector(f"shot {name}", DIMENSION), seed, 0.97),
            )
    return found


def story(owner: Owner) -> list[str]:
    """Run the main job with deletes; return the ids of the tasks."""
    pictures = album()
    early = dict(list(pictures.items())[:4])
    late = dict(list(pictures.items())[4:])
    tasks: list[str] = []

    def step(task_type: TaskType) -> None:
        tasks.append(owner.create_task(task_type))
        survive(owner)

    owner.index(early)
    step(TaskType.FIGURE_CLUSTERING)
    step(TaskType.SIMILAR_IMAGE_CLUSTERING)
    owner.delete("oss://b/ann0")
    owner.index(late)
    step(TaskType.FIGURE_CLUSTERING)
    step(TaskType.SIMILAR_IMAGE_CLUSTERING)
    return tasks


def survive(owner: Owner) -> None:
    """Drain; when the owner crashes, a new one goes on."""
    while True:
        try:
            return owner.drain()
        except Crash:
            restart(owner)


def restart(owner: Owner) -> None:
    """Give the dataset a new owner; if that one crashes as it starts, another."""
    while True:
        try:
            return owner.restart()
        except Crash:
            continue


def outcome(owner: Owner, tasks: list[str]) -> object:
    with owner.database.read() as tx:
        told = sorted(w.message.message_id for w in outbox.due(tx, owner.clock(), limit=99))
    assert told == sorted(f"m-{task_id}" for task_id in tasks)
    assert all(owner.task(t).status is TaskStatus.SUCCEEDED for t in tasks)  # type: ignore[arg-type]
    return (
        sorted(map(sorted, owner.people().values())),
        sorted(map(sorted, owner.groups().values())),
    )


def play(folder: Path, at: int, moment: Literal["before", "after"]) -> tuple[object, bool]:
    """Return how the story ends when transaction ``at`` crashes, and whether it came to that."""
    folder.mkdir()
    owner = Owner(folder)
    url = f"sqlite:///{folder / 'imm.db'}"
    owner.engine_database = database = CrashingDatabase(url)
    database.at, database.moment = at, moment
    restart(owner)
    tasks = story(owner)
    ending = outcome(owner, tasks)
    database.close()
    owner.database.close()
    return ending, database.writes >= at


@pytest.mark.parametrize("moment", ["before", "after"])
def test_every_transaction_may_be_the_last(
    tmp_path: Path, moment: Literal["before", "after"]
) -> None:
    undisturbed, _ = play(tmp_path / "undisturbed", 0, moment)
    for at in range(1, MOST_TRANSACTIONS):
        ending, reached = play(tmp_path / str(at), at, moment)
        assert ending == undisturbed, f"crash {moment} commit {at}"
        if not reached:
            return
    pytest.fail(f"the story takes more than {MOST_TRANSACTIONS} transactions")
