"""Keeps a stream of edits from starving the runs of a dataset."""

from imm_ray.store import door
from imm_ray.store.database import Database
from imm_ray.store.ownership import Lease

STALE_RUNS = 3
"""A run that edits have made stale so often is finished behind a closed door."""


class Door:
    """Closes a dataset to edits while its owner finishes a run.

    Notes
    -----
    It is open again as soon as the run is visible or was given up. An owner that dies in between
    leaves it closed and work to do, so the next one comes, and opens it first (`load`).
    """

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._lease = lease
        self._is_closed = False

    def load(self) -> None:
        """Open what an owner before has left closed."""
        with self._database.read() as tx:
            self._is_closed = door.is_held(tx, self._lease.dataset_id)
        self.open()

    def knocked(self, times: int) -> None:
        """Close when edits have made a run stale too often."""
        if times >= STALE_RUNS and not self._is_closed:
            self._set(True)

    def open(self) -> None:
        """Take edits again."""
        if self._is_closed:
            self._set(False)

    def _set(self, closed: bool) -> None:
        with self._database.write() as tx:
            door.set_held(tx, self._lease, held=closed)
        self._is_closed = closed
