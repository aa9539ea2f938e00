"""Purging a dataset: gone at once for everybody, its rows deleted little by little.

Notes
-----
`mark` takes the dataset's name and its ownership row away in one transaction, so that no client
finds it and its owner, if it has one, commits nothing more. What is left to do stands in the rows
that are left: `step` deletes some of them and may stop for ever, or run twice at once, after any
call.
"""

from datetime import datetime

from sqlalchemy import Table, delete, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from imm_ray.crash_point import reached
from imm_ray.errors import ResourceNotFound
from imm_ray.model import DatasetId
from imm_ray.store import datasets, extent, requests, tables, tasks
from imm_ray.store.database import Tx

CHUNK = 250
"""Rows of one step, at most: 500 with their vectors held the lock longer than 50 ms."""

_TASKS_AT_ONCE = 100  # each may leave two messages
_REQUESTS_AT_ONCE = 2  # of 100 files


def mark(tx: Tx, account: str, project: str, name: str, now: datetime) -> DatasetId:
    """Make a dataset invisible, free its name and stop its owner; return what to `step`.

    Raises
    ------
    ResourceNotFound
    """
    dataset_id = datasets.get(tx, account, project, name).dataset_id
    datasets.lock(tx, dataset_id)
    d, o = tables.dataset, tables.ownership
    nameless = f"~{dataset_id}"  # no name of a client begins so
    tx.execute(update(d).where(d.c.dataset_id == dataset_id).values(name=nameless, purged_at=now))
    tx.execute(delete(o).where(o.c.dataset_id == dataset_id))
    reached("purge.marked")
    return dataset_id


def waiting(tx: Tx) -> list[DatasetId]:
    """Return the marked datasets of which something is left, the oldest first."""
    d = tables.dataset.c
    query = select(d.dataset_id).where(d.purged_at.is_not(None)).order_by(d.purged_at, d.dataset_id)
    return [DatasetId(dataset_id) for dataset_id in tx.scalars(query)]


def step(
    tx: Tx,
    dataset_id: DatasetId,
    now: datetime,
    *,
    task_notices: tasks.Notices,
    request_notices: requests.Notices,
) -> bool:
    """Do a bounded part of what is left of a marked dataset; return whether more is left."""
    if _end_tasks(tx, dataset_id, now, task_notices):
        return True
    answered = requests.give_up(
        tx,
        dataset_id,
        "The file was deleted.",
        now,
        request_notices,
        limit=_REQUESTS_AT_ONCE,
    )
    return bool(
        answered
        or any(_delete_some(tx, table, dataset_id) for table in extent.of_datasets())
        or not _delete_dataset(tx, dataset_id)
    )


def _end_tasks(tx: Tx, dataset_id: DatasetId, now: datetime, notices: tasks.Notices) -> int:
    ended = 0
    while ended < _TASKS_AT_ONCE and (task := tasks.oldest_running(tx, dataset_id)) is not None:
        code, message = ResourceNotFound.code, "The dataset was purged before the task had ended."
        tasks.fail(tx, task, code, message, now, notices)
        ended += 1
    return ended


def _delete_some(tx: Tx, table: Table, dataset_id: DatasetId) -> int:
    key = list(table.primary_key.columns)
    some = select(*key).where(table.c.dataset_id == dataset_id).limit(CHUNK)
    return tx.execute(delete(table).where(tuple_(*key).in_(some))).rowcount


def _delete_dataset(tx: Tx, dataset_id: DatasetId) -> bool:
    """Delete the dataset's own row, unless a request that began before the mark has added to it."""
    d = tables.dataset
    try:
        with tx.begin_nested():
            tx.execute(delete(d).where(d.c.dataset_id == dataset_id, d.c.purged_at.is_not(None)))
    except IntegrityError:
        return False
    return True
