"""Group commit: many small writes, one transaction, one fsync.

A disk gives a few hundred fsyncs a second; requests that arrive while one commit is under way are
committed together by the next.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from imm_ray.crash_point import reached
from imm_ray.errors import ServiceUnavailable, ThrottledUser
from imm_ray.store.database import Database, Tx, require_open

T = TypeVar("T")

_MAX_GROUP = 128
_MOST_WAITING = 2000


@dataclass(frozen=True, slots=True)
class _Write:
    run: Callable[[Tx], Any]
    done: Future[Any]


class GroupWriter:
    """Runs submitted writes on one thread, several in one transaction.

    Parameters
    ----------
    most_waiting
        Writes that may wait; more are refused, and so is memory kept from growing without end.

    Notes
    -----
    Each write runs in a savepoint of its own: if it raises, only it is undone and only its future
    fails. A future has a result only after the commit that holds it. If the commit itself fails,
    every write of the group fails and none is in the database. So it is when the database gives
    up the whole transaction within one write (SQLite does on a full disk). A write whose future is
    cancelled before its turn is never run; later it can not be cancelled.
    """

    def __init__(
        self, database: Database, *, name: str = "writer", most_waiting: int = _MOST_WAITING
    ) -> None:
        self._database = database
        self._most_waiting = most_waiting
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=f"imm-ray-{name}", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[Tx], T]) -> "Future[T]":
        """Return the future of ``run``'s result; resolved once it is durable.

        Raises
        ------
        ThrottledUser
            Too many writes wait.
        """
        if self._closed:
            raise ServiceUnavailable("The service is shutting down; try again.")
        if self._queue.qsize() >= self._most_waiting:
            raise ThrottledUser(
                f"The database is busy: {self._most_waiting} writes wait for it. Try again."
            )
        write = _Write(run, Future())
        self._queue.put(write)
        return write.done

    def close(self) -> None:
        """Commit what was submitted, then stop."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _loop(self) -> None:
        while (group := self._next_group()) is not None:
            self._commit(group)

    def _next_group(self) -> list[_Write] | None:
        first = self._queue.get()
        if first is None:
            return None
        group = [first]
        while len(group) < _MAX_GROUP and not self._queue.empty():
            following = self._queue.get()
            if following is None:
                self._queue.put(None)  # stop after this group
                break
            group.append(following)
        return group

    def _commit(self, group: list[_Write]) -> None:
        outcomes: list[tuple[_Write, Any, Exception | None]] = []
        try:
            with self._database.write() as tx:
                for write in filter(_begins, group):
                    outcomes.append((write, *_attempt(tx, write.run)))
                    require_open(tx)
                reached("requests.written")
        except Exception as error:  # noqa: BLE001 - handed to every waiting request
            for write in group:
                if write.done.running() or _begins(write):
                    write.done.set_exception(error)
            return
        reached("requests.committed")
        for write, result, failure in outcomes:
            if failure is None:
                write.done.set_result(result)
            else:
                write.done.set_exception(failure)
        reached("requests.told")


def _begins(write: _Write) -> bool:
    """Return whether a write is still wanted; from now on it can not be cancelled."""
    return not write.done.cancelled() and write.done.set_running_or_notify_cancel()


def _attempt(tx: Tx, run: Callable[[Tx], Any]) -> tuple[Any, Exception | None]:
    try:
        with tx.begin_nested():
            return run(tx), None
    except Exception as error:  # noqa: BLE001 - handed to the request that submitted the write
        return None, error
