"""Reads that end in time: the database itself stops a statement that goes on too long.

A thread can not be stopped from outside, so a query that nobody waits for any more would keep its
thread and a core until it is done. SQLite asks a progress handler of its connection now and then
whether to go on. PostgreSQL stops a statement after ``statement_timeout``, which is set anew in the
course of a transaction of many statements.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the time: about a millisecond."""
_SLACK_S = 0.25
"""By so much a read on PostgreSQL may exceed its deadline; each time it is set costs a trip."""
_STOPPED = "57014"
_LATE = "a read was stopped: its time was up"


@contextmanager
def stopped_at(tx: Connection, deadline: float) -> Iterator[None]:
    """Stop what ``tx`` runs within the block at ``deadline``, by `time.monotonic`.

    Raises
    ------
    TimeoutError
        A statement was stopped, or the deadline had passed before the first.
    """
    if time.monotonic() >= deadline:
        raise TimeoutError("the time for this read was up before it began")
    stopped = _stopped_in_sqlite if tx.dialect.name == "sqlite" else _stopped_in_postgres
    with stopped(tx, deadline):
        yield


@contextmanager
def _stopped_in_sqlite(tx: Connection, deadline: float) -> Iterator[None]:
    connection = tx.connection.driver_connection
    assert connection is not None
    connection.set_progress_handler(lambda: time.monotonic() >= deadline, _STEPS)
    try:
        yield
    except OperationalError as error:
        if "interrupted" not in str(error.orig):
            raise
        raise TimeoutError(_LATE) from error
    finally:
        connection.set_progress_handler(None, 0)


@contextmanager
def _stopped_in_postgres(tx: Connection, deadline: float) -> Iterator[None]:
    """Stop statements of this transaction; the setting ends with it, and so does the listener."""
    set_at = -_SLACK_S

    def limit(connection: Connection, cursor: Any, *_: Any) -> None:
        nonlocal set_at
        now = time.monotonic()
        if now >= deadline:
            raise TimeoutError(_LATE)
        if now - set_at >= _SLACK_S:
            cursor.execute(f"SET LOCAL statement_timeout = {1 + int((deadline - now) * 1000)}")
            set_at = now

    event.listen(tx, "before_cursor_execute", limit)
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _STOPPED:
            raise
        raise TimeoutError(_LATE) from error
