"""Group commit: many small writes, one transaction, one fsync.

A disk gives a few hundred fsyncs a second; requests that arrive while one commit is under way are
committed together by the next.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from imm_ray.crash_point import reached
from imm_ray.errors import ImmError, ServiceUnavailable, ThrottledUser
from imm_ray.store.database import Database, Tx, require_open
from imm_ray.store.failure import DatabaseAway, InDoubt, Overtaken
from imm_ray.store.receipt import Receipts, Unknown

T = TypeVar("T")

_MAX_GROUP = 128
_MOST_WAITING = 2000
_MOST_TRIES = 3

Place: TypeAlias = tuple[str, ...]
"""What a write is about, from the largest to the smallest: account, project, dataset."""


@dataclass(frozen=True, slots=True)
class _Write:
    run: Callable[[Tx], Any]
    done: Future[Any]
    place: Place


@dataclass(frozen=True, slots=True)
class _Outcome:
    write: _Write
    result: Any
    failure: Exception | None


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

    With a server the connection may be lost. What was not committed then is run once more; whether
    it was, the writer finds out (`store.receipt`): so no write happens twice, and none is refused
    that has happened, as long as the server comes back within the database's patience. The writes
    of a group lock what they are about in the order of their places, as those of other replicas do;
    one that two transactions have to be parted for is run again for itself.
    """

    def __init__(
        self, database: Database, *, name: str = "writer", most_waiting: int = _MOST_WAITING
    ) -> None:
        self._database = database
        self._most_waiting = most_waiting
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._gate = threading.Lock()
        """Held by who submits or closes: nothing comes after the end mark."""
        self._receipts = Receipts(database) if database.is_server else None
        self._thread = threading.Thread(target=self._loop, name=f"imm-ray-{name}", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[Tx], T], place: Place = ()) -> "Future[T]":
        """Return the future of ``run``'s result; resolved once it is durable.

        ``run`` may be called more than once; only the last call has an effect.

        Raises
        ------
        ThrottledUser
            Too many writes wait.
        """
        write = _Write(run, Future(), place)
        with self._gate:
            if self._closed:
                raise ServiceUnavailable("The service is shutting down; try again.")
            if self._queue.qsize() >= self._most_waiting:
                raise ThrottledUser(
                    f"The database is busy: {self._most_waiting} writes wait for it. Try again."
                )
            self._queue.put(write)
        return write.done

    def close(self) -> None:
        """Commit what was submitted, then stop."""
        with self._gate:
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        if self._receipts is not None:
            with suppress(ImmError):  # a row that stays is deleted by another writer, in days
                self._receipts.leave()

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
        if self._receipts is not None:
            group.sort(key=lambda write: write.place)
        return group

    def _commit(self, group: list[_Write], *, again: bool = False) -> None:
        try:
            outcomes = self._committed(group)
        except Exception as error:  # noqa: BLE001 - handed to every waiting request
            for write in filter(_is_wanted, group):
                write.done.set_exception(error)
            return
        for outcome in outcomes:
            if outcome.failure is None:
                outcome.write.done.set_result(outcome.result)
            elif isinstance(outcome.failure, Overtaken) and not again:
                self._commit([outcome.write], again=True)
            else:
                outcome.write.done.set_exception(outcome.failure)
        reached("requests.told")

    def _committed(self, group: list[_Write]) -> list[_Outcome]:
        """Return what became of each write, when all is committed."""
        for tries_left in reversed(range(_MOST_TRIES)):
            outcomes: list[_Outcome] = []
            try:
                self._run(group, outcomes)
            except Unknown:
                assert self._receipts is not None
                self._receipts.register()
            except DatabaseAway as error:
                if self._is_committed(error):
                    return outcomes
                if not (outcomes and tries_left):
                    raise
            else:
                return outcomes
        raise ServiceUnavailable()

    def _run(self, group: list[_Write], outcomes: list[_Outcome]) -> None:
        with self._database.write() as tx:
            if self._receipts is not None:
                self._receipts.sign(tx)
            for write in filter(_is_wanted, group):
                outcomes.append(self._attempt(tx, write))
                require_open(tx)
            reached("requests.written")
        reached("requests.committed")
        if self._receipts is not None:
            self._receipts.settled()

    def _is_committed(self, error: DatabaseAway) -> bool:
        if not error.in_doubt or self._receipts is None:
            return False
        try:
            return self._receipts.is_committed()
        except ImmError as unanswered:
            raise InDoubt() from unanswered

    def _attempt(self, tx: Tx, write: _Write) -> _Outcome:
        try:
            with tx.begin_nested():
                return _Outcome(write, write.run(tx), None)
        except Exception as error:  # noqa: BLE001 - handed to the request that submitted the write
            return _Outcome(write, None, self._database.meaning_of(error))


def _is_wanted(write: _Write) -> bool:
    """Return whether a write has begun already, or begins now."""
    return write.done.running() or _begins(write)


def _begins(write: _Write) -> bool:
    """Return whether a write is still wanted; from now on it can not be cancelled."""
    return not write.done.cancelled() and write.done.set_running_or_notify_cancel()
