"""Puts an erasure together from the settings."""

import os
from pathlib import Path

from imm_ray.api.notification import NotificationBuilder
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.erasure import Surroundings, Wanted, erase
from imm_ray.dataset.receipt import Receipt
from imm_ray.dataset.snapshot.erasure import StoredSnapshots
from imm_ray.media.thumbnails import open_thumbnails
from imm_ray.runtime.clock import utc_now
from imm_ray.settings import Settings
from imm_ray.store import migrate
from imm_ray.store.blobs import open_blobs
from imm_ray.store.database import Database

_PATIENCE_S = 60.0


def erase_all(settings: Settings, wanted: Wanted, receipt: Path, *, patience_s: float) -> Receipt:
    """Erase what is wanted and write the receipt, which only its owner can read.

    The file is made first: what can not be told is not done. Raises as `erasure.erase`.
    """
    database = Database(settings.store_url, busy_timeout_s=_PATIENCE_S)
    try:
        migrate.require_current(database)
        descriptor = os.open(receipt, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            try:
                done = erase(wanted, _around(settings, database, patience_s), skip=[receipt])
            except BaseException:
                receipt.unlink()
                raise
            file.write(done.text())
            file.flush()
            os.fsync(file.fileno())
        return done
    finally:
        database.close()


def _around(settings: Settings, database: Database, patience_s: float) -> Surroundings:
    messages = NotificationBuilder(settings.server.region)
    return Surroundings(
        database=database,
        data=settings.data.absolute(),
        thumbnails=open_thumbnails(settings),
        notices=Notices(task=messages.task, request=messages.index_request),
        clock=utc_now,
        snapshots=StoredSnapshots(database, open_blobs(settings)),
        patience_s=patience_s,
    )
