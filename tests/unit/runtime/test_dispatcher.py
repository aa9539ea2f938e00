import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from imm_ray.crash_point import watched
from imm_ray.runtime.dispatcher import Dispatcher
from imm_ray.runtime.duty import SILENT_S
from imm_ray.settings import Notifications
from imm_ray.store import migrate, outbox
from imm_ray.store.database import Database
from imm_ray.testing import ManualClock
from tests.unit.notify.endpoint import Endpoint, hang, status
from tests.unit.notify.messages import message


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'imm.db'}")
    migrate.upgrade(database)
    yield database
    database.close()


class Here:
    """A database with an outbox, and two clocks that stand still."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = ManualClock()
        self.seconds = 0.0

    def dispatcher(self, *, generation: int = 0, **settings: Any) -> Dispatcher:
        return Dispatcher(
            self.database,
            Notifications.model_validate(settings),
            self.clock,
            generation=generation,
            monotonic=lambda: self.seconds,
            chance=Random(1),
        )

    def put(self, topic: str, *event_ids: str) -> None:
        with self.database.write() as tx:
            made = [message(topic, event_id=event_id) for event_id in event_ids]
            outbox.put(tx, made, self.clock())

    def pass_time(self, **given: float) -> None:
        by = timedelta(**given)
        self.clock.advance(by)
        self.seconds += by.total_seconds()

    def due(self) -> list[str]:
        with self.database.read() as tx:
            return [event_of(w.message.body) for w in outbox.due(tx, self.clock(), limit=100)]

    def dead(self) -> list[tuple[str, int, str]]:
        with self.database.read() as tx:
            letters = outbox.dead_letters(tx, limit=100)
        return [(event_of(w.message.body), w.attempts, w.last_error) for w in letters]


@pytest.fixture
def here(database: Database) -> Here:
    return Here(database)


def event_of(body: str | bytes) -> str:
    return str(json.loads(body)["id"])


def deliver(dispatcher: Dispatcher) -> int:
    return asyncio.run(dispatcher.deliver_due())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other threads
            await asyncio.sleep(0.01)


def test_a_delivered_message_is_forgotten(here: Here, tmp_path: Path) -> None:
    told = tmp_path / "told.jsonl"
    here.put("t", "1", "2")
    dispatcher = here.dispatcher(topics={"t": str(told)})
    assert deliver(dispatcher) == 2
    assert sorted(map(event_of, told.read_text().splitlines())) == ["1", "2"]
    assert deliver(dispatcher) == 0


def test_a_failed_message_waits_and_does_not_hold_up_others(here: Here, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    here.put("bad", "1")
    here.put("good", "2")
    topics = {"bad": str(blocked), "good": str(tmp_path / "told.jsonl")}
    dispatcher = here.dispatcher(topics=topics, first_retry_s=10)
    assert deliver(dispatcher) == 1
    assert here.due() == []
    here.pass_time(seconds=10)
    assert here.due() == ["1"]
    blocked.rmdir()
    assert deliver(dispatcher) == 1


def test_a_dead_endpoint_delays_no_other(here: Here) -> None:
    """F20: while one holds every connection that it is given, another gets all of its own."""
    with Endpoint(hang) as silent, Endpoint(status(204)) as good:
        dispatcher = here.dispatcher(topics={"silent": silent.url, "good": good.url}, at_once=2)
        here.put("silent", *"abcdef")
        here.put("good", *map(str, range(20)))

        async def job() -> None:
            running = asyncio.create_task(dispatcher.run())
            await until(lambda: len(good.posted) == 20)
            here.put("good", "later")
            await until(lambda: sorted(here.due()) == list("abcdef"))
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

        asyncio.run(job())
    assert len(good.posted) == 21
    assert len(silent.posted) == 2  # bounded, not one for each message


def test_every_attempt_has_the_same_id(here: Here) -> None:
    with Endpoint(status(500), status(503), status(204)) as endpoint:
        dispatcher = here.dispatcher(topics={"t": endpoint.url})
        here.put("t", "1")
        for _ in range(3):
            deliver(dispatcher)
            here.pass_time(minutes=10)
    assert len({posted.headers["x-mns-message-id"] for posted in endpoint.posted}) == 1
    assert [len(endpoint.posted), here.due()] == [3, []]
    assert len({posted.headers["x-mns-request-id"] for posted in endpoint.posted}) == 3


@pytest.mark.parametrize(
    ("point", "posts"),
    [
        ("outbox.read", 1),
        ("outbox.sent", 2),
        ("outbox.marked", 1),
    ],
)
def test_a_crash_loses_no_message(here: Here, point: str, posts: int) -> None:
    """F21: what was sent and not yet forgotten is sent again, with the same id."""

    class Crash(BaseException):
        pass

    def die(name: str) -> None:
        if name == point:
            raise Crash

    with Endpoint(status(204)) as endpoint:
        here.put("t", "1")
        with watched(die), pytest.raises(Crash):
            deliver(here.dispatcher(topics={"t": endpoint.url}))
        deliver(here.dispatcher(topics={"t": endpoint.url}))
    assert len(endpoint.posted) == posts
    assert {posted.headers["x-mns-message-id"] for posted in endpoint.posted} == {
        message("t", event_id="1").message_id
    }
    assert here.due() == []


def test_a_message_that_does_not_arrive_for_a_day_is_a_dead_letter(here: Here) -> None:
    with Endpoint(status(500, body=b"no")) as endpoint:
        dispatcher = here.dispatcher(topics={"t": endpoint.url})
        here.put("t", "1")
        hours = 0
        while not here.dead():
            deliver(dispatcher)
            here.pass_time(hours=1)
            hours += 1
        assert hours == 25
        ((event_id, attempts, error),) = here.dead()
        assert (event_id, error) == ("1", "the endpoint answered 500 Internal Server Error: no")
        assert attempts == len(endpoint.posted)
    with here.database.write() as tx:
        assert outbox.redeliver(tx, None, here.clock()) == 1
    with Endpoint(status(204)) as endpoint:
        assert deliver(here.dispatcher(topics={"t": endpoint.url})) == 1
    assert here.dead() == []


def test_an_outage_of_a_day_buries_all_that_is_old_and_nothing_else(here: Here) -> None:
    with Endpoint(status(500)) as endpoint:
        dispatcher = here.dispatcher(topics={"t": endpoint.url})
        here.put("t", *(f"old-{n}" for n in range(60)))
        deliver(dispatcher)
        attempts = len(endpoint.posted)
        assert attempts < 60  # an endpoint that fails rests
        here.pass_time(days=1)
        here.put("t", "new")
        deliver(dispatcher)
        assert len(endpoint.posted) == attempts + 1
    assert len(here.dead()) == 60
    here.pass_time(minutes=5)
    with Endpoint(status(204)) as endpoint:
        deliver(here.dispatcher(topics={"t": endpoint.url}))
    assert [event_of(posted.body) for posted in endpoint.posted] == ["new"]


def test_what_was_never_tried_is_tried_however_old_it_is(here: Here) -> None:
    here.put("t", "1")
    here.pass_time(days=3)  # nothing ran meanwhile
    with Endpoint(status(204)) as endpoint:
        assert deliver(here.dispatcher(topics={"t": endpoint.url})) == 1


def test_a_topic_that_is_not_configured_any_more_is_given_up_in_the_end(here: Here) -> None:
    here.put("gone", "1")
    dispatcher = here.dispatcher()
    deliver(dispatcher)
    assert here.dead() == []
    here.pass_time(days=1)
    deliver(dispatcher)
    assert here.dead() == [("1", 2, "the topic 'gone' is not configured any more")]


def test_one_dispatcher_delivers_and_another_takes_over_when_it_is_silent(here: Here) -> None:
    with Endpoint(status(204)) as endpoint:
        topics = {"t": endpoint.url}
        first = here.dispatcher(topics=topics, generation=2)
        here.put("t", "1")
        assert deliver(first) == 1
        older = here.dispatcher(topics=topics, generation=1)
        here.put("t", "2")
        assert deliver(older) == 0
        here.pass_time(seconds=SILENT_S - 1)
        assert deliver(older) == 0
        here.put("t", "3")
        assert deliver(first) == 2  # it shows that it lives
        here.put("t", "4")
        assert deliver(older) == 0
        here.pass_time(seconds=SILENT_S)
        assert deliver(older) == 1
        here.put("t", "5")
        assert deliver(first) == 0  # a holder that was frozen finds that it was replaced
        assert deliver(older) == 1


def test_a_restarted_dispatcher_goes_on_at_once_and_its_predecessor_stops(here: Here) -> None:
    with Endpoint(status(204)) as endpoint:
        topics = {"t": endpoint.url}
        frozen = here.dispatcher(topics=topics, generation=1)
        assert deliver(frozen) == 0
        here.put("t", "1")
        assert deliver(here.dispatcher(topics=topics, generation=1)) == 1
        here.put("t", "2")
        here.pass_time(seconds=5)
        assert deliver(frozen) == 0
        assert deliver(here.dispatcher(topics=topics, generation=2)) == 1


def test_a_mark_that_fails_lets_what_is_on_its_way_arrive(here: Here) -> None:
    """Else whoever comes next would send it once more."""
    failed: list[str] = []

    def fail_once(point: str) -> None:
        if point == "outbox.sent" and not failed:
            failed.append(point)
            raise OSError("the mark can not be written")

    with Endpoint(status(204)) as endpoint:
        dispatcher = here.dispatcher(topics={"t": endpoint.url}, at_once=4)
        here.put("t", *"abcd")
        with watched(fail_once), pytest.raises(OSError, match="the mark"):
            deliver(dispatcher)
        assert len(here.due()) == 1
        assert deliver(dispatcher) == 1
    assert len(endpoint.posted) == 5
