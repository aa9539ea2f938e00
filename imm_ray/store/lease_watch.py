"""Whether somebody else's lease is over, told without anybody's wall clock."""

import time
from collections.abc import Callable
from typing import Any

_MOST = 10_000


class LeaseWatch:
    """Remembers since when the leases of others have looked as they do.

    Parameters
    ----------
    lease_s
        A lease that is not renewed for so long is over.
    monotonic
        Returns seconds that never go back.

    Notes
    -----
    Who begins to watch has to wait for a whole lease, however long its owner has been gone.
    """

    def __init__(
        self, lease_s: float = 10.0, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._lease_s = lease_s
        self._monotonic = monotonic
        self._seen: dict[str, tuple[Any, float]] = {}

    def has_lapsed(self, dataset_id: str, renewal: Any) -> bool:
        """Return whether ``renewal``, the newest of a dataset, was the newest a lease ago too."""
        now = self._monotonic()
        before = self._seen.get(dataset_id)
        if before is None or before[0] != renewal:
            if len(self._seen) >= _MOST:
                self._seen.clear()  # who is watched anew is only waited for longer
            self._seen[dataset_id] = (renewal, now)
            return False
        return now - before[1] >= self._lease_s
