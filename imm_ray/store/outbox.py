"""The outbox: messages wait here, committed with the change that they tell of, until delivered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from imm_ray.model import Message
from imm_ray.store import tables
from imm_ray.store.database import Tx


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message to deliver and how often that was tried."""

    message: Message
    attempts: int


def put(tx: Tx, messages: Sequence[Message], now: datetime) -> None:
    """Store messages for delivery."""
    rows = [
        {
            "message_id": message.message_id,
            "topic": message.topic,
            "event_type": message.event_type,
            "body": message.body,
            "created_at": now,
            "next_attempt_at": now,
        }
        for message in messages
    ]
    if rows:
        tx.execute(insert(tables.outbox), rows)


def due(tx: Tx, now: datetime, *, limit: int) -> list[Waiting]:
    """Return messages whose next attempt is due, the oldest first."""
    o = tables.outbox.c
    query = (
        select(o.message_id, o.topic, o.event_type, o.body, o.attempts)
        .where(o.dead.is_(False), o.next_attempt_at <= now)
        .order_by(o.next_attempt_at, o.message_id)
        .limit(limit)
    )
    return [
        Waiting(Message(row.message_id, row.topic, row.event_type, row.body), row.attempts)
        for row in tx.execute(query)
    ]


def delivered(tx: Tx, message_id: str) -> None:
    """Forget a delivered message."""
    tx.execute(delete(tables.outbox).where(tables.outbox.c.message_id == message_id))


def failed(
    tx: Tx, message_id: str, error: str, *, attempts: int, next_attempt_at: datetime, dead: bool
) -> None:
    """Record a failed attempt; a ``dead`` message is kept for inspection and not tried again."""
    tx.execute(
        update(tables.outbox)
        .where(tables.outbox.c.message_id == message_id)
        .values(attempts=attempts, last_error=error, next_attempt_at=next_attempt_at, dead=dead)
    )
