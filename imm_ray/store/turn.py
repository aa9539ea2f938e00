"""Whose turn it is: transactions about one thing follow one another.

SQLite has one writer at a time. PostgreSQL has many, and each sees what was committed before each
of its statements; so a transaction first takes the turn of what it is about, and reads after that.
Who takes several takes a project's before those of its datasets, and a dataset's before its
ownership row: in another order two might wait for each other.
"""

from sqlalchemy import func, select

from imm_ray.model import DatasetId
from imm_ray.store import tables
from imm_ray.store.database import Tx


def of_dataset(tx: Tx, dataset_id: DatasetId) -> None:
    """Keep others from writing of a dataset until the end of ``tx``; one that is gone is fine."""
    if _serves_one(tx):
        return
    d = tables.dataset.c
    query = select(d.seq).where(d.dataset_id == dataset_id)
    tx.execute(query.with_for_update(key_share=True))


def of_named(tx: Tx, account: str, project: str, name: str) -> None:
    """Do as `of_dataset` for a dataset by its names; one that does not exist is fine."""
    if _serves_one(tx):
        return
    d = tables.dataset.c
    query = select(d.seq).where(d.account == account, d.project == project, d.name == name)
    tx.execute(query.with_for_update(key_share=True))


def of_thing(tx: Tx, thing: str) -> None:
    """Keep others out who take the turn of the same ``thing``, of which there may be no row yet."""
    if not _serves_one(tx):
        tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(thing, 0))))


def _serves_one(tx: Tx) -> bool:
    """Return whether the database has one writer at a time."""
    return tx.dialect.name == "sqlite"
