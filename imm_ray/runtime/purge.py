"""Throwing away what is old, in short transactions."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from imm_ray.crash_point import reached
from imm_ray.store import nonces, outbox, tasks
from imm_ray.store.database import Database, Tx

_AT_ONCE = 500


class Purge:
    """Deletes nonces that no request can repeat, and tasks and dead letters that have expired.

    A task that still runs stays until it has ended, however old it is.

    Parameters
    ----------
    clock
        Returns the time; one that jumps forward throws away too early (see `SteadyClock`).
    relaxed
        Where the nonces of reads are (`open_relaxed`).
    uptime
        Returns for how long this process has watched the clock. No nonce is thrown away before it
        is as long as nonces are kept: the clock may have been put forward when the process began,
        and what is thrown away then could be sent again when it is put right.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        relaxed: Database,
        retention_days: float,
        uptime: Callable[[], timedelta] = lambda: nonces.KEPT,
    ) -> None:
        self._database = database
        self._relaxed = relaxed
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._uptime = uptime

    def run(self) -> None:
        """Delete all that is old by now."""
        now = self._clock()
        since = now - self._retention
        self._work_off(self._database, lambda tx: tasks.purge(tx, since, limit=_AT_ONCE))
        self._work_off(self._database, lambda tx: outbox.purge(tx, since, limit=_AT_ONCE))
        if self._uptime() >= nonces.KEPT:
            for database in (self._relaxed, self._database):
                self._work_off(database, lambda tx: nonces.purge(tx, now, limit=_AT_ONCE))

    def _work_off(self, database: Database, purge: Callable[[Tx], int]) -> None:
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
