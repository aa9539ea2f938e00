"""Lets an endpoint rest that fails again and again."""

from collections.abc import Callable
from random import Random

FAILURES = 5
"""So many failures in a row, of any messages, and the endpoint rests."""

_FIRST_REST_S = 1.0
_LONGEST_REST_S = 60.0


class Circuit:
    """Says how many messages may be tried at an endpoint now.

    All that a working endpoint can take; none while it rests; after a rest one, whose success ends
    the matter and whose failure makes the next rest twice as long, up to a minute. So an endpoint
    that is dead for a day costs an attempt a minute, however many messages wait for it.

    Parameters
    ----------
    clock
        Seconds of a clock that no one sets.
    """

    def __init__(self, *, clock: Callable[[], float], chance: Random) -> None:
        self._clock = clock
        self._chance = chance
        self._failures = 0
        self._rests_until = 0.0

    @property
    def is_broken(self) -> bool:
        """Whether the last attempts all failed."""
        return self._failures >= FAILURES

    def allowed(self, most: int) -> int:
        """Return how many messages may be tried now, at most ``most``."""
        if not self.is_broken:
            return most
        return 1 if self._clock() >= self._rests_until else 0

    def succeeded(self) -> None:
        """Record that a message has arrived."""
        self._failures = 0

    def failed(self) -> None:
        """Record that a message has not arrived."""
        self._failures += 1
        if self.is_broken:
            rest = _FIRST_REST_S * 2.0 ** min(self._failures - FAILURES, 16)
            longest = min(_LONGEST_REST_S, rest)
            self._rests_until = self._clock() + self._chance.uniform(longest / 2, longest)
