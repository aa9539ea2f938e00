"""Which snapshots there are. A snapshot without its row is none: the row is committed last.

The row holds the SHA-256 of the manifest, and the manifest those of all segments: what was swapped,
or written by an owner that has been fenced, does not fit.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from imm_ray.model import ClusterKind, DatasetId
from imm_ray.store import tables
from imm_ray.store.database import Tx
from imm_ray.store.ownership import Lease, check


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One snapshot of the figures or the pictures of a dataset."""

    number: int
    """Rises by one."""
    epoch: int
    """Of the owner that wrote it."""
    manifest: str
    """The name of the manifest's file."""
    sha256: str
    """Of the manifest, in hex."""
    manifest_bytes: int
    bytes_in_all: int
    """Of the segments and the manifest."""
    items: int
    run: int
    """The run that was visible."""
    created_at: datetime
    outdated: bool = False
    """A run has formed all groups anew since: its neighbours hold, its groups do not."""


def record(tx: Tx, lease: Lease, kind: ClusterKind, snapshot: Snapshot) -> None:
    """Make a snapshot whose files are all stored the newest one.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    row = {"dataset_id": lease.dataset_id, "kind": kind, **asdict(snapshot)}
    tx.execute(insert(tables.snapshot).values(row))


def listed(tx: Tx, dataset_id: DatasetId, kind: ClusterKind) -> list[Snapshot]:
    """Return the snapshots of a kind, the newest first."""
    s = tables.snapshot.c
    query = (
        select(tables.snapshot)
        .where(s.dataset_id == dataset_id, s.kind == kind)
        .order_by(s.number.desc())
    )
    return [_snapshot(row) for row in tx.execute(query).mappings()]


def exist(tx: Tx, dataset_id: DatasetId) -> bool:
    """Return whether a dataset has any."""
    s = tables.snapshot.c
    return tx.scalar(select(s.number).where(s.dataset_id == dataset_id).limit(1)) is not None


def next_number(tx: Tx, dataset_id: DatasetId, kind: ClusterKind) -> int:
    """Return the number of the next snapshot."""
    s = tables.snapshot.c
    here = (s.dataset_id == dataset_id, s.kind == kind)
    return int(tx.scalar(select(func.max(s.number)).where(*here)) or 0) + 1


def drop(tx: Tx, lease: Lease, kind: ClusterKind, numbers: Iterable[int]) -> None:
    """Forget snapshots; their files are of no use from now on.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    s = tables.snapshot
    mine = (s.c.dataset_id == lease.dataset_id, s.c.kind == kind)
    tx.execute(delete(s).where(*mine, s.c.number.in_(list(numbers))))


def outdate(tx: Tx, lease: Lease, kind: ClusterKind) -> None:
    """Record, in the transaction of a run that has formed all groups anew, that it has.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    s = tables.snapshot
    mine = (s.c.dataset_id == lease.dataset_id, s.c.kind == kind)
    tx.execute(update(s).where(*mine).values(outdated=True))


def forget(tx: Tx, dataset_id: DatasetId) -> int:
    """Forget all snapshots of a dataset, whoever owns it; return how many there were."""
    s = tables.snapshot
    return tx.execute(delete(s).where(s.c.dataset_id == dataset_id)).rowcount


def show_rebuild(tx: Tx, lease: Lease, *, left: int, total: int) -> None:
    """Record how many of ``total`` items are still to be brought back; 0 of 0 when all are.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    d = tables.dataset
    tx.execute(
        update(d)
        .where(d.c.dataset_id == lease.dataset_id)
        .values(rebuild_left=left, rebuild_total=total)
    )


def _snapshot(row: Any) -> Snapshot:
    return Snapshot(
        number=row["number"],
        epoch=row["epoch"],
        manifest=row["manifest"],
        sha256=row["sha256"],
        manifest_bytes=row["manifest_bytes"],
        bytes_in_all=row["bytes_in_all"],
        items=row["items"],
        run=row["run"],
        created_at=row["created_at"],
        outdated=row["outdated"],
    )
