"""Clustering runs of one dataset: for tasks, for edits, and to consolidate."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from imm_ray.dataset.applied import Applied, EditRefused, Lookup
from imm_ray.dataset.book import Book
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.door import Door
from imm_ray.dataset.edits import FigureEdits
from imm_ray.dataset.health import ImplausibleRun
from imm_ray.dataset.plan import Plan
from imm_ray.dataset.publisher import Cause, Publisher
from imm_ray.dataset.said import Said
from imm_ray.errors import ResourceNotFound
from imm_ray.model import (
    ClusterEvent,
    ClusterId,
    ClusterKind,
    Edit,
    EditKind,
    EditStatus,
    EventKind,
    RecordedEvent,
    Task,
)
from imm_ray.settings import Clustering
from imm_ray.store import edits, files, lineage, staging
from imm_ray.store.database import Database
from imm_ray.store.edits import SettledEdit
from imm_ray.store.ownership import Lease

_EVENTS_AT_ONCE = 100
_EDITS_AT_ONCE = 500

_log = structlog.get_logger(__name__)


class Runs:
    """Plans runs and publishes them.

    Notes
    -----
    Edits are applied in the order in which they were acknowledged; those that wait together share
    a run. No run becomes visible while an edit waits that it does not apply
    (`staging.EditsArrived`): it might give away the id of a cluster that has just been named. It is
    planned again with the edit. Edits that make a run stale again and again are refused at the door
    until it is visible, so no stream of them can starve a run.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        publisher: Publisher,
        *,
        collections: dict[ClusterKind, Collection],
        book: Book,
        rules: Clustering,
    ) -> None:
        self._database = database
        self._dataset_id = lease.dataset_id
        self._door = Door(database, lease)
        self._publisher = publisher
        self._collections = collections
        self._book = book
        self._rules = rules
        self._edits = FigureEdits(collections[ClusterKind.FIGURE], book)
        self._said = Said()
        self._causes: dict[str, str] = {}
        """By figure, the last edit of the run in hand that may have moved it."""
        self._applied: dict[str, Edit] = {}
        """Edits with their effects that no run has made visible yet."""

    def run_task(self, task: Task) -> None:
        """Run a task whose files are all indexed, to its end.

        Raises
        ------
        ImplausibleRun
            Nothing is visible; the task must be ended.
        """
        self._run(task.task_type.kind, task.watermark, task)

    def run_new(self, watermark: int) -> None:
        """Cluster the figures of files up to ``watermark`` without a task.

        Raises
        ------
        ImplausibleRun
            Nothing is visible.
        """
        self.apply_edits()
        self._run(ClusterKind.FIGURE, watermark, None)

    def _run(self, kind: ClusterKind, watermark: int, task: Task | None) -> None:
        stale = 0
        while not self._attempt(kind, watermark, task):
            stale += 1
            self._door.knocked(stale)
            self._apply_edits()
        self._door.open()

    def _attempt(self, kind: ClusterKind, watermark: int, task: Task | None) -> bool:
        """Make a run; return False when an edit has made it stale before it was visible."""
        begun = time.perf_counter()
        plan = self._plan(kind, watermark)
        try:
            self._check_plausible(plan)
        except ImplausibleRun:
            self._collections[kind].abandon(plan)
            self._door.open()
            raise
        try:
            published = self._publish(
                kind, plan, Cause(begun=begun, watermark=watermark, task=task)
            )
        except staging.EditsArrived:
            return False
        if not published:
            self._collections[kind].abandon(plan)
        return True

    def apply_edits(self) -> bool:
        """Apply the edits that wait, in one run; return whether there were any.

        Others that come while the run is made are applied with it.
        """
        found = self._apply_edits()
        self._door.open()
        return found

    def has_edits(self) -> bool:
        """Return whether edits wait."""
        return next(self._waiting(0), None) is not None

    def open_door(self) -> None:
        """Take edits, even if an owner before had to hold them back."""
        self._door.load()

    def _apply_edits(self) -> bool:
        done: list[tuple[Edit, Applied]] = []
        settled: list[SettledEdit] = []
        until = stale = 0
        while True:
            begun = time.perf_counter()
            for edit in self._waiting(until):
                applied, end = self._apply(edit)
                done.append((edit, applied))
                settled.append(end)
                until = edit.seq
            if not settled:
                return False
            cause = Cause(
                begun=begun,
                until=until,
                edits=settled,
                inheritances=self._said.inheritances(self._book.heir),
            )
            try:
                self._publish(ClusterKind.FIGURE, self._plan_edits(done), cause)
            except staging.EditsArrived:
                stale += 1
                self._door.knocked(stale)
                continue
            self._applied.clear()
            self._causes.clear()
            self._said.clear()
            return True

    def consolidate(self) -> bool:
        """Consolidate what may gain from it; return whether anything may."""
        self.apply_edits()
        wanting = [kind for kind, c in self._collections.items() if c.wants_consolidation]
        for kind in wanting:
            begun = time.perf_counter()
            plan = self._plan(kind, 0, consolidate=True)
            try:
                self._publish(kind, plan, Cause(begun=begun))
            except staging.EditsArrived:
                # The run of the edit looks at everything that this one would have changed.
                _log.info("an edit came during a consolidation", dataset_id=self._dataset_id)
        return bool(wanting)

    def _plan(self, kind: ClusterKind, watermark: int, *, consolidate: bool = False) -> Plan:
        collection = self._collections[kind]
        return collection.plan(
            max(watermark, collection.at.watermark),
            protected=self._book.protected if kind is ClusterKind.FIGURE else (),
            consolidate=consolidate,
        )

    def _plan_edits(self, done: Sequence[tuple[Edit, Applied]]) -> Plan:
        figures = self._collections[ClusterKind.FIGURE]
        restored = [cluster_id for _, applied in done for cluster_id in applied.restored]
        consolidate = any(applied.consolidate for _, applied in done)
        most = 1
        while True:
            plan = figures.plan(
                figures.at.watermark,
                protected=self._book.protected,
                restored=restored,
                consolidate=consolidate,
                always=True,
            )
            held = [self._edits.hold_back(applied, e.edit_id, most) for e, applied in done]
            if not any(held):
                break
            most *= 2
        shown = [replace(v, edit_id=e.edit_id) for e, applied in done for v in applied.events]
        caused = [replace(event, edit_id=self._cause_of(event)) for event in plan.events]
        split = {applied.split for _, applied in done}
        told = [replace(v, event=EventKind.SPLIT) if v.cluster_id in split else v for v in caused]
        return replace(plan, events=[*shown, *told])

    def _cause_of(self, event: ClusterEvent) -> str:
        """Return the edit that said something of a figure of an event; '' if the run did it."""
        return next((self._causes[i] for i in event.items if i in self._causes), "")

    def _publish(self, kind: ClusterKind, plan: Plan, cause: Cause) -> bool:
        if kind is ClusterKind.FIGURE:
            cause = replace(cause, added=self._book.added, removed=self._book.removed)
        published = self._publisher.publish(kind, self._collections[kind], plan, cause)
        if published and kind is ClusterKind.FIGURE:
            self._book.settle()
        return published

    def _apply(self, edit: Edit) -> tuple[Applied, SettledEdit]:
        """Change the book as an edit says; return how it ends."""
        self._book.said()
        try:
            applied = self._edits.apply(edit, Lookup(self._resolve, self._edit, self._history))
        except EditRefused as refusal:
            return Applied({}), SettledEdit(
                edit_id=edit.edit_id,
                status=EditStatus.REFUSED,
                reason=str(refusal),
                effect={},
                task_id=edit.task_id,
                founded=_founded(edit),
            )
        self._applied[edit.edit_id] = replace(edit, effect=applied.effect)
        if edit.kind is EditKind.NAME:  # it holds figures where they are
            self._said.hear(edit, ClusterId(applied.effect["cluster_id"]))
        else:
            self._causes |= dict.fromkeys(self._book.said(), edit.edit_id)
        return applied, SettledEdit(
            edit_id=edit.edit_id,
            status=EditStatus.APPLIED,
            reason="",
            effect=applied.effect,
            task_id=edit.task_id,
        )

    def _waiting(self, after: int) -> Iterator[Edit]:
        """Yield the pending edits after a seq, the oldest first, until none is left."""
        while True:
            with self._database.read() as tx:
                page = edits.pending(tx, self._dataset_id, after=after, limit=_EDITS_AT_ONCE)
            yield from page
            if len(page) < _EDITS_AT_ONCE:
                return
            after = page[-1].seq

    def _resolve(self, cluster_id: ClusterId) -> ClusterId | None:
        with self._database.read() as tx:
            return lineage.resolve(tx, self._dataset_id, cluster_id)

    def _history(self, cluster_id: ClusterId) -> Iterator[RecordedEvent]:
        """Yield what happened to a cluster, the newest first."""
        after = None
        while True:
            with self._database.read() as tx:
                page = lineage.history(
                    tx, self._dataset_id, cluster_id, limit=_EVENTS_AT_ONCE, after=after
                )
            yield from page
            if len(page) < _EVENTS_AT_ONCE:
                return
            after = (page[-1].run, page[-1].position)

    def _edit(self, edit_id: str) -> Edit | None:
        if edit_id in self._applied:
            return self._applied[edit_id]
        with self._database.read() as tx:
            try:
                return edits.get(tx, self._dataset_id, edit_id)
            except ResourceNotFound:
                return None

    def _check_plausible(self, plan: Plan) -> None:
        """Stop a run in which one cluster takes nearly all new pictures.

        Copies of one file count once: a person may store a picture a thousand times.
        """
        most, rules = plan.concentration, self._rules
        if most is None or len(most.files) < rules.implausible_from:
            return
        with self._database.read() as tx:
            inside = files.count_contents(tx, most.inside)
            everything = files.count_contents(tx, most.files)
        if everything < rules.implausible_from or inside <= rules.implausible_share * everything:
            return
        raise ImplausibleRun(
            f"The cluster {most.cluster_id} would take {inside} of {everything} different new "
            f"pictures, more than {rules.implausible_share:.0%}. That looks like a fault of the "
            "model, so nothing was changed. If it is right, raise clustering.implausible_share; "
            "else delete these files or index them again, and create the task once more."
        )


def _founded(edit: Edit) -> str:
    return str(edit.payload["cluster_id"]) if edit.kind is EditKind.SPLIT else ""
