"""Edits by hand, with everything else that may happen to a dataset, in any order."""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from imm_ray.model import (
    ClusterId,
    EditKind,
    FileStatus,
    JsonObject,
    Refused,
)
from tests.property import dataset
from tests.property.effort import NO_HURRY, effort
from tests.property.model import Model, Seen
from tests.property.world import PHOTOS, POOR, VERSIONS, World
from tests.unit.dataset.owner import InterruptedDatabase

photos = st.integers(0, PHOTOS - 1)
anything = st.integers(0, 99)
"""Chooses among what there is at the time."""
moments = st.integers(0, 7)
"""0: the edit comes to an idle owner; else before that write of a run."""


class EditedDataset(RuleBasedStateMachine):
    """One dataset, what its clients do, and what they may rely on."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()

    @initialize(seed=st.integers(0, 999), minimum=st.sampled_from([2, 3]))
    def begin(self, seed: int, minimum: int) -> None:
        self.world = World(seed)
        self.owner = self._open.enter_context(dataset.opened(minimum=minimum))
        self.model = Model()
        self.view = dataset.look(self.owner)
        self.versions: dict[int, int] = {}
        self.revisions = Counter[int]()
        self._index(range(PHOTOS // 2), 0)
        self._task()

    def teardown(self) -> None:
        self._open.close()

    @rule(chosen=st.lists(photos, min_size=1, max_size=6), version=st.integers(0, VERSIONS - 1))
    def index(self, chosen: list[int], version: int) -> None:
        """New photos, and new versions of known ones."""
        self._index(chosen, version)

    @rule(chosen=st.lists(photos, min_size=1, max_size=4))
    def delete(self, chosen: list[int]) -> None:
        self.owner.delete(*map(_uri, chosen))
        for photo in chosen:
            self.versions.pop(photo, None)

    @rule(photo=photos)
    def fail(self, photo: int) -> None:
        """A photo is replaced by something that is none."""
        self.owner.index({_uri(photo): Refused("The file is empty.")})
        self.versions.pop(photo, None)

    @rule()
    def task(self) -> None:
        self._task()

    @rule()
    def restart(self) -> None:
        self.owner.restart()

    @rule()
    def idle(self) -> None:
        """What an owner does when it has nothing else to do."""
        self.owner.drain()
        self.owner.engine.consolidate()
        self._check()

    @precondition(lambda self: self.view.states)
    @rule(which=anything, name=st.sampled_from(["Ann", "Bob", "Eve"]), moment=moments)
    def name(self, which: int, name: str, moment: int) -> None:
        cluster_id = self._cluster(which)

        def ask() -> None:
            if current := self.owner.resolve(cluster_id):
                self.owner.ask_name(current, name)
                self.model.names[current] = name

        self._at(moment, ask)

    @precondition(lambda self: len(self.view.states) > 1)
    @rule(to=anything, others=st.lists(anything, min_size=1, max_size=2), moment=moments)
    def merge(self, to: int, others: list[int], moment: int) -> None:
        payload = {"to": self._cluster(to), "from": [self._cluster(which) for which in others]}
        self._edit(EditKind.MERGE, payload, moment)

    @precondition(lambda self: self.view.states)
    @rule(which=anything, to=anything, moment=moments)
    def move(self, which: int, to: int, moment: int) -> None:
        payload = {"figure_id": self._figure(which), "cluster_id": self._cluster(to)}
        self._edit(EditKind.MOVE, payload, moment)

    @precondition(lambda self: self.view.states)
    @rule(which=anything, moment=moments)
    def remove(self, which: int, moment: int) -> None:
        self._edit(EditKind.REMOVE, {"figure_id": self._figure(which)}, moment)

    @precondition(lambda self: self.model.done)
    @rule(which=anything, moment=moments)
    def undo(self, which: int, moment: int) -> None:
        done = list(self.model.done)
        self._edit(EditKind.UNDO, {"edit_id": done[-1 - which % len(done)]}, moment)

    @rule(moment=moments)
    def consolidate(self, moment: int) -> None:
        self._edit(EditKind.CONSOLIDATE, {}, moment)

    @rule(first=anything, second=anything)
    def merge_and_undo_at_once(self, first: int, second: int) -> None:
        """A client may change its mind before the owner has looked."""
        if len(self.view.states) < 2:
            return
        payload = {"to": self._cluster(first), "from": [self._cluster(second)]}
        edit_id = self.owner.ask(EditKind.MERGE, payload)
        self.owner.ask(EditKind.UNDO, {"edit_id": edit_id})
        self.owner.drain()
        self._check()

    def _index(self, chosen: Iterable[int], version: int) -> None:
        self.owner.index({_uri(photo): self.world.outcome(photo, version) for photo in chosen})
        for photo in chosen:
            self.versions[photo] = version
            self.revisions[photo] += 1

    def _task(self) -> None:
        self.owner.cluster()
        self._check()

    def _edit(self, kind: EditKind, payload: JsonObject, moment: int) -> None:
        self._at(moment, lambda: self.owner.ask(kind, payload))

    def _at(self, moment: int, ask: Any) -> None:
        """Have an edit come when a run is at work, or, if there is no such write, after it."""
        database = self.owner.engine_database
        assert isinstance(database, InterruptedDatabase)
        if moment:
            self.owner.create_task()
            database.interrupt(moment, ask)
            self.owner.drain()
        if not (moment and database.interrupted):
            database.step = 0
            ask()
        self.owner.drain()
        self._check()

    def _cluster(self, which: int) -> ClusterId:
        return sorted(self.view.states)[which % len(self.view.states)]

    def _figure(self, which: int) -> str:
        return sorted(self.view.file_of)[which % len(self.view.file_of)]

    def _check(self) -> None:
        before, self.view = self.view, dataset.look(self.owner)
        for check in (
            dataset.assert_counts_hold,
            dataset.assert_constraints_hold,
            dataset.assert_lineage_tells_all,
        ):
            check(self.view)
        assert dataset.is_grown(before.events, self.view.events)
        dataset.assert_ids_lead_somewhere(self.owner, self.view)
        self.model.advance(before, self.view, self.owner.edits(), self._people())

    def _people(self) -> dict[str, Seen]:
        """Who each figure is in truth."""
        found: dict[str, Seen] = {}
        for photo, version in self.versions.items():
            file = self.owner.file(_uri(photo))
            assert file.status is FileStatus.SUCCEEDED
            by_place = {p.left: p for p in self.world.portraits(photo, version)}
            assert len(file.figures) == len(by_place)
            for figure in file.figures:
                portrait = by_place[figure.box.left]
                is_clear = portrait.quality > POOR and figure.cluster_id is not None
                found[figure.figure_id] = Seen(portrait.person, is_clear, self.revisions[photo])
        return found


def _uri(photo: int) -> str:
    return f"oss://b/{photo}"


EditedDataset.TestCase.settings = effort(30, steps=20)
TestEdits = NO_HURRY(EditedDataset.TestCase)
