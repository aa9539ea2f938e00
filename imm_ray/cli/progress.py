"""Progress on the terminal: bars for a person, plain lines for a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from imm_ray.cli.text import plain

LINE_EVERY_S = 5.0
"""How often a stage that runs on says so where there is no terminal."""


class Stage(Protocol):
    """One stage that is under way."""

    def update(self, done: int, note: str = "") -> None:
        """Show that ``done`` items are done, and a few words beside."""


class Stages:
    """Shows the stages of a job as they happen.

    ``seconds`` tells how long each finished stage took, in order.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, title: str, *, total: int | None = None) -> Iterator[Stage]:
        """Show a stage while the body runs; ``total`` None means that its length is unknown."""
        started = time.monotonic()
        shown = _bar if self.console.is_terminal else _lines
        with shown(self.console, title, total) as stage:
            yield stage
        self.seconds[title] = time.monotonic() - started
        self.console.print(f"{title}: {self.seconds[title]:.1f} s", highlight=False)


class _Bar:
    def __init__(self, progress: Progress, title: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total, note="")

    def update(self, done: int, note: str = "") -> None:
        self._progress.update(self._task, completed=done, note=plain(note))


@contextmanager
def _bar(console: Console, title: str, total: int | None) -> Iterator[Stage]:
    counted = [MofNCompleteColumn()] if total is not None else []
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), *counted]
    note = TextColumn("{task.fields[note]}", style="dim", markup=False)
    with Progress(*columns, note, console=console, transient=True) as progress:
        yield _Bar(progress, title, total)


class _Lines:
    def __init__(self, console: Console, title: str, total: int | None) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._said_at = time.monotonic()

    def update(self, done: int, note: str = "") -> None:
        if time.monotonic() - self._said_at < LINE_EVERY_S:
            return
        self._said_at = time.monotonic()
        count = "" if self._total is None else f" {done}/{self._total}"
        words = f" ({plain(note)})" if note else ""
        self._console.print(f"{self._title}{count}{words}", markup=False, highlight=False)


@contextmanager
def _lines(console: Console, title: str, total: int | None) -> Iterator[Stage]:
    console.print(f"{title} …", markup=False, highlight=False)
    yield _Lines(console, title, total)
