"""When the database's disk, or its files, refuse: the request is not to blame, and may be repeated.

A full disk, a folder that became read-only, an I/O error and too few file handles all come as
errors of the driver. None of them is acknowledged, and none of them ends a process: whoever was
refused tries again, and what the store refused is as if it had never been asked.
"""

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError

from imm_ray.errors import ImmError, ServiceUnavailable
from imm_ray.store.failure import DatabaseAway, TransactionLost, why_away

RETRY_MS = 5000
"""Space does not come back within a second."""

_REASONS = {
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_READONLY: "it can only be read",
    sqlite3.SQLITE_IOERR: "its disk fails, or is full",
    sqlite3.SQLITE_CANTOPEN: "its file can not be opened: the folder is gone or can only be "
    "read, or there are no file handles left",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}
_OF_FILES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EROFS: "the disk can only be read",
    errno.EFBIG: "a file may not grow any more",
    errno.EIO: "the disk fails",
    errno.EACCES: "this user may not write there",
    errno.EMFILE: "there are no file handles left",
    errno.ENFILE: "there are no file handles left",
}
_PRIMARY = 0xFF  # SQLite's extended codes keep the primary one in the lowest byte


class StoreUnavailable(ServiceUnavailable):
    """The store takes nothing at the moment."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The store takes nothing at the moment: {why}. Nothing was changed; try again.",
            retry_after_ms=RETRY_MS,
        )


def outage_of(error: BaseException) -> str | None:
    """Return why the store, or the disk, refused, as words; None for every other error."""
    if isinstance(error, TransactionLost):
        return str(error)
    if isinstance(error, OSError) and error.errno in _OF_FILES:
        return _OF_FILES[error.errno]
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.OperationalError):
        return _REASONS.get(getattr(cause, "sqlite_errorcode", 0) & _PRIMARY)
    return None


def interruption_of(error: BaseException) -> str | None:
    """Return why the database interrupted what failed with ``error``; None when it did not.

    What was interrupted is not to blame, and does not count as an attempt.
    """
    return why_away(error) if isinstance(error, DatabaseAway) else outage_of(error)


def refusal_of(error: BaseException) -> ImmError | None:
    """Return what a client is told of an outage; None when the error is none."""
    why = outage_of(error)
    return None if why is None else StoreUnavailable(why)
