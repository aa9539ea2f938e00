"""Named moments at which a test ends the process: what is left must be enough to go on from.

Code calls `reached` where a crash would be worst: before and after each commit, acknowledgement,
doorbell, file that is renamed, message that is sent. Nothing happens there, unless the environment
names the moment, or a test in the same process watches.

``IMM_RAY_CRASH_AT=NAME:N`` ends the process, with nothing flushed and no handler run, when the
point NAME is reached for the N-th time; ``*`` stands for any name. A test that lets N rise from 1
until a run completes has died at every point there is (SQLite tests its own crashes in this way:
sqlite.org/testing.html, "Crash Testing").
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

EXIT_STATUS = 137
"""Exit status of a process that ended at a crash point: as after SIGKILL."""

_VARIABLE = "IMM_RAY_CRASH_AT"


class Countdown:
    """Counts how often a point is reached, and ends the process at the N-th time.

    Parameters
    ----------
    at
        ``NAME:N``; the name ``*`` is any.

    Raises
    ------
    ValueError
        ``at`` is not of that form.
    """

    def __init__(self, at: str) -> None:
        self._name, _, times = at.rpartition(":")
        if not self._name or not times.isdecimal() or int(times) < 1:
            raise ValueError(f"{_VARIABLE}={at!r} is not NAME:N with N of at least 1")
        self._left = int(times)
        self._lock = Lock()

    def __call__(self, name: str) -> None:
        """Count ``name``; the process ends here when it is the one."""
        if self._name not in ("*", name):
            return
        with self._lock:
            self._left -= 1
            is_here = self._left == 0
        if is_here:
            os._exit(EXIT_STATUS)


_watch: Callable[[str], None] | None = (
    Countdown(os.environ[_VARIABLE]) if os.environ.get(_VARIABLE) else None
)


def reached(name: str) -> None:
    """Say that execution has come to the point ``name``, a dotted name such as ``task.acked``."""
    if _watch is not None:
        _watch(name)


@contextmanager
def watched(watch: Callable[[str], None]) -> Iterator[None]:
    """Call ``watch`` with each point that this process reaches inside the block, from any thread.

    What it raises passes through the code that reached the point.
    """
    global _watch
    before, _watch = _watch, watch
    try:
        yield
    finally:
        _watch = before
