"""I7: every end that is to be told is told, and nothing is told before it."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from imm_ray.model import FileStatus, TaskStatus
from imm_ray.store import tables
from imm_ray.store.database import Tx
from imm_ray.store.fsck.rule import Rule, Violation

_AT_ONCE = 500
_q, _r, _f = tables.index_request.c, tables.index_request_file.c, tables.file.c


def _settled_but_there() -> Select[Any]:
    """Return the query of requests that wait for nothing: their end should have been told."""
    waits = and_(_r.event_id == _q.event_id, _r.done.is_(False))
    query = select(_q.dataset_id, _q.event_id).outerjoin_from(
        tables.index_request, tables.index_request_file, waits
    )
    return query.where(_r.event_id.is_(None))


def _waiting_for_nothing() -> Select[Any]:
    """Return the query of files that a request waits for, though they are indexed, or gone."""
    query = select(_r.event_id, _r.file_id, _f.status, _r.revision)
    query = query.outerjoin_from(tables.index_request_file, tables.file, _f.file_id == _r.file_id)
    dataset = tables.dataset.c
    query = query.join(tables.index_request, _q.event_id == _r.event_id)
    query = query.join(tables.dataset, dataset.dataset_id == _q.dataset_id)
    settled = or_(_f.file_id.is_(None), _f.status != FileStatus.PENDING, _f.revision < _r.revision)
    return query.where(_r.done.is_(False), dataset.purged_at.is_(None), settled)


def _without_request() -> Select[Any]:
    query = select(_r.event_id, func.count().label("rows"))
    query = query.outerjoin_from(
        tables.index_request_file, tables.index_request, _q.event_id == _r.event_id
    )
    return query.where(_q.event_id.is_(None)).group_by(_r.event_id)


RULES = (
    Rule(
        invariant="I7",
        table=tables.index_request,
        key=("dataset_id", "event_id"),
        query=_settled_but_there,
        what="the request waits for no file, and its end was not told",
    ),
    Rule(
        invariant="I7",
        table=tables.index_request_file,
        key=("event_id", "file_id"),
        query=_waiting_for_nothing,
        what="the request waits for revision {revision} of a file that is not waiting ({status})",
    ),
    Rule(
        invariant="I7",
        table=tables.index_request_file,
        key=("event_id",),
        query=_without_request,
        what="{rows} files of a request that does not exist",
    ),
    Rule(
        invariant="I7",
        table=tables.index_request,
        key=("dataset_id", "event_id"),
        query=lambda: select(_q.dataset_id, _q.event_id),
        what="the request waits, though nothing is left to do",
        quiescent=True,
    ),
)


def told_too_early(tx: Tx) -> list[Violation]:
    """Return the messages in the outbox that tell of the end of what has not ended.

    Memory follows what has not ended: admission bounds it.
    """
    t, o = tables.task.c, tables.outbox.c
    running = select(t.event_id).where(t.status == TaskStatus.RUNNING)
    undone = {*tx.scalars(running), *tx.scalars(select(_q.event_id))}
    if not undone:
        return []
    rows = tx.execute(select(o.message_id, o.body), execution_options={"yield_per": _AT_ONCE})
    return [
        Violation("I7", "outbox", f"message_id={row.message_id}", f"the event {event_id} goes on")
        for row in rows
        for event_id in event_of(row.body)
        if event_id in undone
    ]


def event_of(body: str) -> Iterator[str]:
    """Yield the id of the event that a message tells of, if it says so."""
    try:
        told = json.loads(body)
    except ValueError:
        return
    if isinstance(told, dict) and isinstance(told.get("id"), str):
        yield told["id"]
