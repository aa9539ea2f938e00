"""Takes datasets for a host, and keeps count of those that fail."""

from collections.abc import Callable

import structlog

from imm_ray.crash_point import reached
from imm_ray.dataset.engine import DatasetEngine
from imm_ray.dataset.footprint import memory_bytes
from imm_ray.dataset.ports import Clock
from imm_ray.model import DatasetId
from imm_ray.store import ownership, tasks, trouble, work
from imm_ray.store.database import Database, Tx
from imm_ray.store.lease_watch import LeaseWatch
from imm_ray.store.ownership import Lease
from imm_ray.store.trouble import Patience, Trouble

_log = structlog.get_logger(__name__)


class Elsewhere(Exception):
    """The dataset belongs to another host of this cluster."""


class Opening:
    """Takes datasets, one transaction each, and gives those up that fail again and again.

    Parameters
    ----------
    elsewhere
        Called, in the transaction that takes a dataset, with its size in bytes; returns where it
        belongs, None for here.
    open_engine
        Returns the engine of a dataset that was taken.
    """

    def __init__(
        self,
        database: Database,
        *,
        host: str,
        generation: int,
        patience: Patience,
        open_engine: Callable[[Lease], DatasetEngine],
        notices: tasks.Notices,
        clock: Clock,
        elsewhere: Callable[[Tx, DatasetId, int], str | None] = lambda tx, dataset_id, size: None,
    ) -> None:
        self._database = database
        self.host = host
        self._generation = generation
        self._patience = patience
        self._open_engine = open_engine
        self._notices = notices
        self._clock = clock
        self._elsewhere = elsewhere
        self._watch = LeaseWatch(ownership.LEASE_S)
        self._tried: set[DatasetId] = set()
        """Datasets whose last attempt this process made, and has survived."""

    def size_bytes(self, dataset_id: DatasetId) -> int:
        """Return the memory that a dataset will take, about."""
        with self._database.read() as tx:
            return memory_bytes(*work.stored(tx, dataset_id))

    def take(self, dataset_id: DatasetId, size_bytes: int, *, forgiven: bool = False) -> Lease:
        """Become the owner of a dataset; ``forgiven`` when the database stopped the last attempt.

        Raises
        ------
        Elsewhere
        imm_ray.store.ownership.Fenced
            As `ownership.take`.
        """
        with self._database.write() as tx:
            there = self._elsewhere(tx, dataset_id, size_bytes)
            if there is None:
                before = trouble.of_dataset(tx, dataset_id)
                lease = ownership.take(
                    tx, dataset_id, self.host, self._generation, watch=self._watch
                )
                if forgiven:
                    before = None
                    trouble.forgive(tx, lease)
                reached("owner.take_written")
        if there is not None:
            raise Elsewhere(f"dataset {dataset_id} belongs to {there}")
        reached("owner.taken")
        _log.info("dataset taken", dataset_id=dataset_id, epoch=lease.epoch, host=self.host)
        if before is not None and before.has_died and dataset_id not in self._tried:
            self._give_up(lease, before)  # now: whoever dies can not do it after the next attempt
        self._tried.add(dataset_id)
        return lease

    def open(self, lease: Lease) -> DatasetEngine:
        """Return the engine of a dataset that was taken; nothing is loaded yet."""
        return self._open_engine(lease)

    def settled(self, lease: Lease) -> None:
        """Forget that a dataset has failed: it is well."""
        with self._database.read() as tx:
            found = trouble.of_dataset(tx, lease.dataset_id)
        if found is not None and found.attempts > 1:  # else leaving says the same
            self.excuse(lease)
            _log.info("dataset well again", dataset_id=lease.dataset_id)

    def excuse(self, lease: Lease) -> None:
        """Do not count the attempt of a lease, nor any before it."""
        with self._database.write() as tx:
            trouble.settled(tx, lease)
            reached("owner.settling_written")
        reached("owner.settled")

    def failed(self, lease: Lease, error: Exception) -> bool:
        """Record a failure; return whether the running tasks were given up, being too many."""
        with self._database.write() as tx:
            trouble.failed(tx, lease, type(error).__name__)
            found = trouble.of_dataset(tx, lease.dataset_id)
            reached("owner.failure_written")
        reached("owner.failure_recorded")
        return found is not None and self._give_up(lease, found)

    def has_work(self, dataset_id: DatasetId) -> bool:
        """Return whether a dataset has files to index, tasks to run or edits to apply."""
        with self._database.read() as tx:
            return work.pending_of_dataset(tx, dataset_id) > 0

    def release(self, lease: Lease) -> None:
        """Give a dataset up for any cluster to take at once, whatever its engine does."""
        with self._database.write() as tx:
            ownership.release(tx, lease)
        reached("owner.released_by_force")

    def _give_up(self, lease: Lease, found: Trouble) -> bool:
        if not self._patience.is_over(found.attempts, found.seconds):
            return False
        message = (
            f"{found.text} The task was given up, and nothing of it is visible. The dataset is "
            "tried again from time to time, and when there is a new request for it. The log of "
            "the server says more."
        )
        more = True
        while more:
            with self._database.write() as tx:
                more = trouble.give_up(
                    tx, lease, found.attempted_seq, message, self._clock(), self._notices
                )
                reached("owner.giving_up_written")
            reached("owner.task_given_up")
        _log.error("dataset given up", dataset_id=lease.dataset_id, attempts=found.attempts)
        return True
