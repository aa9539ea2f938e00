"""Back-pressure at the door: work beyond a limit is refused, so that none is ever dropped."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from imm_ray.errors import ThrottledUser
from imm_ray.model import Dataset
from imm_ray.settings import Limits
from imm_ray.store import work
from imm_ray.store.database import Tx

RETRY_AFTER_MS = 2000

_FRESH = timedelta(seconds=1)
_MOST_CACHED = 10_000


class Admission:
    """Limits the pending files and queued tasks of a dataset and of an account.

    Notes
    -----
    A count is read from the store at most once a second for each dataset and account; in between,
    what was admitted here is added to it. A request that fails after it was admitted is counted
    until the next reading.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._counted: dict[str, tuple[datetime, int]] = {}

    def admit(self, tx: Tx, dataset: Dataset, *, items: int, now: datetime) -> None:
        """Admit ``items`` more files or tasks of ``dataset``.

        Raises
        ------
        ThrottledUser
            With them a limit would be passed.
        """
        account = dataset.account
        with self._lock:
            in_dataset = self._pending(
                f"dataset {dataset.dataset_id}",
                now,
                lambda: work.pending_of_dataset(tx, dataset.dataset_id),
            )
            in_account = self._pending(
                f"account {account}", now, lambda: work.pending_of_account(tx, account)
            )
            _check(in_dataset + items, self._limits.max_pending_per_dataset, "dataset")
            _check(in_account + items, self._limits.max_pending_per_account, "account")
            for key in (f"dataset {dataset.dataset_id}", f"account {account}"):
                counted_at, count = self._counted[key]
                self._counted[key] = (counted_at, count + items)

    def _pending(self, key: str, now: datetime, count: Callable[[], int]) -> int:
        known = self._counted.get(key)
        if known is None or abs(now - known[0]) >= _FRESH:  # the clock may have been put back
            if len(self._counted) > _MOST_CACHED:
                self._counted.clear()
            known = (now, count())
            self._counted[key] = known
        return known[1]


def _check(pending: int, limit: int, of: str) -> None:
    if pending > limit:
        raise ThrottledUser(
            f"Request was denied due to user flow control: the {of} would have {pending} files and "
            f"tasks that wait, and may have {limit}. Try again later.",
            retry_after_ms=RETRY_AFTER_MS,
        )
