"""I5: every task and every edit comes to its end, once, and says how."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from imm_ray.model import EditStatus, TaskStatus, TaskType
from imm_ray.store import tables
from imm_ray.store.fsck.rule import Rule

_TASK = ("dataset_id", "task_id")
_EDIT = ("dataset_id", "edit_id")
_t, _e, _d = tables.task.c, tables.edit.c, tables.dataset.c


def _tasks(*where: ColumnElement[bool]) -> Select[Any]:
    return select(_t.dataset_id, _t.task_id, _t.status, _t.progress).where(*where)


def _edits(*where: ColumnElement[bool]) -> Select[Any]:
    return select(_e.dataset_id, _e.edit_id, _e.status, _e.run).where(*where)


def _half_ended() -> Select[Any]:
    runs = _t.status == TaskStatus.RUNNING
    return _tasks(or_(and_(runs, _t.ended_at.is_not(None)), and_(~runs, _t.ended_at.is_(None))))


def _inconsistent_end() -> Select[Any]:
    succeeded = and_(
        _t.status == TaskStatus.SUCCEEDED, or_(_t.progress != 100, _t.code != "", _t.message != "")
    )
    return _tasks(or_(succeeded, and_(_t.status == TaskStatus.FAILED, _t.code == "")))


def _impossible_progress() -> Select[Any]:
    return _tasks(or_(_t.progress < 0, _t.progress > 100))


def _without_dataset() -> Select[Any]:
    query = _tasks(_t.status == TaskStatus.RUNNING, _d.dataset_id.is_(None))
    return query.outerjoin_from(tables.task, tables.dataset, _d.dataset_id == _t.dataset_id)


def _without_edit() -> Select[Any]:
    waiting = and_(_e.task_id == _t.task_id, _e.status == EditStatus.PENDING)
    query = _tasks(
        _t.task_type == TaskType.FIGURE_CLUSTERS_MERGING,
        _t.status == TaskStatus.RUNNING,
        _d.purged_at.is_(None),  # the edits of a purged dataset go before its row
        _e.edit_id.is_(None),
    )
    query = query.join_from(tables.task, tables.dataset, _d.dataset_id == _t.dataset_id)
    return query.outerjoin(tables.edit, waiting)


def _half_applied() -> Select[Any]:
    waits = _e.status == EditStatus.PENDING
    return _edits(
        or_(and_(waits, _e.applied_at.is_not(None)), and_(~waits, _e.applied_at.is_(None)))
    )


def _refused_without_reason() -> Select[Any]:
    return _edits(_e.status == EditStatus.REFUSED, _e.reason == "")


def _of_a_run_that_is_not() -> Select[Any]:
    query = _edits(_e.run > _d.figure_run)
    return query.join_from(tables.edit, tables.dataset, _d.dataset_id == _e.dataset_id)


def _shut_door() -> Select[Any]:
    return select(_d.dataset_id).where(_d.edits_held.is_(True))


def _task(what: str, query: Any, *, quiescent: bool = False) -> Rule:
    return Rule(
        invariant="I5",
        table=tables.task,
        key=_TASK,
        query=query,
        what=what,
        quiescent=quiescent,
    )


def _edit(what: str, query: Any, *, quiescent: bool = False) -> Rule:
    return Rule(
        invariant="I5",
        table=tables.edit,
        key=_EDIT,
        query=query,
        what=what,
        quiescent=quiescent,
    )


RULES = (
    _task(
        "the status is {status}, which there is not",
        lambda: _tasks(_t.status.not_in(list(TaskStatus))),
    ),
    _task("the task is {status}, and the time of its end says otherwise", _half_ended),
    _task("the task is {status} at {progress} %, and its code says otherwise", _inconsistent_end),
    _task("the progress is {progress} %", _impossible_progress),
    _task("the task runs for a dataset that does not exist: nobody will end it", _without_dataset),
    _task("the task waits for an edit that does not wait: nobody will end it", _without_edit),
    _edit(
        "the status is {status}, which there is not",
        lambda: _edits(_e.status.not_in(list(EditStatus))),
    ),
    _edit("the edit is {status}, and the time of its end says otherwise", _half_applied),
    _edit("the edit was refused without a reason", _refused_without_reason),
    _edit("the edit is said to be visible with the run {run}, which is not", _of_a_run_that_is_not),
    _task(
        "the task runs, though nothing is left to do",
        lambda: _tasks(_t.status == TaskStatus.RUNNING),
        quiescent=True,
    ),
    _edit(
        "the edit waits, though nothing is left to do",
        lambda: _edits(_e.status == EditStatus.PENDING),
        quiescent=True,
    ),
    Rule(
        invariant="I5",
        table=tables.dataset,
        key=("dataset_id",),
        query=_shut_door,
        what="edits are refused for a run that is not under way",
        quiescent=True,
    ),
)
