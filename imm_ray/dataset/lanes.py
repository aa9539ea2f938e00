"""A few threads for the engines of many datasets: one call at a time for each, in its order."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class Lanes:
    """Threads that many lanes share.

    Parameters
    ----------
    threads
        Calls of different lanes that run at once.

    Notes
    -----
    A thread for each dataset would be simpler. But OpenMP keeps a team of workers for every thread
    that has ever searched an index, so five hundred small datasets would hold thousands of threads.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="imm-ray-engine")

    def lane(self) -> "Lane":
        """Return a new lane."""
        return Lane(self._pool)

    def close(self) -> None:
        """Take no more calls; those that wait are still run."""
        self._pool.shutdown(wait=False)


class Lane(Executor):
    """Runs calls one after the other, on whichever thread is free.

    After a call the lane goes to the end of the queue for threads, so a dataset with many calls
    holds none of the others up for longer than one of its calls takes.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._is_running = False
        self._is_shut = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Return the future of a call; one that is cancelled before its turn is never made.

        Raises
        ------
        RuntimeError
            After `shutdown`.
        """
        done: Future[T] = Future()
        with self._lock:
            if self._is_shut:
                raise RuntimeError("this lane is closed")
            self._waiting.append((done, partial(fn, *args, **kwargs)))
            self._go_on()
        return done

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; ``wait`` for those that have been submitted."""
        with self._lock:
            self._is_shut = True
            left = [done for done, _ in self._waiting]
        for done in left if cancel_futures else ():
            done.cancel()
        for done in left if wait else ():
            if not done.cancelled():
                done.exception()

    def _go_on(self) -> None:
        """Have the next call made, if there is one and none is under way. Needs the lock."""
        if self._waiting and not self._is_running:
            self._is_running = True
            self._pool.submit(self._turn)

    def _turn(self) -> None:
        with self._lock:
            done, call = self._waiting[0]
        if done.set_running_or_notify_cancel():
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - handed to who waits for the future
                done.set_exception(error)
            else:
                done.set_result(result)
        with self._lock:
            self._waiting.popleft()
            self._is_running = False
            self._go_on()
