"""Makes plans durable and visible: staged in short transactions, published by one."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from imm_ray.crash_point import reached
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.measured import EngineMeasures
from imm_ray.dataset.plan import Plan
from imm_ray.dataset.ports import UNMEASURED, Clock
from imm_ray.model import (
    NO_TASK,
    ClusterEvent,
    ClusterId,
    ClusterKind,
    Constraint,
    Task,
    TaskStatus,
)
from imm_ray.store import lineage, loading, snapshots, staging, tasks
from imm_ray.store.database import Database, Tx
from imm_ray.store.edits import SettledEdit
from imm_ray.store.ownership import Lease
from imm_ray.store.people import Inheritance

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_LONGEST_PAUSE_S = 0.05


class ShortTransactions:
    """Write transactions with room for others in between.

    SQLite's lock is unfair: without a pause as long as the lock was held, others starve.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit(self, step: Callable[[Tx], bool | None], *, until_done: bool = False) -> None:
        """Commit ``step``, and again while it returns True if asked."""
        again = True
        while again:
            begun = time.perf_counter()
            with self._database.write() as tx:
                again = bool(step(tx)) and until_done
                reached("portion.written")
            reached("portion.committed")
            time.sleep(min(_LONGEST_PAUSE_S, time.perf_counter() - begun))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a run is made, and what becomes true together with it."""

    begun: float
    """`time.perf_counter` at its start."""
    watermark: int = 0
    """What it covers, if that is more than the run before."""
    until: int = 0
    """The seq of the last edit that it applies; 0 for none."""
    task: Task | None = None
    edits: Sequence[SettledEdit] = ()
    added: Sequence[Constraint] = ()
    removed: Sequence[Constraint] = ()
    inheritances: Sequence[Inheritance] = ()


class Publisher:
    """Writes the runs of one dataset.

    Notes
    -----
    The ledger of a run is stored with its task. A run without one (edits, a consolidation, upkeep
    when idle) has no row to keep it in: it is logged as ``run published``, what it did stays in the
    lineage.

    What a run costs follows what it changes: only its first one, or the one after a run that was
    given up, looks at all rows for what others have left behind.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        notices: tasks.Notices,
        clock: Clock,
        measured: EngineMeasures | None = None,
    ) -> None:
        self._database = database
        self._lease = lease
        self._notices = notices
        self._clock = clock
        self._measured = measured or EngineMeasures(UNMEASURED, clock)
        self._transactions = ShortTransactions(database)
        self._settled: set[ClusterKind] = set()
        """Kinds of which nothing is staged."""
        self._suspects: dict[ClusterKind, set[ClusterId]] = {}
        """Clusters of which no state may be left; unknown for a kind until its first run."""

    def publish(self, kind: ClusterKind, collection: Collection, plan: Plan, cause: Cause) -> bool:
        """Stage a plan and make it visible, with the end of its task and edits.

        Return False, with nothing visible, when the task had ended otherwise: the dataset was
        deleted, or the task cancelled.

        Raises
        ------
        EditsArrived
            Nothing is visible, and the plan must be made again.
        """
        planned = time.perf_counter()
        run = collection.at.run + 1
        self._prepare(kind, collection.at.run)
        self._stage(kind, run, plan, cause.task)
        times = {
            **plan.milliseconds,
            "plan": _milliseconds(planned - cause.begun),
            "stage": _milliseconds(time.perf_counter() - planned),
        }
        end = self._end(collection, {**plan.ledger, "milliseconds": times}, cause)
        reached("run.staged")
        with self._database.write() as tx:
            if not staging.publish(tx, self._lease, kind, run, end, self._notices):
                return False
            if collection.has_consolidated:
                snapshots.outdate(tx, self._lease, kind)
            reached("run.publish_written")
        reached("run.published")
        if cause.task is None:
            _log.info("run published", kind=str(kind), run=run, milliseconds=times, **plan.ledger)
        self._measured.published(
            kind,
            plan.ledger,
            cause.task,
            seconds=time.perf_counter() - cause.begun,
            covers_new=cause.watermark > 0,
        )
        self._settled.add(kind)
        self._suspects[kind].update(ClusterId(e.founded) for e in cause.edits if e.founded)
        collection.settle(plan, loading.Progress(run=run, watermark=end.watermark))
        reached("run.settled")
        self._sweep(kind, run)
        reached("run.swept")
        return True

    def _end(
        self, collection: Collection, ledger: dict[str, object], cause: Cause
    ) -> staging.RunEnd:
        now = self._clock()
        ended = cause.task and replace(
            cause.task, status=TaskStatus.SUCCEEDED, progress=100, ended_at=now, ledger=ledger
        )
        return staging.RunEnd(
            watermark=max(collection.at.watermark, cause.watermark),
            task=ended,
            ledger=ledger,
            edits=cause.edits,
            added=cause.added,
            removed=cause.removed,
            inheritances=cause.inheritances,
            edits_until=cause.until,
            at=now,
        )

    def _prepare(self, kind: ClusterKind, visible: int) -> None:
        """Undo what is staged of a run that never became visible."""
        if kind not in self._settled:
            self._transactions.commit(
                lambda tx: staging.discard(tx, self._lease, kind, visible), until_done=True
            )
            reached("run.leftovers_discarded")
        self._settled.discard(kind)
        if kind not in self._suspects:
            with self._database.read() as tx:
                found = staging.leftovers(tx, self._lease.dataset_id, kind, visible)
            self._suspects[kind] = found

    def _stage(self, kind: ClusterKind, run: int, plan: Plan, task: Task | None) -> None:
        lease, now = self._lease, self._clock()
        commit = self._transactions.commit
        self._suspects[kind].update(cluster.cluster_id for cluster in plan.clusters)
        for moves in _chunks(plan.moves):
            commit(partial(staging.stage_members, lease=lease, kind=kind, run=run, moves=moves))
            reached("run.members_staged")
        for back in _chunks(plan.restored):
            restore = partial(lineage.restore, lease=lease, kind=kind, run=run, cluster_ids=back)
            commit(_without_answer(restore))
            reached("run.clusters_restored")
        for part in _chunks(plan.clusters):
            commit(
                partial(
                    staging.stage_states, lease=lease, kind=kind, run=run, clusters=part, now=now
                )
            )
            reached("run.states_staged")
        for gone in _chunks(plan.retirements):
            commit(
                partial(lineage.retire, lease=lease, kind=kind, run=run, retirements=gone, now=now)
            )
            reached("run.ends_staged")
        self._stage_events(kind, run, plan.events, task)

    def _stage_events(
        self, kind: ClusterKind, run: int, events: Sequence[ClusterEvent], task: Task | None
    ) -> None:
        position = 0

        def step(tx: Tx, part: Sequence[ClusterEvent]) -> None:
            nonlocal position
            position = lineage.stage(
                tx,
                self._lease,
                kind,
                run,
                part,
                position,
                task_id=NO_TASK if task is None else task.task_id,
                now=self._clock(),
            )

        for part in _chunks(events):
            self._transactions.commit(partial(step, part=part))
            reached("run.history_staged")

    def _sweep(self, kind: ClusterKind, visible: int) -> None:
        self._transactions.commit(
            lambda tx: staging.sweep(tx, self._lease, kind, visible), until_done=True
        )
        spared: set[ClusterId] = set()

        def step(tx: Tx, part: Sequence[ClusterId]) -> None:
            spared.update(staging.sweep_clusters(tx, self._lease, kind, visible, part))

        for part in _chunks(sorted(self._suspects[kind])):
            self._transactions.commit(partial(step, part=part))
            reached("run.clusters_swept")
        self._suspects[kind] = spared


def _without_answer(step: Callable[[Tx], object]) -> Callable[[Tx], None]:
    def only(tx: Tx) -> None:
        step(tx)

    return only


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), staging.CHUNK):
        yield rows[start : start + staging.CHUNK]


def _milliseconds(seconds: float) -> float:
    return round(timedelta(seconds=seconds) / timedelta(milliseconds=1), 1)
