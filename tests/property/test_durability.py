"""One dataset through crashes, restarts, second owners and jumps of the clock, in any order.

Against a short model of what clients may rely on: their files, their tasks, and that the faces of
one person stay together and those of two apart, but for what edits have said.
"""

from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from imm_ray.model import (
    NO_CLUSTER,
    ClusterId,
    EditKind,
    EditStatus,
    FigureId,
    FileStatus,
    Outcome,
    Search,
    TaskId,
    TaskStatus,
    TaskType,
)
from imm_ray.store import fsck, outbox, tasks
from imm_ray.store.ownership import Fenced
from imm_ray.testing import face, near, picture, random_vector
from tests.property import dataset
from tests.property.effort import LONG, effort
from tests.recovery.test_crash import CrashingDatabase, restart, survive
from tests.unit.dataset.owner import DIMENSION
from tests.unit.dataset.test_splits import ask_merge, ask_split

PEOPLE = ("ann", "bob", "cid")
EACH = 5

who = st.sampled_from(PEOPLE)
numbers = st.lists(st.integers(0, EACH - 1), min_size=1, max_size=3, unique=True)
kinds = st.sampled_from([TaskType.FIGURE_CLUSTERING, TaskType.SIMILAR_IMAGE_CLUSTERING])
moments: st.SearchStrategy[Literal["before", "after"]] = st.sampled_from(["before", "after"])
jumps = st.sampled_from([-86400, -1200, 1200, 86400])
"""Seconds by which the clock is put forward, or back."""


def uri(person: str, number: int) -> str:
    return f"oss://b/{person}{number}"


class DurableDataset(RuleBasedStateMachine):
    """A dataset, its clients, its owners, and whatever happens to them."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()

    @initialize()
    def begin(self) -> None:
        self.owner = self._open.enter_context(dataset.opened(minimum=2))
        self.owner.engine_database.close()
        self.database = CrashingDatabase(self.owner.url)
        self._open.callback(self.database.close)
        self.owner.engine_database = self.database
        self.owner.restart()
        self.files: dict[str, str] = {}
        """What is acknowledged: person by URI."""
        self.tasks: set[TaskId] = set()
        self.merges: list[str] = []
        self.joined: set[str] = set()
        """People whom a client has said to be one with somebody."""
        self.cut: set[str] = set()
        """People whom a client has split."""
        self.times = Counter[str]()

    def teardown(self) -> None:
        self._open.close()

    @rule(person=who, chosen=numbers)
    def index(self, person: str, chosen: list[int]) -> None:
        """New photos, or new versions of known ones, of the same person."""
        found: dict[str, Outcome] = {}
        for number in chosen:
            name = uri(person, number)
            self.times[name] += 1
            seed = f"{name} {self.times[name]}"
            found[name] = picture(
                seed,
                face(near(random_vector(person, DIMENSION), seed, 0.95)),
                vector=near(random_vector(f"scene {person}", DIMENSION), seed, 0.97),
            )
            self.files[name] = person
        self.owner.index(found)

    @rule(person=who, chosen=numbers)
    def delete(self, person: str, chosen: list[int]) -> None:
        names = [uri(person, number) for number in chosen]
        self.owner.delete(*names)
        for name in names:
            self.files.pop(name, None)

    @rule(kind=kinds)
    def cluster(self, kind: TaskType) -> None:
        self.tasks.add(self.owner.create_task(kind))
        self._settle()

    @rule()
    def settle(self) -> None:
        self._settle()

    @rule(after=st.integers(1, 25), moment=moments)
    def crash(self, after: int, moment: Literal["before", "after"]) -> None:
        """The owner dies at one of its next commits."""
        self.database.at, self.database.moment = self.database.writes + after, moment

    @rule()
    def restart(self) -> None:
        restart(self.owner)

    @rule(seconds=jumps)
    def jump(self, seconds: int) -> None:
        self.owner.clock.advance(timedelta(seconds=seconds))

    @rule()
    def second_owner(self) -> None:
        """A frozen owner wakes up after another has taken the dataset: it commits nothing."""
        frozen = self.owner.engine
        in_hand = frozen.pull(3, [])
        restart(self.owner)
        before = dataset.look(self.owner)
        with pytest.raises(Fenced):
            frozen.mend()
        with pytest.raises(Fenced):
            frozen.blame(in_hand)
        with pytest.raises(Fenced):
            frozen.run_due_edit()
        assert dataset.look(self.owner).states == before.states

    @precondition(lambda self: len(self._people()) > 1)
    @rule(first=st.integers(0, 9), second=st.integers(0, 9))
    def merge(self, first: int, second: int) -> None:
        people = sorted(self._people())
        to, other = (people[i % len(people)] for i in (first, second))
        if to != other:
            self.joined |= self._faces_of(to) | self._faces_of(other)
            self.tasks.add(ask_merge(self.owner, to, other))
            self.merges.append(self.owner.edits()[-1].edit_id)
            self._settle()

    @precondition(lambda self: self.merges)
    @rule()
    def undo(self) -> None:
        edit_id = self.merges.pop()
        if self.owner.edit(edit_id).status is EditStatus.APPLIED:
            self.cut |= self.joined
            self.owner.ask(EditKind.UNDO, {"edit_id": edit_id})
            self._settle()

    @precondition(lambda self: any(len(uris) > 2 for uris in self._people().values()))
    @rule()
    def split(self) -> None:
        source, uris = max(self._people().items(), key=lambda item: (len(item[1]), item[0]))
        self.cut |= self._faces_of(source)
        ask_split(self.owner, source, min(uris))
        self._settle()

    @precondition(lambda self: self.files)
    @rule()
    def search(self) -> None:
        """A search finds the face itself, and nothing that was deleted."""
        self._settle()
        name = min(self.files)
        outcome = self.owner.embedder.outcomes[name]
        vector = outcome.analysis.faces[0].vector  # type: ignore[union-attr]
        found = self.owner.engine.search(Search(faces=(vector,), faces_each=100))
        ids = [near.item_id for near in found.faces[0].nearest]
        alive = {self.owner.figure(uri).figure_id for uri in self.files}
        assert set(map(FigureId, ids)) <= alive
        assert self.owner.figure(name).figure_id in ids

    def _people(self) -> dict[ClusterId, frozenset[str]]:
        return self.owner.people()

    def _faces_of(self, cluster_id: ClusterId) -> set[str]:
        return {self.files[uri] for uri in self._people()[cluster_id]}

    def _settle(self) -> None:
        """Bring the dataset to rest, whoever dies meanwhile, and look at everything."""
        survive(self.owner)
        self.database.at = 0
        assert fsck.check(self.owner.database, quiescent=True) == []
        assert set(self.owner.uris()) == self.files.keys()
        for name in self.files:
            assert self.owner.file(name).status is FileStatus.SUCCEEDED
        with self.owner.database.read() as tx:
            for task_id in self.tasks:
                task = tasks.of_dataset(tx, self.owner.dataset_id, task_id)
                assert task is not None
                assert task.status is not TaskStatus.RUNNING
            later = self.owner.clock() + timedelta(days=99)
            told = sorted(w.message.message_id for w in outbox.due(tx, later, limit=999))
        assert told == sorted(f"m-{task_id}" for task_id in self.tasks)
        self._assert_people()

    def _assert_people(self) -> None:
        places: dict[str, set[str]] = {}
        for name, person in self.files.items():
            place = self.owner.figure(name).cluster_id
            if place is not None:
                places.setdefault(person, set()).add(place)
        for person, found in places.items():
            assert person in self.cut | self.joined or len(found) == 1, f"{person} is in {found}"
        apart = [found - {NO_CLUSTER} for p, found in places.items() if p not in self.joined]
        assert sum(map(len, apart)) == len(set().union(*apart)), "two people are one"


DurableDataset.TestCase.settings = settings(
    effort(20), max_examples=200 if LONG else 20, stateful_step_count=50 if LONG else 12
)
TestDurability = pytest.mark.timeout(0 if LONG else 600)(DurableDataset.TestCase)
