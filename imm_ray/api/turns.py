"""Turns for reads that may take long, so that those of one account keep nobody else waiting."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from imm_ray.errors import ServiceUnavailable, ThrottledUser

T = TypeVar("T")

THREADS = 12
"""Reads that run at once, of all accounts together."""

_RETRY_AFTER_MS = 1000


@dataclass(frozen=True, slots=True)
class _Read:
    run: Callable[[], Any]
    done: Future[Any]


@dataclass(slots=True)
class _Line:
    """The reads of one account."""

    running: int = 0
    waiting: deque[_Read] = field(default_factory=deque)


class Turns:
    """Runs reads on threads of their own, some of each account at once and the rest in turn.

    Parameters
    ----------
    at_once
        Reads of one account that run together.
    most_waiting
        Reads of one account that wait for their turn; more are refused.

    Notes
    -----
    After each read its account goes to the end of the line of accounts, so with more of them than
    threads all go on. A read whose future is cancelled before its turn is never run.
    """

    def __init__(self, at_once: int, most_waiting: int) -> None:
        self._at_once = at_once
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._closed = False
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="imm-ray-query")

    def submit(self, account: str, run: Callable[[], T]) -> "Future[T]":
        """Return the future of what ``run`` returns.

        Raises
        ------
        ThrottledUser
            Too many reads of the account wait.
        """
        read = _Read(run, Future())
        with self._lock:
            if self._closed:
                raise ServiceUnavailable("The service is shutting down; try again.")
            line = self._lines.setdefault(account, _Line())
            if line.running < self._at_once:
                line.running += 1
                self._pool.submit(self._serve, account, read)
            else:
                self._queue(line, read)
        return read.done

    def close(self) -> None:
        """Finish the reads that run; those that wait are cancelled."""
        with self._lock:
            self._closed = True
            waiting = [read for line in self._lines.values() for read in line.waiting]
            for line in self._lines.values():
                line.waiting.clear()
        for read in waiting:
            read.done.cancel()
        self._pool.shutdown()

    def _queue(self, line: _Line, read: _Read) -> None:
        if len(line.waiting) >= self._most_waiting:
            line.waiting = deque(other for other in line.waiting if not other.done.cancelled())
        if len(line.waiting) >= self._most_waiting:
            raise ThrottledUser(
                "Request was denied due to user flow control: of an account "
                f"{self._at_once} queries run at once and {self._most_waiting} may wait for them.",
                retry_after_ms=_RETRY_AFTER_MS,
            )
        line.waiting.append(read)

    def _serve(self, account: str, read: _Read) -> None:
        if read.done.set_running_or_notify_cancel():
            try:
                result = read.run()
            except BaseException as error:  # noqa: BLE001 - handed to the request that waits
                read.done.set_exception(error)
            else:
                read.done.set_result(result)
        self._next(account)

    def _next(self, account: str) -> None:
        with self._lock:
            line = self._lines[account]
            if line.waiting:
                self._pool.submit(self._serve, account, line.waiting.popleft())
                return
            line.running -= 1
            if not line.running:
                del self._lines[account]
