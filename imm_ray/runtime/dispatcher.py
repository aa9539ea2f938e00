"""Outbox to outside: each waiting message is sent, and sent again until it arrives.

Notes
-----
A message is forgotten in a transaction after it has arrived, so a crash in between sends it twice,
with the same id (F21), and never loses it. Every endpoint has a worker of its own: one that is
slow, silent or dead delays no other (F20), and rests while it is dead (`notify.circuit`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NoReturn, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from imm_ray.crash_point import reached
from imm_ray.dataset.ports import Clock
from imm_ray.measure import NOTIFICATION_SECONDS, NOTIFICATIONS, UNMEASURED, Measures
from imm_ray.model import Message
from imm_ray.notify.backoff import after_failure
from imm_ray.notify.circuit import Circuit
from imm_ray.notify.sender import DeliveryFailed, Sender, open_client, open_sender
from imm_ray.runtime.duty import Duty
from imm_ray.settings import Notifications
from imm_ray.store import outbox
from imm_ray.store.database import Database, Tx
from imm_ray.store.outbox import Waiting

T = TypeVar("T")

DUTY = "notifications"
"""The duty of the one dispatcher of a cluster (`store.duties`)."""

_LOOK_S = 0.5
_BURIED_AT_ONCE = 500
_THREADS = 4
_NOWHERE = ""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Endpoint:
    """One target, and the topics whose messages go there."""

    circuit: Circuit
    at_once: int
    topics: set[str] = field(default_factory=set)


class Dispatcher:
    """Delivers messages at least once; a message is forgotten only after it has arrived.

    A message that fails when it is older than ``give_up_after_s`` becomes a dead letter and is
    kept. So does, in the end, one whose topic is no longer configured.

    Parameters
    ----------
    generation
        That of the cluster. Of all dispatchers of a database one delivers: that of the newest.
    monotonic
        Seconds of a clock that no one sets.
    """

    def __init__(
        self,
        database: Database,
        settings: Notifications,
        clock: Clock,
        *,
        generation: int = 0,
        measures: Measures = UNMEASURED,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Random | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._measures = measures
        self._monotonic = monotonic
        self._chance = chance or Random()
        self._duty = Duty(database, DUTY, generation=generation, monotonic=monotonic)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="imm-ray-outbox")
        self._senders: dict[str, Sender] = {}
        self._endpoints: dict[str, _Endpoint] = {}
        self._workers: dict[str, asyncio.Task[int]] = {}
        for name, topic in settings.topics.items():
            # Lines of one file are written one after the other.
            at_once = settings.at_once if topic.is_url else 1
            self._endpoint(topic.target, at_once).topics.add(name)

    async def run(self) -> NoReturn:
        """Deliver what is due, for ever."""
        async with self._open():
            while True:
                try:
                    await self._look()
                except Exception:  # noqa: BLE001 - workers must not be torn from their messages
                    _log.exception("outbox not read")
                await asyncio.sleep(_LOOK_S)

    async def deliver_due(self) -> int:
        """Try what is due until nothing is, or endpoints rest; return how many arrived."""
        async with self._open():
            await self._look()
            return sum(await asyncio.gather(*self._workers.values()))

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        async with open_client(self._settings) as client:
            timeout_s = self._settings.timeout_s
            self._senders = {
                name: open_sender(topic, client, timeout_s=timeout_s)
                for name, topic in self._settings.topics.items()
            }
            try:
                yield
            finally:
                for worker in self._workers.values():
                    worker.cancel()
                await asyncio.gather(*self._workers.values(), return_exceptions=True)
                self._workers.clear()

    async def _look(self) -> None:
        """Start a worker for each endpoint that may have messages and has no worker."""
        for target, worker in list(self._workers.items()):
            if worker.done():
                del self._workers[target]
                if (error := worker.exception()) is not None:
                    _log.error("deliveries stopped, and go on", exc_info=error)
        if not await self._in_thread(self._duty.is_mine):
            return
        targets = {name: topic.target for name, topic in self._settings.topics.items()}
        for name in await self._read(outbox.topics):
            target = targets.get(name, _NOWHERE)
            endpoint = self._endpoint(target, self._settings.at_once)
            endpoint.topics.add(name)
            if target not in self._workers:
                self._workers[target] = asyncio.create_task(self._work(endpoint))

    def _endpoint(self, target: str, at_once: int) -> _Endpoint:
        if target not in self._endpoints:
            circuit = Circuit(clock=self._monotonic, chance=self._chance)
            self._endpoints[target] = _Endpoint(circuit, at_once)
        return self._endpoints[target]

    async def _work(self, endpoint: _Endpoint) -> int:
        """Deliver what is due at an endpoint; return how many messages arrived."""
        arrived = 0
        while allowed := endpoint.circuit.allowed(endpoint.at_once):
            if not await self._in_thread(self._duty.is_mine):
                break
            waiting = await self._read(self._next_at(endpoint, allowed))
            if not waiting:
                break
            tries = (self._try(endpoint, one) for one in waiting)
            # All come to an end, also when one fails: the next worker would send them once more.
            ended = await asyncio.gather(*tries, return_exceptions=True)
            arrived += sum(end is True for end in ended)
            for end in ended:
                if isinstance(end, BaseException):
                    raise end
        return arrived

    def _next_at(self, endpoint: _Endpoint, most: int) -> Callable[[Tx], list[Waiting]]:
        now, topics = self._clock(), list(endpoint.topics)
        longest = timedelta(seconds=self._settings.max_retry_s)
        return lambda tx: outbox.due(tx, now, limit=most, topics=topics, longest=longest)

    async def _try(self, endpoint: _Endpoint, waiting: Waiting) -> bool:
        message = waiting.message
        with bound_contextvars(message_id=message.message_id, topic=message.topic):
            begun = self._monotonic()
            reached("outbox.read")
            try:
                await self._send(message)
            except DeliveryFailed as error:
                endpoint.circuit.failed()
                await self._put_off(endpoint, waiting, error)
                return False
            finally:
                seconds = self._monotonic() - begun
                self._measures.observe(NOTIFICATION_SECONDS, seconds, topic=message.topic)
            reached("outbox.sent")
            endpoint.circuit.succeeded()
            await self._write(lambda tx: outbox.delivered(tx, message.message_id))
            reached("outbox.marked")
            self._measures.count(NOTIFICATIONS, topic=message.topic, outcome="delivered")
            _log.info("notification delivered", attempts=waiting.attempts + 1)
            return True

    async def _send(self, message: Message) -> None:
        sender = self._senders.get(message.topic)
        if sender is None:
            raise DeliveryFailed(f"the topic {message.topic!r} is not configured any more")
        await sender.send(message, self._clock())

    async def _put_off(self, endpoint: _Endpoint, waiting: Waiting, error: DeliveryFailed) -> None:
        attempts, now = waiting.attempts + 1, self._clock()
        retry = after_failure(
            attempts, age=now - waiting.put_at, settings=self._settings, chance=self._chance
        )
        message, dead = waiting.message, retry.wait is None
        await self._write(
            lambda tx: outbox.failed(
                tx,
                message.message_id,
                _told(error),
                attempts=attempts,
                next_attempt_at=now + (retry.wait or timedelta()),
                dead=dead,
            )
        )
        reached("outbox.failure_noted")
        outcome = "dead" if dead else "failed"
        self._measures.count(NOTIFICATIONS, topic=message.topic, outcome=outcome)
        _log.warning("notification failed", attempts=attempts, given_up=dead, why=str(error))
        if endpoint.circuit.is_broken:
            await self._bury(endpoint, error, now)

    async def _bury(self, endpoint: _Endpoint, error: DeliveryFailed, now: datetime) -> None:
        """Give up what has waited too long for an endpoint that has just failed once more.

        One message at a time tries a dead endpoint: thousands that wait would never all be tried.
        """
        until = now - timedelta(seconds=self._settings.give_up_after_s)
        buried = await self._write(
            lambda tx: outbox.bury(tx, endpoint.topics, until, _told(error), limit=_BURIED_AT_ONCE)
        )
        if buried:
            _log.warning("notifications given up", count=buried, why=str(error))

    async def _read(self, ask: Callable[[Tx], T]) -> T:
        def run() -> T:
            with self._database.read() as tx:
                return ask(tx)

        return await self._in_thread(run)

    async def _write(self, change: Callable[[Tx], T]) -> T:
        def run() -> T:
            with self._database.write() as tx:
                return change(tx)

        return await self._in_thread(run)

    async def _in_thread(self, run: Callable[[], T]) -> T:
        """Run what asks the database on a thread that no slow file or endpoint holds."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)


def _told(error: DeliveryFailed) -> str:
    return f"{error}: {error.answer}" if error.answer else str(error)
