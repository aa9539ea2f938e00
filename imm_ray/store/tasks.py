"""Tasks: rows that live for some days after their start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from imm_ray.crash_point import reached
from imm_ray.errors import ResourceNotFound
from imm_ray.model import (
    DatasetId,
    JsonObject,
    Message,
    Task,
    TaskId,
    TaskStatus,
    TaskType,
    from_microseconds,
)
from imm_ray.store import outbox, tables
from imm_ray.store.database import Tx
from imm_ray.store.filters import between, labelled

Notices: TypeAlias = Callable[[Task], Sequence[Message]]
"""Makes the messages for an ended task (``api.notification``)."""

_LONGEST_RETRY = timedelta(minutes=1)
"""A retry that is further away was set before the clock was put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """What ListTasks may ask for; an empty member does not filter."""

    task_types: Sequence[TaskType] = ()
    status: TaskStatus | None = None
    tags: JsonObject | None = None
    started_from: datetime | None = None
    started_to: datetime | None = None
    ended_from: datetime | None = None
    ended_to: datetime | None = None


def create(tx: Tx, task: Task) -> None:
    """Store a new task."""
    tx.execute(
        insert(tables.task).values(
            task_id=task.task_id,
            task_type=task.task_type,
            account=task.account,
            project=task.project,
            dataset_id=task.dataset_id,
            dataset_name=task.dataset_name,
            event_id=task.event_id,
            request_id=task.request_id,
            status=task.status,
            watermark=task.watermark,
            user_data=task.user_data,
            tags=dict(task.tags),
            notification=dict(task.notification),
            request_definition=task.request_definition,
            started_at=task.started_at,
            ledger={},
        )
    )
    reached("task.created")


def get(tx: Tx, account: str, project: str, task_id: str, *, alive_since: datetime) -> Task:
    """Return a task that started after ``alive_since``.

    Raises
    ------
    ResourceNotFound
    """
    t = tables.task.c
    query = select(tables.task).where(
        t.task_id == task_id,
        t.account == account,
        t.project == project,
        t.started_at >= alive_since,
    )
    row = tx.execute(query).mappings().first()
    if row is None:
        raise ResourceNotFound.of("task")
    return _task(row)


def page(
    tx: Tx,
    account: str,
    project: str,
    wanted: TaskFilter,
    *,
    alive_since: datetime,
    limit: int,
    sort: str = "task_id",
    descending: bool = False,
    after: tuple[Any, str] | None = None,
) -> list[Task]:
    """Return at most ``limit`` tasks by ``sort`` (task_id, started_at, ended_at), then task id.

    ``after`` is the (sort value, task id) of the last task of the page before. A task that runs has
    no ``ended_at`` and sorts as if it ended at the beginning of time.
    """
    t = tables.task.c
    epoch = from_microseconds(0)
    key: Any = {
        "task_id": t.task_id,
        "started_at": t.started_at,
        "ended_at": func.coalesce(t.ended_at, literal(epoch, t.ended_at.type)),
    }[sort]
    query = _filtered(select(tables.task), wanted).where(
        t.account == account, t.project == project, t.started_at >= alive_since
    )
    if after is not None:
        value, task_id = after
        beyond = key < value if descending else key > value
        next_id = t.task_id < task_id if descending else t.task_id > task_id
        query = query.where(or_(beyond, and_(key == value, next_id)))
    order = (key.desc(), t.task_id.desc()) if descending else (key, t.task_id)
    return [_task(row) for row in tx.execute(query.order_by(*order).limit(limit)).mappings()]


def oldest_running(tx: Tx, dataset_id: DatasetId) -> Task | None:
    """Return the task of the dataset that was made first of those that have not ended."""
    return _oldest(tx, dataset_id)


def oldest_run(tx: Tx, dataset_id: DatasetId, now: datetime | None = None) -> Task | None:
    """Return the task of the dataset whose clustering run is next; edits end the others.

    With ``now``: one whose run has failed and is not to be tried again yet lets the next go first.
    """
    t = tables.task.c
    is_run = t.task_type != TaskType.FIGURE_CLUSTERS_MERGING
    if now is None:
        return _oldest(tx, dataset_id, is_run)
    due = t.retry_at.is_(None) | (t.retry_at <= now) | (t.retry_at > now + _LONGEST_RETRY)
    return _oldest(tx, dataset_id, is_run, due)


def progress(tx: Tx, task_id: TaskId, percent: int) -> None:
    """Record how far a running task is; it never goes back."""
    t = tables.task.c
    tx.execute(
        update(tables.task)
        .where(t.task_id == task_id, t.status == TaskStatus.RUNNING, t.progress < percent)
        .values(progress=percent)
    )


def end(tx: Tx, task: Task) -> bool:
    """Store the end of a task that is still Running; return whether it was."""
    t = tables.task.c
    ended = tx.execute(
        update(tables.task)
        .where(t.task_id == task.task_id, t.status == TaskStatus.RUNNING)
        .values(
            status=task.status,
            progress=task.progress,
            code=task.code,
            message=task.message,
            ended_at=task.ended_at,
            ledger=dict(task.ledger),
        )
    )
    return ended.rowcount == 1


def finish(tx: Tx, task: Task, notices: Notices, now: datetime) -> bool:
    """Store the end of a task together with its notifications; return whether it was Running."""
    if not end(tx, task):
        return False
    reached("task.ended")
    outbox.put(tx, notices(task), now)
    reached("task.told")
    return True


def fail(tx: Tx, task: Task, code: str, message: str, now: datetime, notices: Notices) -> bool:
    """End a task as Failed, with its notifications; return whether it was Running."""
    failed = replace(task, status=TaskStatus.FAILED, code=code, message=message, ended_at=now)
    return finish(tx, failed, notices, now)


def of_dataset(tx: Tx, dataset_id: DatasetId, task_id: TaskId) -> Task | None:
    """Return a task of a dataset, however old."""
    t = tables.task.c
    query = select(tables.task).where(t.dataset_id == dataset_id, t.task_id == task_id)
    row = tx.execute(query).mappings().first()
    return None if row is None else _task(row)


def purge(tx: Tx, alive_since: datetime, *, limit: int) -> int:
    """Delete ended tasks that started before ``alive_since``; return how many."""
    t = tables.task.c
    old = (
        select(t.task_id)
        .where(t.started_at < alive_since, t.status != TaskStatus.RUNNING)
        .limit(limit)
    )
    return tx.execute(delete(tables.task).where(t.task_id.in_(old))).rowcount


def _oldest(tx: Tx, dataset_id: DatasetId, *where: ColumnElement[bool]) -> Task | None:
    t = tables.task.c
    query = (
        select(tables.task)
        .where(t.dataset_id == dataset_id, t.status == TaskStatus.RUNNING, *where)
        .order_by(t.watermark, t.started_at, t.task_id)
        .limit(1)
    )
    row = tx.execute(query).mappings().first()
    return None if row is None else _task(row)


def _filtered(query: Select[Any], wanted: TaskFilter) -> Select[Any]:
    t = tables.task.c
    if wanted.task_types:
        query = query.where(t.task_type.in_(list(wanted.task_types)))
    if wanted.status is not None:
        query = query.where(t.status == wanted.status)
    return query.where(
        *labelled(t.tags, wanted.tags),
        *between(
            (t.started_at, wanted.started_from, wanted.started_to),
            (t.ended_at, wanted.ended_from, wanted.ended_to),
        ),
    )


def _task(row: Any) -> Task:
    return Task(
        task_id=TaskId(row["task_id"]),
        task_type=TaskType(row["task_type"]),
        account=row["account"],
        project=row["project"],
        dataset_id=DatasetId(row["dataset_id"]),
        dataset_name=row["dataset_name"],
        event_id=row["event_id"],
        request_id=row["request_id"],
        status=TaskStatus(row["status"]),
        watermark=row["watermark"],
        progress=row["progress"],
        code=row["code"],
        message=row["message"],
        user_data=row["user_data"],
        tags=row["tags"],
        notification=row["notification"],
        request_definition=row["request_definition"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        ledger=row["ledger"],
        attempts=row["attempts"],
        attempted_at=row["attempted_at"],
    )
