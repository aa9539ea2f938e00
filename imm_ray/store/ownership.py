"""Who may write a dataset's results: one owner, fenced by an epoch.

The epoch alone decides: every transaction of an owner checks it (`check`), and an owner whose epoch
is old commits nothing. The lease only says when *another* cluster generation may take over; it is
counted by the database's clock, so hosts whose clocks differ agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select, update

from imm_ray.model import DatasetId
from imm_ray.store import tables, turn
from imm_ray.store.database import Tx
from imm_ray.store.query.function import DatabaseTime

LEASE_S = 10.0
RENEW_S = 3.0


class Fenced(Exception):
    """Another owner has taken the dataset; this one must stop."""


class DatasetGone(Fenced):
    """The dataset was deleted or purged: its engine ends, its host goes on."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Proof of ownership, carried by every transaction of the owner."""

    dataset_id: DatasetId
    epoch: int


def place(tx: Tx, dataset_id: DatasetId, hosts: Sequence[str]) -> str:
    """Return a dataset's owner host; if it has none, it gets the one with the fewest datasets.

    Raises
    ------
    DatasetGone
    """
    o, d = tables.ownership, tables.dataset.c
    found = find(tx, dataset_id)
    if found is not None:
        return found
    turn.of_dataset(tx, dataset_id)
    found = find(tx, dataset_id)  # another may have been faster
    if found is not None:
        return found
    here = select(d.seq).where(d.dataset_id == dataset_id, d.purged_at.is_(None))
    if tx.scalar(here) is None:
        raise DatasetGone(f"dataset {dataset_id} does not exist")
    loads = {
        row[0]: row[1] for row in tx.execute(select(o.c.host, func.count()).group_by(o.c.host))
    }
    host = min(hosts, key=lambda name: loads.get(name, 0))
    tx.execute(insert(o).values(dataset_id=dataset_id, host=host))
    return host


def find(tx: Tx, dataset_id: DatasetId) -> str | None:
    """Return the owner host of a dataset, None if it has none yet."""
    o = tables.ownership.c
    return tx.scalar(select(o.host).where(o.dataset_id == dataset_id))


def take(tx: Tx, dataset_id: DatasetId, host: str, generation: int) -> Lease:
    """Become the owner: raise the epoch, so that every earlier owner is fenced.

    The same generation re-takes at once (an actor that restarted), a newer one too (a cluster that
    replaces another); an older one only when the lease is over.

    Raises
    ------
    Fenced
        A newer generation holds the lease, or the dataset was deleted.
    """
    o = tables.ownership
    now = DatabaseTime()
    place(tx, dataset_id, [host])
    taken = tx.execute(
        update(o)
        .where(
            o.c.dataset_id == dataset_id,
            (o.c.generation <= generation) | (func.coalesce(o.c.lease_until, 0.0) < now),
        )
        .values(host=host, epoch=o.c.epoch + 1, generation=generation, lease_until=now + LEASE_S)
    )
    if taken.rowcount != 1:
        raise Fenced(f"dataset {dataset_id} belongs to a newer cluster than {generation}")
    epoch = tx.scalar(select(o.c.epoch).where(o.c.dataset_id == dataset_id))
    return Lease(dataset_id, int(epoch or 0))


def check(tx: Tx, lease: Lease) -> None:
    """Make the transaction the owner's: it holds the dataset and this row until the end.

    Raises
    ------
    Fenced
        The epoch has moved on, or the dataset is gone.
    """
    turn.of_dataset(tx, lease.dataset_id)
    _hold(tx, lease)


def _hold(tx: Tx, lease: Lease) -> None:
    o = tables.ownership.c
    query = select(o.epoch).where(o.dataset_id == lease.dataset_id).with_for_update()
    _compare(lease, tx.scalar(query))


def look(tx: Tx, lease: Lease) -> None:
    """Return when the owner has not lost the dataset yet; proves nothing about later.

    Raises
    ------
    Fenced
    """
    o = tables.ownership.c
    _compare(lease, tx.scalar(select(o.epoch).where(o.dataset_id == lease.dataset_id)))


def _compare(lease: Lease, epoch: int | None) -> None:
    if epoch is None:
        raise DatasetGone(f"dataset {lease.dataset_id} does not exist")
    if epoch != lease.epoch:
        raise Fenced(f"dataset {lease.dataset_id} is at epoch {epoch}, this owner at {lease.epoch}")


def release(tx: Tx, lease: Lease) -> None:
    """End the lease at once, so that any cluster may take over.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    o = tables.ownership
    tx.execute(update(o).where(o.c.dataset_id == lease.dataset_id).values(lease_until=0.0))


def is_held(tx: Tx, dataset_id: DatasetId) -> bool:
    """Return whether an owner lives: its lease is not over."""
    o = tables.ownership.c
    held = select(o.epoch).where(o.dataset_id == dataset_id, o.lease_until > DatabaseTime())
    return tx.scalar(held) is not None


def renew(tx: Tx, lease: Lease) -> None:
    """Extend the lease.

    Raises
    ------
    Fenced
    """
    _hold(tx, lease)  # not the dataset: a lease must not wait for those who write of it
    o = tables.ownership
    until = DatabaseTime() + LEASE_S
    tx.execute(update(o).where(o.c.dataset_id == lease.dataset_id).values(lease_until=until))
