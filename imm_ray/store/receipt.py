"""Whether a commit took place of which the server's answer was lost.

Notes
-----
A writer has a row with the number of its last transaction, raised within that transaction. When the
connection breaks during a commit, the writer takes that row again: it waits there until the server
has ended the old transaction, whichever way, and then reads how. (The server's own record of
transactions, ``pg_xact_status``, does not say it: after a crash a number that was lost with its
transaction is given out again.)
"""

import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, update

from imm_ray.crash_point import reached
from imm_ray.store import tables
from imm_ray.store.database import Database, Tx

KEPT = timedelta(days=7)
"""So long a writer that died without a word is remembered; one that lives and rests, too."""


class Unknown(Exception):
    """The writer has no row, or has none any more: `Receipts.register`, then write again."""


class Receipts:
    """Numbers the transactions of one writer, one after the other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer_id = ""
        self._number = 0

    def register(self) -> None:
        """Make a row for the writer, and forget those of long ago."""
        writer_id, now = str(uuid.uuid4()), _now()
        w = tables.writer
        with self._database.write() as tx:
            tx.execute(insert(w).values(writer_id=writer_id, number=0, seen_at=now))
            tx.execute(delete(w).where(w.c.seen_at < now - KEPT))
        reached("receipt.writer_registered")
        self._writer_id, self._number = writer_id, 0

    def sign(self, tx: Tx) -> None:
        """Give a transaction its number; call `settled` or `is_committed` when it has ended.

        Raises
        ------
        Unknown
        """
        w = tables.writer
        mine = update(w).where(w.c.writer_id == self._writer_id)
        if tx.execute(mine.values(number=self._number + 1, seen_at=_now())).rowcount != 1:
            raise Unknown

    def settled(self) -> None:
        """Take note that the last transaction was committed."""
        self._number += 1

    def is_committed(self) -> bool:
        """Return whether the last transaction was committed.

        Raises
        ------
        DatabaseAway
        ThrottledUser
            The server is still at it.
        """
        w = tables.writer.c
        query = select(w.number).where(w.writer_id == self._writer_id)
        with self._database.write() as tx:
            stored = tx.scalar(query.with_for_update())
        if stored is None or stored <= self._number:
            return False
        self.settled()
        return True

    def leave(self) -> None:
        """Delete the writer's row."""
        w = tables.writer
        with self._database.write() as tx:
            tx.execute(delete(w).where(w.c.writer_id == self._writer_id))


def _now() -> datetime:
    return datetime.now(UTC)
