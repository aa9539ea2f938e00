"""A second owner: takes a dataset from a frozen one and sees that the old one commits nothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from imm_ray.errors import ThrottledUser
from imm_ray.model import DatasetId
from imm_ray.store import ownership, tables
from imm_ray.store.database import Database, Tx

_WATCH_S = 90.0
_POLL_S = 0.02

Fingerprint = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Taken:
    """A dataset, the epoch under which it was taken, and the owner's rows at that moment."""

    dataset_id: DatasetId
    epoch: int
    print: Fingerprint


class Usurper:
    """Takes datasets of which only an owner removes or adds results: those without deletes.

    ``violations`` is what an old owner has committed after it was fenced.
    """

    def __init__(self, database: Database, names: Sequence[str]) -> None:
        self.violations: list[str] = []
        self._database = database
        self._names = names
        self._turn = 0

    def dataset_ids(self) -> list[DatasetId]:
        """Return the ids of the datasets."""
        d = tables.dataset.c
        with self._database.read() as tx:
            query = select(d.dataset_id).where(d.name.in_(self._names)).order_by(d.name)
            return [DatasetId(found) for found in tx.scalars(query)]

    def take(self) -> Taken | None:
        """Become the owner of the next dataset, as another cluster would.

        None when the frozen owner holds the lock of a SQLite database: then nobody can write at
        all, and nobody can take anything, until it wakes or dies.
        """
        candidates = self.dataset_ids()
        dataset_id = candidates[self._turn % len(candidates)]
        self._turn += 1
        o = tables.ownership.c
        try:
            with self._database.write() as tx:
                generation = tx.scalar(select(func.max(o.generation))) or 0
                lease = ownership.take(tx, dataset_id, "usurper", int(generation) + 1)
                return Taken(dataset_id, lease.epoch, _fingerprint(tx, dataset_id))
        except ThrottledUser:
            return None

    def watch(self, taken: Taken) -> None:
        """Look until another owner has taken the dataset back; until then nothing may change."""
        o = tables.ownership.c
        deadline = time.monotonic() + _WATCH_S
        while True:
            with self._database.read() as tx:
                where = o.dataset_id == taken.dataset_id
                epoch = tx.scalar(select(o.epoch).where(where))
                now = _fingerprint(tx, taken.dataset_id)
            if epoch != taken.epoch:
                return
            if now != taken.print:
                self.violations.append(
                    f"I6 an owner fenced by epoch {taken.epoch} has committed: {taken.print} to "
                    f"{now}"
                )
                return
            if time.monotonic() > deadline:
                self.violations.append(f"I5 nobody has taken {taken.dataset_id} back")
                return
            time.sleep(_POLL_S)  # a look at rows that other processes write


def _fingerprint(tx: Tx, dataset_id: DatasetId) -> Fingerprint:
    """Return the numbers of results, which owners alone write."""
    g, d = tables.figure.c, tables.dataset.c
    figures = select(func.count()).where(g.dataset_id == dataset_id)
    runs = select(d.figure_run, d.similar_run).where(d.dataset_id == dataset_id)
    figure_run, similar_run = tx.execute(runs).one()
    return int(tx.scalar(figures) or 0), figure_run, similar_run
