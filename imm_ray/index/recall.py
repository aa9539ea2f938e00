"""How much an inverted-file index finds, for every number of probed lists at once."""

import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Slots, Wide
from imm_ray.index.products import tiles, within_rows


class RecallCurve:
    """The share of near pairs that is found, by the number of lists that queries look into.

    Parameters
    ----------
    queries
        A sample of stored vectors.
    own
        Their slots: a query's pair with itself is always found, and does not count.
    ranks
        By query and list, how many other lists are probed before that list.
    cosine
        A pair is near at this cosine or over.

    Notes
    -----
    Every pair comes from comparing the queries with all that is stored, so none is missed; it is
    found by a search if its list's rank is below the number of probes. Only the number of pairs by
    rank is kept, so memory does not follow the number of pairs.
    """

    def __init__(
        self,
        queries: Wide,
        own: Slots,
        ranks: NDArray[np.int32],
        *,
        cosine: float,
        threads: int = 1,
    ) -> None:
        self._queries = queries
        self._own = own
        self._ranks = ranks
        self._cosine = cosine
        self._threads = threads
        self._pairs_by_rank = np.zeros(ranks.shape[1], np.int64)

    def count(self, stored: Wide, slots: Slots, lists: NDArray[np.int64]) -> None:
        """Count the near pairs with some stored vectors, given with their slots and lists."""
        for some, blocks in tiles(len(self._queries), len(stored)):
            for block in blocks:
                found = within_rows(
                    self._queries[some], stored[block], self._cosine, threads=self._threads
                )
                queries, rows = found.query_rows + some.start, found.slots + block.start
                other = self._own[queries] != slots[rows]
                ranks = self._ranks[queries[other], lists[rows[other]]]
                self._pairs_by_rank += np.bincount(ranks, minlength=len(self._pairs_by_rank))

    def recall(self, probes: int) -> float | None:
        """Return the share of pairs found with ``probes``; None if there were no pairs."""
        pairs = int(self._pairs_by_rank.sum())
        return int(self._pairs_by_rank[:probes].sum()) / pairs if pairs else None

    def probes(self, recall: float, *, least: int, most: int) -> int:
        """Return the fewest probes from ``least`` to ``most`` that reach ``recall``, or ``most``.

        Without any pairs it is ``least``.
        """
        found = np.cumsum(self._pairs_by_rank)
        enough = int(np.searchsorted(found, recall * found[-1])) + 1 if found[-1] else least
        return max(1, min(max(enough, least), most))
