"""Throwing away what is old, in short transactions."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from imm_ray.crash_point import reached
from imm_ray.store import nonces, tasks
from imm_ray.store.database import Database, Tx

_AT_ONCE = 500


class Purge:
    """Deletes nonces that no request can repeat and tasks that have expired.

    A task that still runs stays until it has ended, however old it is.

    Parameters
    ----------
    relaxed
        Where the nonces of reads are (`open_relaxed`).
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        relaxed: Database,
        retention_days: float,
    ) -> None:
        self._database = database
        self._relaxed = relaxed
        self._clock = clock
        self._retention = timedelta(days=retention_days)

    def run(self) -> None:
        """Delete all that is old by now."""
        now = self._clock()
        for database, purge in (
            (self._relaxed, lambda tx: nonces.purge(tx, now, limit=_AT_ONCE)),
            (self._database, lambda tx: nonces.purge(tx, now, limit=_AT_ONCE)),
            (
                self._database,
                lambda tx: tasks.purge(tx, now - self._retention, limit=_AT_ONCE),
            ),
        ):
            while _purged(database, purge):
                pass


def _purged(database: Database, purge: Callable[[Tx], int]) -> int:
    """Run one short transaction, then let others write as long as it took."""
    begun = time.monotonic()
    with database.write() as tx:
        count = purge(tx)
        reached("expiry.written")
    reached("expiry.committed")
    time.sleep(time.monotonic() - begun)
    return count
