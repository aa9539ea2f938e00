"""Outbox to outside: each waiting message is sent, and sent again until it arrives."""

from datetime import timedelta

import httpx
import structlog

from imm_ray.crash_point import reached
from imm_ray.dataset.ports import Clock
from imm_ray.notify.backoff import after_failure
from imm_ray.notify.sender import DeliveryFailed, open_sender
from imm_ray.settings import Notifications
from imm_ray.store import outbox
from imm_ray.store.database import Database
from imm_ray.store.outbox import Waiting

_AT_ONCE = 32

_log = structlog.get_logger(__name__)


class Dispatcher:
    """Delivers messages at least once; a message is forgotten only after it has arrived.

    A message whose topic is no longer configured, or that failed ``max_attempts`` times, is marked
    dead and kept.
    """

    def __init__(self, database: Database, settings: Notifications, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        client = httpx.Client(timeout=settings.timeout_s, follow_redirects=False)
        self._senders = {
            name: open_sender(topic.target, client) for name, topic in settings.topics.items()
        }

    def deliver_due(self) -> int:
        """Try every message that is due, once; return how many arrived."""
        with self._database.read() as tx:
            waiting = outbox.due(tx, self._clock(), limit=_AT_ONCE)
        return sum(map(self._deliver, waiting))

    def _deliver(self, waiting: Waiting) -> bool:
        message = waiting.message
        try:
            sender = self._senders.get(message.topic)
            if sender is None:
                raise DeliveryFailed(f"the topic {message.topic!r} is not configured any more")
            reached("outbox.read")
            sender.send(message)
            reached("outbox.sent")
        except DeliveryFailed as error:
            self._put_off(waiting, error)
            return False
        with self._database.write() as tx:
            outbox.delivered(tx, message.message_id)
            reached("outbox.mark_written")
        reached("outbox.marked")
        _log.info("notification delivered", message_id=message.message_id, topic=message.topic)
        return True

    def _put_off(self, waiting: Waiting, error: DeliveryFailed) -> None:
        attempts = waiting.attempts + 1
        retry = after_failure(attempts, self._settings)
        with self._database.write() as tx:
            outbox.failed(
                tx,
                waiting.message.message_id,
                str(error),
                attempts=attempts,
                next_attempt_at=self._clock() + (retry.wait or timedelta()),
                dead=retry.wait is None,
            )
            reached("outbox.failure_written")
        reached("outbox.failure_noted")
        _log.warning(
            "notification failed",
            message_id=waiting.message.message_id,
            attempts=attempts,
            given_up=retry.wait is None,
            why=str(error),
        )
