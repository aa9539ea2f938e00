"""Who may write a dataset's results: one owner, fenced by an epoch.

The epoch alone decides: every transaction of an owner checks it (`check`), and an owner whose epoch
is old commits nothing. The lease only says when an *older* cluster generation may take over from a
newer one. No clock decides that: an owner counts its renewals in the row, and who waits has to see
one count for the length of a lease, by its own monotonic time (`LeaseWatch`). So the wall clock may
jump on any host, also on that of SQLite, whose clock the database's is.

Notes
-----
``lease_until`` is for people and reports: until when the owner was last known to live, by the
database's clock; 0 when it has left for good, so that anybody may come, NULL when it rests.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update

from imm_ray.crash_point import reached
from imm_ray.model import DatasetId
from imm_ray.store import tables, turn
from imm_ray.store.database import Tx
from imm_ray.store.lease_watch import LeaseWatch
from imm_ray.store.query.function import DatabaseTime

LEASE_S = 10.0
RENEW_S = 3.0


class Fenced(Exception):
    """Another owner has taken the dataset; this one must stop."""


class FencedByNewer(Fenced):
    """A newer cluster has taken the dataset: it will take the others of this one too."""


class HeldByNewer(Fenced):
    """A newer cluster holds the dataset; who wanted to take it has taken nothing."""


class DatasetGone(Fenced):
    """The dataset was deleted or purged: its engine ends, its host goes on."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Proof of ownership, carried by every transaction of the owner."""

    dataset_id: DatasetId
    epoch: int
    generation: int = 0


def place(
    tx: Tx,
    dataset_id: DatasetId,
    hosts: Sequence[str],
    *,
    generation: int = 0,
    keeps: Callable[[str], bool] = lambda host: True,
) -> str:
    """Return a dataset's owner host; if it has none, it gets the one with the fewest datasets.

    So it does when ``keeps`` says that its host is none of this cluster. While a cluster newer than
    ``generation`` has it, the row stays as it is, and the answer is where it would be asked for.

    Raises
    ------
    DatasetGone
    """
    o, d = tables.ownership, tables.dataset.c
    mine = o.c.dataset_id == dataset_id
    row = select(o.c.host, o.c.generation).where(mine)
    found = tx.execute(row).first()
    if found is not None and keeps(found.host):
        return str(found.host)
    turn.of_dataset(tx, dataset_id)
    found = tx.execute(row).first()  # another may have been faster
    if found is not None and keeps(found.host):
        return str(found.host)
    here = select(d.seq).where(d.dataset_id == dataset_id, d.purged_at.is_(None))
    if tx.scalar(here) is None:
        raise DatasetGone(f"dataset {dataset_id} does not exist")
    host = _emptiest(tx, hosts)
    if found is None:
        tx.execute(insert(o).values(dataset_id=dataset_id, host=host))
    elif found.generation <= generation:
        tx.execute(update(o).where(mine).values(host=host))
    return host


def find(tx: Tx, dataset_id: DatasetId) -> str | None:
    """Return the owner host of a dataset, None if it has none yet."""
    o = tables.ownership.c
    return tx.scalar(select(o.host).where(o.dataset_id == dataset_id))


def move(tx: Tx, dataset_id: DatasetId, host: str) -> None:
    """Make ``host`` the place where a dataset is looked for; its owner, if any, is not fenced."""
    o = tables.ownership
    tx.execute(update(o).where(o.c.dataset_id == dataset_id).values(host=host))


def take(
    tx: Tx, dataset_id: DatasetId, host: str, generation: int, *, watch: LeaseWatch | None = None
) -> Lease:
    """Become the owner: raise the epoch, so that every earlier owner is fenced.

    The same generation re-takes at once (an actor that restarted), a newer one too (a cluster that
    replaces another); an older one when the owner has left for good, or when ``watch`` has seen no
    renewal for the length of a lease. The taking counts as an attempt until `settled`.

    Raises
    ------
    HeldByNewer
        A newer generation has it, and may be alive.
    DatasetGone
    """
    o = tables.ownership
    turn.of_dataset(tx, dataset_id)
    place(tx, dataset_id, [host])
    mine = o.c.dataset_id == dataset_id
    held = tx.execute(select(o).where(mine).with_for_update()).one()
    if held.generation > generation and not _is_free(held, watch):
        raise HeldByNewer(
            f"dataset {dataset_id} belongs to cluster {held.generation}, newer than {generation}"
        )
    seq = select(tables.dataset.c.seq).where(tables.dataset.c.dataset_id == dataset_id)
    since = func.coalesce(o.c.failing_since, DatabaseTime())
    failing = {} if held.attempts == 0 else {"failing_since": since}
    tx.execute(
        update(o)
        .where(mine)
        .values(
            host=host,
            epoch=held.epoch + 1,
            generation=generation,
            lease_until=DatabaseTime() + LEASE_S,
            renewals=held.renewals + 1,
            attempts=held.attempts + 1,
            attempted_seq=seq.scalar_subquery(),
            **failing,
        )
    )
    reached("lease.take_written")
    return Lease(dataset_id, held.epoch + 1, generation)


def check(tx: Tx, lease: Lease) -> None:
    """Make the transaction the owner's: it holds the row until the end.

    Raises
    ------
    Fenced
        The epoch has moved on, or the dataset is gone.
    """
    turn.of_dataset(tx, lease.dataset_id)
    o = tables.ownership.c
    query = select(o.epoch, o.generation).where(o.dataset_id == lease.dataset_id)
    _compare(lease, tx.execute(query.with_for_update()).first())


def look(tx: Tx, lease: Lease) -> None:
    """Return when the owner has not lost the dataset yet; proves nothing about later.

    Raises
    ------
    Fenced
    """
    o = tables.ownership.c
    query = select(o.epoch, o.generation).where(o.dataset_id == lease.dataset_id)
    _compare(lease, tx.execute(query).first())


def release(tx: Tx, lease: Lease) -> None:
    """Leave for good, so that any cluster may take over at once.

    Raises
    ------
    Fenced
    """
    _leave(tx, lease, lease_until=0.0)


def rest(tx: Tx, lease: Lease) -> None:
    """Leave a dataset that has nothing to do; its cluster lives on and comes back when it is rung.

    Raises
    ------
    Fenced
    """
    _leave(tx, lease, lease_until=None)


def is_held(tx: Tx, dataset_id: DatasetId) -> bool:
    """Return whether an owner lives: its lease is not over."""
    o = tables.ownership.c
    held = select(o.epoch).where(o.dataset_id == dataset_id, o.lease_until > DatabaseTime())
    return tx.scalar(held) is not None


def stay(tx: Tx, lease: Lease) -> None:
    """Take the lease up again after `rest`, when nobody has taken the dataset since.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    o = tables.ownership
    tx.execute(
        update(o)
        .where(o.c.dataset_id == lease.dataset_id)
        .values(lease_until=DatabaseTime() + LEASE_S, renewals=o.c.renewals + 1)
    )


def renew(tx: Tx, lease: Lease) -> None:
    """Extend the lease.

    Raises
    ------
    Fenced
    """
    for error in renew_all(tx, [lease]).values():
        raise error


def renew_all(tx: Tx, leases: Sequence[Lease]) -> dict[DatasetId, Fenced]:
    """Extend leases; return those that were lost instead, and why.

    Only the ownership rows are held: a lease must not wait for those who write of its dataset.
    One that its owner has just given up, in another thread, stays given up.
    """
    o = tables.ownership
    ids = [lease.dataset_id for lease in leases]
    query = select(o.c.dataset_id, o.c.epoch, o.c.generation).where(o.c.dataset_id.in_(ids))
    held = {
        row.dataset_id: row for row in tx.execute(query.order_by(o.c.dataset_id).with_for_update())
    }
    lost: dict[DatasetId, Fenced] = {}
    for lease in leases:
        try:
            _compare(lease, held.get(lease.dataset_id))
        except Fenced as error:
            lost[lease.dataset_id] = error
    tx.execute(
        update(o)
        .where(
            o.c.dataset_id.in_([dataset_id for dataset_id in ids if dataset_id not in lost]),
            o.c.lease_until > 0,
        )
        .values(lease_until=DatabaseTime() + LEASE_S, renewals=o.c.renewals + 1)
    )
    reached("lease.renewal_written")
    return lost


def _emptiest(tx: Tx, hosts: Sequence[str]) -> str:
    if len(hosts) == 1:
        return hosts[0]
    o = tables.ownership.c
    query = select(o.host, func.count()).where(o.host.in_(list(hosts))).group_by(o.host)
    loads = {row[0]: row[1] for row in tx.execute(query)}
    return min(hosts, key=lambda name: loads.get(name, 0))


def _is_free(held: Any, watch: LeaseWatch | None) -> bool:
    if held.lease_until == 0.0:
        return True
    return watch is not None and watch.has_lapsed(held.dataset_id, (held.epoch, held.renewals))


def _leave(tx: Tx, lease: Lease, *, lease_until: float | None) -> None:
    check(tx, lease)
    o = tables.ownership
    tx.execute(
        update(o)
        .where(o.c.dataset_id == lease.dataset_id)
        .values(lease_until=lease_until, attempts=0, failures=0)
    )
    reached("lease.release_written")


def _compare(lease: Lease, held: Any | None) -> None:
    if held is None:
        raise DatasetGone(f"dataset {lease.dataset_id} does not exist")
    if held.epoch == lease.epoch:
        return
    what = f"dataset {lease.dataset_id} is at epoch {held.epoch}, this owner at {lease.epoch}"
    raise (FencedByNewer if held.generation > lease.generation > 0 else Fenced)(what)
