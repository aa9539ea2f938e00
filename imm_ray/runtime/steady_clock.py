"""A clock for throwing things away: it never says that more time has passed than has."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta


class SteadyClock:
    """The wall clock, but never ahead of the time that has passed since this was made.

    A wall clock that jumps forward by a day makes nothing a day older. One that is put back, and
    later put right again, is believed as soon as it says less.

    Parameters
    ----------
    wall
        Returns the aware time.
    monotonic
        Returns seconds that never go back.

    Notes
    -----
    A process that starts while the clock is wrong can not know it. `uptime` tells for how long the
    process has watched: what must be kept for so long is not thrown away before.
    """

    def __init__(
        self, wall: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._begun_at = wall()
        self._begun = monotonic()

    def __call__(self) -> datetime:
        """Return the time that is certain to have come."""
        return min(self._wall(), self._begun_at + self.uptime)

    @property
    def uptime(self) -> timedelta:
        """The time since this was made."""
        return timedelta(seconds=self._monotonic() - self._begun)
