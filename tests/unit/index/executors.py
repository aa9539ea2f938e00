"""Executors whose work is done when a test says so."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OnCall(Executor):
    """Does what was submitted when `work` is called."""

    def __init__(self) -> None:
        self._jobs: list[Callable[[], None]] = []
        self.outcomes: list[Future[Any]] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def job() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - as every executor does
                future.set_exception(error)

        self._jobs.append(job)
        self.outcomes.append(future)
        return future

    def work(self) -> int:
        """Do everything; return how much that was."""
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            job()
        return len(jobs)


class AtOnce(OnCall):
    """Does what is submitted before `submit` returns."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future = super().submit(fn, *args, **kwargs)
        self.work()
        return future
