"""Reads that end in time: the database itself stops a statement that goes on too long.

A thread can not be stopped from outside, so a query that nobody waits for any more would keep its
thread and a core until it is done. SQLite asks a progress handler of its connection now and then
whether to go on. (What is the handler here is ``SET LOCAL statement_timeout`` in PostgreSQL.)
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the time: about a millisecond."""


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
    connection = tx.connection.driver_connection
    assert connection is not None
    connection.set_progress_handler(lambda: time.monotonic() >= deadline, _STEPS)
    try:
        yield
    except OperationalError as error:
        if "interrupted" not in str(error.orig):
            raise
        raise TimeoutError("a read was stopped: its time was up") from error
    finally:
        connection.set_progress_handler(None, 0)
