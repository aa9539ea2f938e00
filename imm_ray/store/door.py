"""The door for edits: an owner closes it while edits keep a run from becoming visible."""

from sqlalchemy import select, update

from imm_ray.errors import ThrottledUser
from imm_ray.model import DatasetId
from imm_ray.store import tables
from imm_ray.store.database import Tx
from imm_ray.store.ownership import Lease, check

RETRY_AFTER_MS = 2000


def set_held(tx: Tx, lease: Lease, *, held: bool) -> None:
    """Have edits refused from now on, or no more.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    d = tables.dataset
    tx.execute(update(d).where(d.c.dataset_id == lease.dataset_id).values(edits_held=held))


def is_held(tx: Tx, dataset_id: DatasetId) -> bool:
    """Return whether edits are refused at the moment."""
    d = tables.dataset.c
    return bool(tx.scalar(select(d.edits_held).where(d.dataset_id == dataset_id)))


def require_open(tx: Tx, dataset_id: DatasetId) -> None:
    """Return when edits are taken; the transaction must hold the dataset's row.

    Raises
    ------
    ThrottledUser
    """
    if is_held(tx, dataset_id):
        raise ThrottledUser(
            "Request was denied due to user flow control: changes of figure clusters came so fast "
            "that clustering could not end. It ends first, then they are taken again. Try again "
            "later.",
            retry_after_ms=RETRY_AFTER_MS,
        )
