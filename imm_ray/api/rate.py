"""How many requests a second: a bucket of tokens for each user and each project.

The buckets belong to one replica: N replicas together let N times as much through.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from imm_ray.errors import ThrottledUser

_MOST_BUCKETS = 10_000


class RateLimit:
    """Lets ``per_second`` requests through for each name, and ``burst`` at once after a rest.

    Parameters
    ----------
    per_second
        0 sets no limit.
    monotonic
        Returns seconds that never go back.

    Notes
    -----
    A bucket that is full says the same as none: the one that was used longest ago is dropped when
    there are too many, which can only happen to names that the clients choose.
    """

    def __init__(
        self, per_second: float, burst: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, what: str) -> None:
        """Take a token out of the bucket of ``name``.

        Raises
        ------
        ThrottledUser
            It is empty; the error tells when there will be a token again.
        """
        if not self._per_second:
            return
        with self._lock:
            now = self._monotonic()
            tokens, at = self._buckets.pop(name, (float(self._burst), now))
            tokens = min(self._burst, tokens + (now - at) * self._per_second)
            enough = tokens >= 1
            self._buckets[name] = (tokens - enough, now)
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
        if not enough:
            raise ThrottledUser(
                f"Request was denied due to user flow control: {what} may make "
                f"{self._per_second:g} requests a second.",
                retry_after_ms=max(1, ceil((1 - tokens) / self._per_second * 1000)),
            )
