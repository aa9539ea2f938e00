"""Deletes what is left of purged datasets."""

import structlog

from imm_ray.crash_point import reached
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.ports import Clock
from imm_ray.dataset.publisher import ShortTransactions
from imm_ray.dataset.snapshot.erasure import forget
from imm_ray.dataset.thumbnail_sweep import KeptThumbnails
from imm_ray.store import purge
from imm_ray.store.blobs import Blobs
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

    Thumbnails and snapshots go first: while rows are left, whoever comes next tries that again.

    It goes on where another call, of this process or of one that has died, has stopped.
    """
    transactions = ShortTransactions(database)
    with database.read() as tx:
        marked = purge.waiting(tx)
    for dataset_id in marked:
        if thumbnails is not None:
            thumbnails.forget_dataset(dataset_id)
        reached("purge.begun")
        if blobs is not None:
            forget(database, blobs, dataset_id)

        def step(tx: Tx) -> bool:
            return purge.step(
                tx,
                dataset_id,  # noqa: B023 - used up before the next one
                clock(),
                task_notices=notices.task,
                request_notices=notices.request,
            )

        transactions.commit(step, until_done=True)
        reached("purge.finished")
        _log.info("dataset purged", dataset_id=dataset_id)
    return len(marked)
