"""How many items are searched for at once."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = 512, 2048
_PAIRS = 2**20


class SearchPace:
    """Counts what searches find, and says how many queries the next one may have.

    Notes
    -----
    A search decodes what is stored once for all of its queries, so many of them are cheap; but
    where everything is near everything each of them finds all that is stored. So the number grows
    from ``LEAST`` to ``MOST`` while some ``2**20`` pairs, 20 MB, are to be expected.
    """

    def __init__(self) -> None:
        self.queries = LEAST
        """Of the next search, at most."""

    def found(self, pairs: int, queries: int) -> None:
        """Take note of a search."""
        affordable = _PAIRS * queries // max(1, pairs)
        self.queries = min(MOST, max(LEAST, affordable), 2 * self.queries)

    def portions(self, photos: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Yield places of ``photos`` for one search after the other.

        Items with one number (a photo; negative: alone) stay together, however many they are.
        """
        order = np.argsort(photos, kind="stable")
        ends = np.flatnonzero(np.diff(photos[order], append=-2) | (photos[order] < 0)) + 1
        start = 0
        while start < len(order):
            last = np.searchsorted(ends, start + self.queries, "right") - 1
            if last < 0 or ends[last] <= start:
                last += 1  # one photo has more than that
            yield order[start : ends[last]]
            start = int(ends[last])
