"""One dataset's engine: what its owner does, in sync calls that a service drives.

The engine is a cache of the database. Each method that changes something commits it first, under
the owner's lease, and changes memory after; a crash in between loses memory only, and a new owner
loads what was committed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from structlog.contextvars import bound_contextvars

from imm_ray.cluster.explanation import Explanation
from imm_ray.crash_point import reached
from imm_ray.dataset import stock
from imm_ray.dataset.attempts import PATIENCE, TaskAttempts
from imm_ray.dataset.book import Book
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.departure import Departure
from imm_ray.dataset.face_search import FaceSearches
from imm_ray.dataset.health import ImplausibleRun
from imm_ray.dataset.indexing import Indexing
from imm_ray.dataset.measured import EngineMeasures
from imm_ray.dataset.ports import UNMEASURED, Clock, Measures
from imm_ray.dataset.publisher import Publisher, ShortTransactions
from imm_ray.dataset.rebuilding import Rebuilding
from imm_ray.dataset.rules import DatasetRules
from imm_ray.dataset.runs import Runs
from imm_ray.dataset.searches import Searches
from imm_ray.dataset.snapshot.shelf import Shelf
from imm_ray.dataset.thumbnail_sweep import KeptThumbnails
from imm_ray.model import (
    ClusterKind,
    DatasetId,
    Explained,
    FigureId,
    Found,
    Outcome,
    Pair,
    Search,
    Source,
    Task,
    TaskType,
)
from imm_ray.settings import Clustering
from imm_ray.store import (
    constraints,
    loading,
    ownership,
    requests,
    results,
    staging,
    tasks,
    work,
)
from imm_ray.store.database import Database, Tx
from imm_ray.store.ownership import Lease
from imm_ray.store.results import PendingFile, Result
from imm_ray.store.trouble import Patience

_log = structlog.get_logger(__name__)

METADATA_ONLY = "other"
"""The media type of a file into which no model looks."""


@dataclass(frozen=True, slots=True)
class Notices:
    """How ended tasks and index requests become messages (``api.notification``)."""

    task: tasks.Notices
    request: requests.Notices


class DatasetEngine:
    """Indexes and clusters one dataset.

    ``rules_now`` tells what holds for the dataset at the moment; without it, nothing ever changes.
    ``mismatch`` says why pictures can not be compared with what is stored, if they can not.

    Not thread-safe: one thread calls it. Every method raises `ownership.Fenced` when another owner
    has taken the dataset; the engine is then of no more use.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        account: str,
        thumbnails: KeptThumbnails,
        collections: dict[ClusterKind, Collection],
        book: Book,
        rules: Clustering,
        notices: Notices,
        clock: Clock,
        rules_now: Callable[[Tx], DatasetRules] | None = None,
        mismatch: str = "",
        measures: Measures = UNMEASURED,
        patience: Patience = PATIENCE,
        shelf: Shelf | None = None,
    ) -> None:
        self.dataset_id: DatasetId = lease.dataset_id
        self._database = database
        self._lease = lease
        self._account = account
        self._thumbnails = thumbnails
        self._collections = collections
        self._book = book
        collections[ClusterKind.FIGURE].watcher = book
        self._transactions = ShortTransactions(database)
        self._measured = EngineMeasures(measures, clock)
        self._runs = Runs(
            database,
            lease,
            Publisher(database, lease, notices=notices.task, clock=clock, measured=self._measured),
            collections=collections,
            book=book,
            rules=rules,
        )
        self._searches = Searches(collections)
        self._face_searches = FaceSearches(
            database,
            lease,
            self._searches,
            notices=notices.task,
            clock=clock,
            mismatch=mismatch,
        )
        self._attempts = TaskAttempts(database, lease, patience, notices=notices.task, clock=clock)
        self._departure = Departure(database, lease)
        self._rules = rules
        self._notices = notices
        self._clock = clock
        self._rules_now = rules_now
        self._shelf = shelf
        self._stock = stock.Stock(database, lease.dataset_id, rules)
        self._rebuilding = Rebuilding(database, lease, collections)
        self._indexing = Indexing(
            database,
            lease,
            collections,
            stock=self._stock,
            notices=notices.request,
            clock=clock,
            measured=self._measured,
        )
        self._holding = DatasetRules(min_entity_count=rules.min_entity_count)
        self._mended_seq = 0
        self._first_pending: dict[str, int] = {}

    def load(self) -> None:
        """Have every vector and every visible place in a cluster, from a snapshot or without."""
        reached("engine.opened")
        self._runs.open_door()
        with self._database.read() as tx:
            deleted = work.deleted_since(tx, self.dataset_id, 0)
        self._mended_seq = deleted[-1][1] if deleted else 0
        self._thumbnails.forget(self.dataset_id, [file_id for file_id, _ in deleted])
        for kind, collection in self._collections.items():
            at = loading.progress(self._database, self.dataset_id, kind)
            if self._shelf is None or not self._shelf.restore(
                kind, at, partial(self._stock.some, kind)
            ):
                self._load_all(kind, collection, at)
            run = collection.at.run
            collection.mourn(loading.emptied(self._database, self.dataset_id, kind, run))
        self._book.load(
            constraints.load(self._database, self.dataset_id),
            loading.named_clusters(self._database, self.dataset_id),
        )
        self._rebuilding.begin()
        reached("engine.loaded")
        if deleted:  # what was loaded is without them: an owner before has died before it said so
            self._settle_deletes()
        self.mend()

    def _load_all(self, kind: ClusterKind, collection: Collection, at: loading.Progress) -> None:
        places = loading.memberships(self._database, self.dataset_id, kind, at.run)
        collection.restore(at, places)
        collection.put(self._stock.everything(kind))
        if self._shelf is not None:
            self._shelf.begin(kind)

    def mend(self) -> None:
        """Take deleted files out of memory, and follow what clients have said of the dataset.

        The next runs look at what deleted files leave behind.
        """
        with self._database.read() as tx:
            ownership.look(tx, self._lease)
            if self._rules_now is not None:
                self._holding = self._rules_now(tx)
            deleted = work.deleted_since(tx, self.dataset_id, self._mended_seq)
        if self._rules_now is not None:
            self._collections[ClusterKind.FIGURE].found_with(self._holding.min_entity_count)
        if not deleted:
            return
        gone = [file_id for file_id, _ in deleted]
        self._thumbnails.forget(self.dataset_id, gone)
        reached("deletes.thumbnails_forgotten")
        for collection in self._collections.values():
            collection.drop(gone)
        self._mended_seq = deleted[-1][1]
        self._settle_deletes()

    def pull(self, limit: int, in_hand: Sequence[PendingFile]) -> list[PendingFile]:
        """Return files to embed together (see `Indexing.pull`)."""
        return self._indexing.pull(limit, in_hand)

    def source(self, file: PendingFile) -> Source:
        """Return what the embedder needs to know of a file."""
        media_type = file.media_type if self._holding.analyzes else METADATA_ONLY
        return Source(uri=file.uri, media_type=media_type, account=self._account, known=file.known)

    def commit(self, found: Sequence[Result]) -> None:
        """Store results and take their items into the index."""
        self._indexing.commit(found)

    def blame(self, files: Sequence[PendingFile]) -> None:
        """Record that the embedder died with these files (see `Indexing.blame`)."""
        self._indexing.blame(files)

    def run_due_task(self) -> bool:
        """Run the oldest task if all that it covers is indexed; return whether one ended."""
        with self._database.read() as tx:
            task = tasks.oldest_run(tx, self.dataset_id, self._clock())
            if task is None:
                return False
            left = results.pending_until(tx, self.dataset_id, task.watermark)
        if left:
            self._show_progress(task, left)
            return False
        if task.task_type is TaskType.FACES_SEARCHING:
            return False  # its pictures must be embedded first: see `due_search`
        if self._rebuilding.step(task.task_type.kind):
            return True
        self._runs.apply_edits()
        self.mend()
        reached("task.due")
        try:
            with bound_contextvars(task_id=task.task_id):
                self._attempts.run(task, partial(self._runs.run_task, task))
        except ImplausibleRun as stop:
            self._fail(task, str(stop))
        self._first_pending.pop(task.task_id, None)
        return True

    def run_new(self) -> bool:
        """Cluster the figures that are new without a task, if that holds; return whether it did.

        Covered is what was acknowledged before the oldest file that waits.
        """
        if not self._holding.auto:
            return False
        with self._database.read() as tx:
            watermark = work.settled_until(tx, self.dataset_id)
            stopped = work.stopped_until(tx, self.dataset_id)
        covered = self._collections[ClusterKind.FIGURE].at.watermark
        if watermark <= max(covered, stopped):
            return False
        if self._rebuilding.step(ClusterKind.FIGURE):
            return True
        # After the watermark was read: a delete that it covers must be known to the run.
        self.mend()
        try:
            self._runs.run_new(watermark)
        except ImplausibleRun as stop:
            _log.error("a run was stopped", dataset_id=self.dataset_id, why=str(stop))
            with self._database.write() as tx:
                work.stopped(tx, self._lease, watermark)
            return False
        return True

    def run_due_edit(self) -> bool:
        """Apply the edits that wait; return whether there were any."""
        self.mend()
        if self._runs.has_edits() and self._rebuilding.step(ClusterKind.FIGURE):
            return True
        return self._runs.apply_edits()

    def due_search(self) -> Task | None:
        """Return the oldest task if it is a search and all that it covers is indexed."""
        return self._face_searches.due()

    def finish_search(self, task: Task, outcomes: Sequence[Outcome]) -> None:
        """End a search with what its sources are like; ``outcomes`` are theirs, in order."""
        self._runs.apply_edits()
        self.mend()
        self._attempts.run(task, partial(self._face_searches.finish, task, outcomes))
        self._first_pending.pop(task.task_id, None)

    def search(self, wanted: Search) -> Found:
        """Return what is nearest to vectors. Call `mend` before it."""
        return self._searches.search(wanted)

    def explain_pair(self, pair: Pair) -> Explained | None:
        """Return why two items are in one cluster or not, None when no run has seen both."""
        self.mend()
        if self._rebuilding.is_needed(pair.kind):
            return None
        if pair.kind is ClusterKind.SIMILAR:
            return self._searches.explain_images(pair.a, pair.b)
        try:
            found = self.explain(FigureId(pair.a), FigureId(pair.b))
        except KeyError:
            return None
        return Explained(
            together=found.together,
            reason=found.reason.value,
            sentence=found.sentence,
            similarity=found.similarity,
            mean_similarity=found.mean_similarity,
            threshold=found.threshold,
            group_sizes=found.base_clusters,
        )

    def explain(self, a: FigureId, b: FigureId) -> Explanation:
        """Return why two figures are one person, or are not (see `Book.explain`)."""
        self.mend()
        return self._book.explain(a, b)

    def tend(self) -> bool:
        """Do a bounded step of upkeep of the indexes; return whether more is due now."""
        more = [collection.tend() for collection in self._collections.values()]
        return any([*more, self.checkpoint()])

    def consolidate(self) -> bool:
        """Consolidate what may gain from it, without a task; return whether anything may."""
        return self._runs.consolidate()

    def checkpoint(self) -> bool:
        """Write a portion of a snapshot that is due; return whether more can be done now."""
        return self._shelf is not None and self._shelf.step()

    def save(self, *, anew: bool = False) -> bool:
        """Write a snapshot of all that has changed, before leaving; return whether there is one.

        With ``anew`` it is written from scratch, and nothing that was written before is kept.
        """
        self.mend()
        return self._shelf is not None and self._shelf.save(anew=anew)

    def close(self) -> None:
        """Free what the indexes hold; nothing may be called after it."""
        if self._shelf is not None:
            self._shelf.close()
        for collection in self._collections.values():
            collection.index.close()

    @property
    def stored(self) -> tuple[int, int]:
        """How many figures and how many images are in memory."""
        figures, images = (self._collections[k] for k in (ClusterKind.FIGURE, ClusterKind.SIMILAR))
        return len(figures.index), len(images.index)

    def leave(self) -> bool:
        """Give the dataset up if nothing is left to do; return whether."""
        return self._departure.rest(self._mended_seq)

    def stay(self) -> None:
        """Go on after `leave`."""
        self._departure.stay()

    def part(self, *, for_good: bool) -> bool:
        """Give the dataset up (see `Departure.part`); return whether work is left."""
        return self._departure.part(self._mended_seq, for_good=for_good)

    def _settle_deletes(self) -> None:
        """Record which deletes memory knows of, so that the janitor rings for them no more."""
        seq = self._mended_seq
        self._transactions.commit(lambda tx: work.mended(tx, self._lease, seq))
        reached("deletes.mended")
        self._transactions.commit(
            lambda tx: work.forget_tombstones(tx, self._lease, limit=staging.CHUNK) > 0,
            until_done=True,
        )
        reached("deletes.tombstones_forgotten")

    def _fail(self, task: Task, message: str) -> None:
        _log.error("a run was stopped", dataset_id=self.dataset_id, task_id=task.task_id)
        with self._database.write() as tx:
            ownership.check(tx, self._lease)
            tasks.fail(tx, task, "ImplausibleResult", message, self._clock(), self._notices.task)

    def _show_progress(self, task: Task, left: int) -> None:
        """Record how far the indexing before a task is: at most 90 %, in steps of some size."""
        first = self._first_pending.setdefault(task.task_id, left)
        percent = 90 * (first - left) // first
        if percent >= task.progress + 5:
            with self._database.write() as tx:
                ownership.check(tx, self._lease)
                tasks.progress(tx, task.task_id, percent)
                reached("task.progress_written")
