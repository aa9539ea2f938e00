"""Crash at every transaction of an owner: its successor ends where an undisturbed one does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from imm_ray.model import EditKind, JsonObject, Outcome, TaskStatus, TaskType
from imm_ray.store import outbox
from imm_ray.store.database import Database, Tx
from imm_ray.testing import face, near, picture, random_vector
from tests.recovery.moments import sampled
from tests.unit.dataset.owner import DIMENSION, Owner

MOST_TRANSACTIONS = 200

Story: TypeAlias = Callable[[Owner], list[str]]


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


def edited_story(owner: Owner) -> list[str]:
    """Edit people by hand; return the ids of the tasks."""
    owner.index(album())
    tasks: list[str] = [owner.create_task(TaskType.FIGURE_CLUSTERING)]
    survive(owner)
    ann, bob = (owner.cluster_of(f"oss://b/{name}0") for name in ("ann", "bob"))

    def edit(kind: EditKind, payload: JsonObject) -> str:
        edit_id = owner.ask(kind, payload)
        survive(owner)
        return edit_id

    owner.ask_name(ann, "Ann")
    owner.ask_name(bob, "Bob")
    survive(owner)
    merged = edit(EditKind.MERGE, {"to": ann, "from": [bob]})
    figure = owner.figure("oss://b/ann1").figure_id
    removed = edit(EditKind.REMOVE, {"figure_id": figure})
    owner.delete("oss://b/bob0")
    edit(EditKind.UNDO, {"edit_id": merged})
    edit(EditKind.MOVE, {"figure_id": figure, "cluster_id": bob})
    edit(EditKind.UNDO, {"edit_id": removed})
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
    names, people = owner.names(), owner.people()
    return (
        sorted((names.get(cluster_id, ""), sorted(uris)) for cluster_id, uris in people.items()),
        sorted(map(sorted, owner.groups().values())),
        [(edit.kind, edit.status) for edit in owner.edits()],
    )


def play(
    folder: Path, story: Story, at: int, moment: Literal["before", "after"]
) -> tuple[object, bool]:
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


@pytest.mark.parametrize(
    ("story", "moment"), [(story, "before"), (story, "after"), (edited_story, "after")]
)
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
