"""Whether this process is the one of its cluster that does a chore."""

import threading
import time
import uuid
from collections.abc import Callable

from imm_ray.crash_point import reached
from imm_ray.store import duties
from imm_ray.store.database import Database
from imm_ray.store.duties import Held

RENEW_S = 3.0
SILENT_S = 10.0
"""Who has shown no sign of life for so long is replaced."""


class Duty:
    """Takes a chore that nobody does, and keeps it.

    A process of the same or of a newer cluster generation takes it at once when it starts: its
    predecessor has been replaced. Otherwise it waits until the holder is silent.

    Parameters
    ----------
    monotonic
        Seconds of a clock that no one sets.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        generation: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._name = name
        self._generation = generation
        self._monotonic = monotonic
        self._holder = str(uuid.uuid4())
        self._lock = threading.Lock()
        self._is_mine = False
        self._is_new = True
        self._shown_at = 0.0
        self._seen: Held | None = None
        self._seen_at = 0.0

    def is_mine(self) -> bool:
        """Return whether this process has the duty now; ask before every step of the chore."""
        with self._lock:
            if self._is_mine and self._monotonic() - self._shown_at < RENEW_S:
                return True
            self._is_mine = self._renew() if self._is_mine else self._take()
            return self._is_mine

    def _renew(self) -> bool:
        shown_at = self._monotonic()  # before the database is asked: what it takes is not counted
        with self._database.write() as tx:
            mine = duties.beat(tx, self._name, self._holder)
        self._shown_at = shown_at
        return mine

    def _take(self) -> bool:
        with self._database.read() as tx:
            held = duties.look(tx, self._name)
        now = self._monotonic()
        if held != self._seen:
            self._seen, self._seen_at = held, now
        if not self._is_free(held, now):
            return False
        with self._database.write() as tx:
            taken = duties.take(tx, self._name, self._holder, self._generation, seen=held)
        reached("duty.taken")
        self._is_new = self._is_new and not taken
        self._shown_at = now
        return taken

    def _is_free(self, held: Held | None, now: float) -> bool:
        if held is None or held.generation < self._generation:
            return True
        replaces = self._is_new and held.generation == self._generation
        return replaces or now - self._seen_at >= SILENT_S
