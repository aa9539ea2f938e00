"""The outbox: messages wait here, committed with the change that they tell of, until delivered.

A message that was given up is a dead letter: it stays until somebody has it delivered anew, or it
has expired as tasks do.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, RowMapping, delete, func, insert, select, update

from imm_ray.model import Message
from imm_ray.store import tables
from imm_ray.store.database import Tx

_O = tables.outbox.c
_READ = select(
    *(_O.message_id, _O.topic, _O.event_type, _O.body, _O.details),
    *(_O.attempts, _O.last_error, _O.created_at),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message to deliver and how often that was tried."""

    message: Message
    attempts: int
    put_at: datetime
    """When it was put into the outbox; a message that is delivered anew is put into it again."""
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much is in the outbox."""

    waiting: int
    oldest_put_at: datetime | None
    """When the oldest message that waits was put in; None when none waits."""
    dead: int


def put(tx: Tx, messages: Sequence[Message], now: datetime) -> None:
    """Store messages for delivery."""
    rows = [
        {
            "message_id": message.message_id,
            "topic": message.topic,
            "event_type": message.event_type,
            "body": message.body,
            "details": dict(message.details),
            "created_at": now,
            "next_attempt_at": now,
        }
        for message in messages
    ]
    if rows:
        tx.execute(insert(tables.outbox), rows)


def due(
    tx: Tx,
    now: datetime,
    *,
    limit: int,
    topics: Collection[str] | None = None,
    longest: timedelta | None = None,
) -> list[Waiting]:
    """Return messages whose next attempt is due, the oldest first; of ``topics``, or of all.

    One that would wait for longer than ``longest`` is due as well: the clock was put back.
    """
    found = _due(tx, _O.next_attempt_at <= now, topics, limit)
    if longest is not None and len(found) < limit:
        found += _due(tx, _O.next_attempt_at > now + longest, topics, limit - len(found))
    return found


def _due(
    tx: Tx, when: ColumnElement[bool], topics: Collection[str] | None, limit: int
) -> list[Waiting]:
    query = _READ.where(_O.dead.is_(False), when)
    if topics is not None:
        query = query.where(_O.topic.in_(topics))
    ordered = query.order_by(_O.next_attempt_at, _O.message_id).limit(limit)
    return [_waiting(row) for row in tx.execute(ordered).mappings()]


def topics(tx: Tx) -> list[str]:
    """Return the topics of all messages, dead ones too.

    One look into the index for each: the cost follows the topics and not the messages.
    """
    found: list[str] = []
    first = tx.scalar(select(func.min(_O.topic)))
    while first is not None:
        found.append(first)
        first = tx.scalar(select(func.min(_O.topic)).where(_O.topic > first))
    return found


def delivered(tx: Tx, message_id: str) -> None:
    """Forget a delivered message."""
    tx.execute(delete(tables.outbox).where(_O.message_id == message_id))


def failed(
    tx: Tx, message_id: str, error: str, *, attempts: int, next_attempt_at: datetime, dead: bool
) -> None:
    """Record a failed attempt; a ``dead`` message is kept for inspection and not tried again."""
    tx.execute(
        update(tables.outbox)
        .where(_O.message_id == message_id)
        .values(attempts=attempts, last_error=error, next_attempt_at=next_attempt_at, dead=dead)
    )


def bury(tx: Tx, topics: Collection[str], put_until: datetime, error: str, *, limit: int) -> int:
    """Give up at most ``limit`` messages that have waited since ``put_until``; return how many."""
    old = (
        select(_O.message_id)
        .where(_O.topic.in_(topics), _O.dead.is_(False), _O.created_at <= put_until)
        .limit(limit)
    )
    buried = tx.execute(
        update(tables.outbox).where(_O.message_id.in_(old)).values(dead=True, last_error=error)
    )
    return buried.rowcount


def dead_letters(tx: Tx, *, limit: int) -> list[Waiting]:
    """Return messages that were given up, the oldest first."""
    query = _READ.where(_O.dead.is_(True)).order_by(_O.created_at, _O.message_id).limit(limit)
    return [_waiting(row) for row in tx.execute(query).mappings()]


def redeliver(tx: Tx, message_ids: Collection[str] | None, now: datetime) -> int:
    """Put dead letters into the outbox again, all of them for None; return how many.

    They keep their ids, so that a receiver can drop what it has.
    """
    letters = update(tables.outbox).where(_O.dead.is_(True))
    if message_ids is not None:
        letters = letters.where(_O.message_id.in_(message_ids))
    again = letters.values(dead=False, attempts=0, created_at=now, next_attempt_at=now)
    return tx.execute(again).rowcount


def purge(tx: Tx, put_before: datetime, *, limit: int) -> int:
    """Forget some dead letters that are older; return how many."""
    old = (
        select(_O.message_id)
        .where(_O.dead.is_(True), _O.created_at < put_before)
        .order_by(_O.created_at)
        .limit(limit)
    )
    return tx.execute(delete(tables.outbox).where(_O.message_id.in_(old))).rowcount


def depth(tx: Tx) -> Depth:
    """Return how much is in the outbox."""
    count = select(func.count(), func.min(_O.created_at))
    waiting, oldest = tx.execute(count.where(_O.dead.is_(False))).one()
    dead = tx.scalar(select(func.count()).where(_O.dead.is_(True)))
    return Depth(waiting=waiting, oldest_put_at=oldest, dead=int(dead or 0))


def _waiting(row: RowMapping) -> Waiting:
    return Waiting(
        Message(row["message_id"], row["topic"], row["event_type"], row["body"], row["details"]),
        row["attempts"],
        row["created_at"],
        row["last_error"],
    )
