"""One dataset's engine: what its owner does, in sync calls that a service drives.

The engine is a cache of the database. Each method that changes something commits it first, under
the owner's lease, and changes memory after; a crash in between loses memory only, and a new owner
loads what was committed.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from imm_ray.cluster.founding import is_good
from imm_ray.dataset.collection import Collection, Item, Plan
from imm_ray.dataset.ports import Clock
from imm_ray.model import ClusterKind, DatasetId, Refused, Source, Task, TaskStatus
from imm_ray.settings import Clustering
from imm_ray.store import loading, ownership, requests, results, staging, tasks, work
from imm_ray.store.database import Database, Tx
from imm_ray.store.ownership import Lease
from imm_ray.store.results import PendingFile, Result, StoredFigure, StoredImage

MAX_ATTEMPTS = 3
"""A file that was in hand when the embedder died this often is Failed."""

METADATA_ONLY = "other"
"""The media type of a file into which no model looks."""

_COMMIT = 100
_LONGEST_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Notices:
    """How ended tasks and index requests become messages (``api.notification``)."""

    task: tasks.Notices
    request: requests.Notices


class DatasetEngine:
    """Indexes and clusters one dataset.

    Without ``analyzes`` files are indexed as metadata only (a template without operators).

    Not thread-safe: one thread calls it. Every method raises `ownership.Fenced` when another owner
    has taken the dataset; the engine is then of no more use.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        collections: dict[ClusterKind, Collection],
        rules: Clustering,
        notices: Notices,
        clock: Clock,
        analyzes: bool = True,
    ) -> None:
        self.dataset_id: DatasetId = lease.dataset_id
        self._database = database
        self._lease = lease
        self._collections = collections
        self._rules = rules
        self._notices = notices
        self._clock = clock
        self._analyzes = analyzes
        self._mended_seq = 0
        self._first_pending: dict[str, int] = {}

    def load(self) -> None:
        """Read every vector and every visible place in a cluster."""
        figures, images = (self._collections[k] for k in (ClusterKind.FIGURE, ClusterKind.SIMILAR))
        with self._database.read() as tx:
            deleted = work.deleted_since(tx, self.dataset_id, 0)
        self._mended_seq = deleted[-1][1] if deleted else 0
        for kind, collection in self._collections.items():
            at = loading.progress(self._database, self.dataset_id, kind)
            places = loading.memberships(self._database, self.dataset_id, kind, at.run)
            collection.restore(at, places)
        figures.put(map(self._figure_item, loading.figures(self._database, self.dataset_id)))
        images.put(map(_image_item, loading.images(self._database, self.dataset_id)))
        self.mend()

    def mend(self) -> None:
        """Take deleted files out of memory; the next runs look at what they leave behind."""
        with self._database.read() as tx:
            deleted = work.deleted_since(tx, self.dataset_id, self._mended_seq)
        if not deleted:
            return
        seq = deleted[-1][1]
        self._in_short_transactions(lambda tx: work.mended(tx, self._lease, seq))
        for collection in self._collections.values():
            collection.drop([file_id for file_id, _ in deleted])
        self._mended_seq = seq
        self._in_short_transactions(
            lambda tx: work.forget_tombstones(tx, self._lease, limit=staging.CHUNK) > 0,
            until_done=True,
        )

    def pull(self, limit: int, in_hand: Sequence[PendingFile]) -> list[PendingFile]:
        """Return files to embed together: at most ``limit``, none of those in hand.

        A file under suspicion is embedded alone: it waits until nothing else is in hand, and while
        it is in hand there is nothing else to do.
        """
        if any(file.attempts for file in in_hand):
            return []
        skip = [file.file_id for file in in_hand]
        with self._database.read() as tx:
            found = results.pending(tx, self.dataset_id, limit=limit, skip=skip)
        innocent = [file for file in found if not file.attempts]
        if innocent or in_hand:
            return innocent
        return found[:1]

    def source(self, file: PendingFile) -> Source:
        """Return what the embedder needs to know of a file."""
        media_type = file.media_type if self._analyzes else METADATA_ONLY
        return Source(uri=file.uri, media_type=media_type, known=file.known)

    def commit(self, found: Sequence[Result]) -> None:
        """Store results and take their items into the index."""
        for start in range(0, len(found), _COMMIT):
            part = found[start : start + _COMMIT]
            now = self._clock()
            with self._database.write() as tx:
                accepted = results.commit(tx, self._lease, part, now, self._notices.request)
            for change in accepted:
                self._accept(change)

    def blame(self, files: Sequence[PendingFile]) -> None:
        """Record that the embedder died with these files; after some deaths alone a file is Failed.

        The first death makes suspects of all files in hand; only deaths with one file alone count
        against it.
        """
        with self._database.write() as tx:
            results.count_attempt(tx, self._lease, [file.file_id for file in files])
        reason = Refused(f"The file stopped the analysis {MAX_ATTEMPTS} times.")
        self.commit([Result(file, reason) for file in files if file.attempts >= MAX_ATTEMPTS])

    def run_due_task(self) -> bool:
        """Run the oldest task if all that it covers is indexed; return whether one ended."""
        with self._database.read() as tx:
            task = tasks.oldest_running(tx, self.dataset_id)
            if task is None:
                return False
            left = results.pending_until(tx, self.dataset_id, task.watermark)
        if left:
            self._show_progress(task, left)
            return False
        self.mend()
        self._run(task)
        return True

    def has_work(self) -> bool:
        """Return whether anything is left to do."""
        with self._database.read() as tx:
            return (
                work.pending_of_dataset(tx, self.dataset_id) > 0
                or len(work.deleted_since(tx, self.dataset_id, self._mended_seq)) > 0
            )

    def _run(self, task: Task) -> None:
        kind = task.task_type.kind
        collection = self._collections[kind]
        begun = time.perf_counter()
        self._discard(kind, collection.run)
        plan = collection.plan(task.watermark)
        planned = time.perf_counter()
        run = collection.run + 1
        self._stage(kind, run, plan)
        staged = time.perf_counter()
        ledger = {
            **plan.ledger,
            "milliseconds": {
                **plan.milliseconds,
                "plan": _milliseconds(planned - begun),
                "stage": _milliseconds(staged - planned),
            },
        }
        ended = replace(
            task,
            status=TaskStatus.SUCCEEDED,
            progress=100,
            ended_at=self._clock(),
            ledger=ledger,
        )
        with self._database.write() as tx:
            published = staging.publish(tx, self._lease, kind, run, ended, self._notices.task)
        self._first_pending.pop(task.task_id, None)
        if published:  # else the dataset was deleted, and its engine ends
            collection.settle(plan, loading.Progress(run=run, watermark=task.watermark))
            self._sweep(kind, run)

    def _discard(self, kind: ClusterKind, visible: int) -> None:
        self._in_short_transactions(
            lambda tx: staging.discard(tx, self._lease, kind, visible), until_done=True
        )

    def _stage(self, kind: ClusterKind, run: int, plan: Plan) -> None:
        for start in range(0, len(plan.moves), staging.CHUNK):
            moves = plan.moves[start : start + staging.CHUNK]
            self._in_short_transactions(
                partial(staging.stage_members, lease=self._lease, kind=kind, run=run, moves=moves)
            )
        for start in range(0, len(plan.clusters), staging.CHUNK):
            part = plan.clusters[start : start + staging.CHUNK]
            self._in_short_transactions(
                partial(
                    staging.stage_states,
                    lease=self._lease,
                    kind=kind,
                    run=run,
                    clusters=part,
                    now=self._clock(),
                )
            )

    def _sweep(self, kind: ClusterKind, visible: int) -> None:
        self._in_short_transactions(
            lambda tx: staging.sweep(tx, self._lease, kind, visible), until_done=True
        )

    def _in_short_transactions(
        self, step: Callable[[Tx], bool | None], *, until_done: bool = False
    ) -> None:
        """Commit ``step``, again while it returns True if asked, and let others write in between.

        SQLite's lock is unfair: without a pause as long as the lock was held, others starve.
        """
        again = True
        while again:
            begun = time.perf_counter()
            with self._database.write() as tx:
                again = bool(step(tx)) and until_done
            time.sleep(min(_LONGEST_PAUSE_S, time.perf_counter() - begun))

    def _accept(self, change: results.Accepted) -> None:
        if not change.replaced:
            return
        figures = [self._figure_item(figure) for figure in change.figures or ()]
        self._collections[ClusterKind.FIGURE].replace(change.file_id, figures)
        images = [] if change.image is None else [_image_item(change.image)]
        self._collections[ClusterKind.SIMILAR].replace(change.file_id, images, forget_places=True)

    def _show_progress(self, task: Task, left: int) -> None:
        """Record how far the indexing before a task is: at most 90 %, in steps of some size."""
        first = self._first_pending.setdefault(task.task_id, left)
        percent = 90 * (first - left) // first
        if percent >= task.progress + 5:
            with self._database.write() as tx:
                ownership.check(tx, self._lease)
                tasks.progress(tx, task.task_id, percent)

    def _figure_item(self, figure: StoredFigure) -> Item:
        return Item(
            item_id=figure.figure_id,
            file_id=figure.file_id,
            seq=figure.seq,
            vector=figure.vector,
            is_good=is_good(figure, self._rules),
            quality=figure.quality,
        )


def _image_item(image: StoredImage) -> Item:
    return Item(
        item_id=image.file_id,
        file_id=image.file_id,
        seq=image.seq,
        vector=image.vector,
        is_good=True,
        quality=0.0,
    )


def _milliseconds(seconds: float) -> float:
    return round(timedelta(seconds=seconds) / timedelta(milliseconds=1), 1)
