"""Datasets whose owner fails, and tasks whose run fails: counted, retried for a time, given up.

What is counted is written *before* the attempt, so that one that takes the whole process with it
counts too. An attempt at a dataset is its taking (`ownership.take`), until `settled`; one at a task
is its run, until the task has ended.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from imm_ray.model import DatasetId, EditKind, Task, TaskStatus
from imm_ray.store import edits, tables, tasks
from imm_ray.store.database import Tx
from imm_ray.store.ownership import Lease, check
from imm_ray.store.query.function import DatabaseTime

GIVEN_UP = "InternalError"
"""Code of a task that was given up: the service has failed, not the client."""

_FIRST_RETRY_S = 1.0
MOST_RETRY_S = 30.0
_USUAL_ATTEMPTS = 2
"""One is under way while a dataset is served, and one more may have ended with a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long something is tried again: at least so often, and at least for so long."""

    attempts: int
    seconds: float

    def is_over(self, attempts: int, seconds: float) -> bool:
        """Return whether ``attempts`` that have failed over ``seconds`` are enough."""
        return attempts >= self.attempts and seconds >= self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A dataset whose last attempts have failed."""

    attempts: int
    """Takings since the last that went well."""
    seconds: float
    """Since the first of them that failed."""
    failure: str
    """How the last one failed; '' when nobody could say: the process has died."""
    has_died: bool
    """Whether nobody could say how the last one ended."""
    attempted_seq: int
    """The dataset's change number at the last attempt."""

    @property
    def text(self) -> str:
        """A sentence for the client."""
        why = self.failure or "its process died"
        return f"The engine of the dataset has failed {self.attempts} times in a row: {why}."


def backoff_s(attempts: int) -> float:
    """Return the pause after so many failed attempts: none after the first, then 1 s, 2 s, … 30 s.

    >>> [backoff_s(n) for n in (1, 2, 3, 4, 10)]
    [0.0, 1.0, 2.0, 4.0, 30.0]
    """
    if attempts < 2:
        return 0.0
    pause: float = min(MOST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(attempts - 2, 10))
    return pause


def of_dataset(tx: Tx, dataset_id: DatasetId) -> Trouble | None:
    """Return the trouble that a dataset is in, None when its last attempt went well."""
    o = tables.ownership.c
    since = func.coalesce(DatabaseTime() - o.failing_since, 0.0).label("seconds")
    query = select(o.attempts, o.failures, o.failure, o.attempted_seq, since)
    row = tx.execute(query.where(o.dataset_id == dataset_id, o.attempts > 0)).first()
    if row is None:
        return None
    return Trouble(
        attempts=row.attempts,
        seconds=row.seconds,
        failure=row.failure if row.failures == row.attempts else "",
        has_died=row.failures < row.attempts,
        attempted_seq=row.attempted_seq,
    )


def failure_of(tx: Tx, dataset_id: DatasetId) -> str:
    """Return how the attempts at a dataset fail, for its clients; '' when they do not."""
    found = of_dataset(tx, dataset_id)
    if found is None or not (found.failure or found.attempts > _USUAL_ATTEMPTS):
        return ""
    return found.text


def settled(tx: Tx, lease: Lease) -> None:
    """Record that the dataset is well: what failed before does not count any more.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    _set(tx, lease, attempts=0, failures=0, failing_since=None, failure="")


def forgive(tx: Tx, lease: Lease) -> None:
    """Take back what the attempt before ``lease`` has counted: the database was away, or busy.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    _set(tx, lease, attempts=1, failures=0, failing_since=None, failure="")
    t = tables.task
    tx.execute(
        update(t)
        .where(
            t.c.dataset_id == lease.dataset_id,
            t.c.status == TaskStatus.RUNNING,
            t.c.attempts > 0,
        )
        .values(attempts=t.c.attempts - 1, retry_at=None)
    )


def failed(tx: Tx, lease: Lease, failure: str) -> None:
    """Record how the attempt of ``lease`` has failed.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    o = tables.ownership.c
    since = func.coalesce(o.failing_since, DatabaseTime())
    _set(tx, lease, failures=o.attempts, failing_since=since, failure=failure)


def give_up(
    tx: Tx,
    lease: Lease,
    until_seq: int,
    message: str,
    at: datetime,
    notices: tasks.Notices,
) -> bool:
    """Fail the oldest running task up to the change ``until_seq``; return whether there was one.

    The edit of a Merging task is taken back, as when a client cancels it.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    task = tasks.oldest_running(tx, lease.dataset_id)
    if task is None or task.watermark > until_seq:
        return False
    fail(tx, task, message, at, notices)
    return True


def fail(tx: Tx, task: Task, message: str, at: datetime, notices: tasks.Notices) -> None:
    """End a task that was given up; nothing of it becomes visible."""
    edit = edits.pending_of_task(tx, task.dataset_id, task.task_id)
    if edit is not None:
        edits.add(tx, task.dataset_id, EditKind.UNDO, {"edit_id": edit.edit_id}, at)
    tasks.fail(tx, task, GIVEN_UP, message, at, notices)


def attempted(tx: Tx, lease: Lease, task: Task, at: datetime) -> None:
    """Count an attempt at a task that begins now; if it fails, the next one waits for a while.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    t = tables.task
    pause = backoff_s(task.attempts + 1)
    tx.execute(
        update(t)
        .where(t.c.task_id == task.task_id, t.c.status == TaskStatus.RUNNING)
        .values(
            attempts=task.attempts + 1,
            attempted_at=task.attempted_at or at,
            retry_at=at + timedelta(seconds=pause) if pause else None,
        )
    )


def _set(tx: Tx, lease: Lease, **values: object) -> None:
    o = tables.ownership
    tx.execute(update(o).where(o.c.dataset_id == lease.dataset_id).values(**values))
