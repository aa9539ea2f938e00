"""The files of a dataset: pulled, and their results stored and taken into memory."""

from collections.abc import Mapping, Sequence

from imm_ray.crash_point import reached
from imm_ray.dataset import stock
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.health import usable
from imm_ray.dataset.measured import EngineMeasures
from imm_ray.dataset.ports import Clock
from imm_ray.dataset.stock import Stock
from imm_ray.model import ClusterKind, Refused
from imm_ray.store import requests, results
from imm_ray.store.database import Database
from imm_ray.store.ownership import Lease
from imm_ray.store.results import PendingFile, Result

MAX_ATTEMPTS = 3
"""A file that was in hand when the embedder died this often is Failed."""

_COMMIT = 100


class Indexing:
    """Indexes the files of one dataset; raises `ownership.Fenced` as the engine does."""

    def __init__(
        self,
        database: Database,
        lease: Lease,
        collections: Mapping[ClusterKind, Collection],
        *,
        stock: Stock,
        notices: requests.Notices,
        clock: Clock,
        measured: EngineMeasures,
    ) -> None:
        self._database = database
        self._lease = lease
        self._collections = collections
        self._stock = stock
        self._notices = notices
        self._clock = clock
        self._measured = measured

    def pull(self, limit: int, in_hand: Sequence[PendingFile]) -> list[PendingFile]:
        """Return files to embed together: at most ``limit``, none of those in hand.

        A file under suspicion is embedded alone: it waits until nothing else is in hand, and while
        it is in hand there is nothing else to do.
        """
        if any(file.attempts for file in in_hand):
            return []
        skip = [file.file_id for file in in_hand]
        with self._database.read() as tx:
            found = results.pending(tx, self._lease.dataset_id, limit=limit, skip=skip)
        innocent = [file for file in found if not file.attempts]
        if innocent or in_hand:
            return innocent
        return found[:1]

    def commit(self, found: Sequence[Result]) -> None:
        """Store results and take their items into the index."""
        for start in range(0, len(found), _COMMIT):
            part = [
                Result(result.file, usable(result.outcome))
                for result in found[start : start + _COMMIT]
            ]
            now = self._clock()
            with self._database.write() as tx:
                accepted = results.commit(tx, self._lease, part, now, self._notices)
                reached("results.written")
            reached("results.committed")
            self._measured.committed(part)
            for change in accepted:
                self._accept(change)
            reached("results.accepted")

    def blame(self, files: Sequence[PendingFile]) -> None:
        """Record that the embedder died with these files; after some deaths alone a file is Failed.

        The first death makes suspects of all files in hand; only deaths with one file alone count
        against it.
        """
        with self._database.write() as tx:
            results.count_attempt(tx, self._lease, [file.file_id for file in files])
            reached("attempts.written")
        reached("attempts.committed")
        reason = Refused(f"The file stopped the analysis {MAX_ATTEMPTS} times.")
        self.commit([Result(file, reason) for file in files if file.attempts >= MAX_ATTEMPTS])

    def _accept(self, change: results.Accepted) -> None:
        if not change.replaced:
            return
        figures = [self._stock.figure(figure) for figure in change.figures or ()]
        self._collections[ClusterKind.FIGURE].replace(change.file_id, figures)
        images = [] if change.image is None else [stock.image(change.image)]
        self._collections[ClusterKind.SIMILAR].replace(change.file_id, images, forget_places=True)
