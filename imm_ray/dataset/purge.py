"""Deletes what is left of purged datasets."""

from dataclasses import dataclass

import structlog

from imm_ray.crash_point import reached
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.ports import Clock
from imm_ray.dataset.publisher import ShortTransactions
from imm_ray.dataset.snapshot.erasure import forget
from imm_ray.dataset.thumbnail_sweep import KeptThumbnails
from imm_ray.model import DatasetId
from imm_ray.store import purge
from imm_ray.store.blobs import BlobError, Blobs
from imm_ray.store.database import Database, Tx

_log = structlog.get_logger(__name__)


def purge_datasets(
    database: Database,
    *,
    notices: Notices,
    clock: Clock,
    thumbnails: KeptThumbnails | None = None,
    blobs: Blobs | None = None,
) -> int:
    """Delete all rows of datasets that were marked for it; return how many datasets are gone.

    Thumbnails and snapshots go first: while rows are left, whoever comes next tries that again. A
    storage of snapshots that refuses to delete is logged.

    It goes on where another call, of this process or of one that has died, has stopped.
    """
    purge_one = _Purging(database, notices, clock, thumbnails, blobs)
    with database.read() as tx:
        marked = purge.waiting(tx)
    gone = 0
    for dataset_id in marked:
        try:
            purge_one(dataset_id)
        except BlobError as error:  # of this one: the others need not wait for it
            _log.error("snapshots not deleted", dataset_id=dataset_id, why=str(error))
        else:
            gone += 1
    return gone


@dataclass(frozen=True, slots=True)
class _Purging:
    database: Database
    notices: Notices
    clock: Clock
    thumbnails: KeptThumbnails | None
    blobs: Blobs | None

    def __call__(self, dataset_id: DatasetId) -> None:
        """Delete all that is left of one dataset."""
        if self.thumbnails is not None:
            self.thumbnails.forget_dataset(dataset_id)
        reached("purge.begun")
        if self.blobs is not None:
            forget(self.database, self.blobs, dataset_id)

        def step(tx: Tx) -> bool:
            return purge.step(
                tx,
                dataset_id,
                self.clock(),
                task_notices=self.notices.task,
                request_notices=self.notices.request,
            )

        ShortTransactions(self.database).commit(step, until_done=True)
        reached("purge.finished")
        _log.info("dataset purged", dataset_id=dataset_id)
