from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imm_ray.model import Message
from imm_ray.store import duties, migrate, outbox
from imm_ray.store.database import Database
from imm_ray.store.duties import Held
from tests.unit.store.test_migration import migrate_to

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'imm.db'}")
    migrate.upgrade(database)
    yield database
    database.close()


def put(database: Database, *names: str, at: datetime = NOW) -> None:
    with database.write() as tx:
        outbox.put(tx, [Message(name, name[0], "e", "{}", {"n": name}) for name in names], at)


def test_messages_of_an_earlier_version_are_delivered(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    with database.write() as tx:
        migrate_to(tx, "0008")
        tx.exec_driver_sql(
            "INSERT INTO outbox (message_id, topic, event_type, body, created_at, next_attempt_at) "
            "VALUES ('m', 't', 'e', '{}', 0, 0)"
        )
    migrate.upgrade(database)
    with database.read() as tx:
        (waiting,) = outbox.due(tx, NOW, limit=9, topics=["t"])
    assert waiting.message == Message("m", "t", "e", "{}", {})
    database.close()


def test_what_is_due_is_told_by_topic(database: Database) -> None:
    put(database, "a1", "b1", "a2")
    put(database, "c1", at=NOW + timedelta(hours=1))
    with database.read() as tx:
        assert outbox.topics(tx) == ["a", "b", "c"]
        for topics, expected in (
            (["a"], ["a1", "a2"]),
            (["b", "c"], ["b1"]),
            (None, ["a1", "a2", "b1"]),
            ([], []),
        ):
            due = outbox.due(tx, NOW, limit=9, topics=topics)
            assert [waiting.message.message_id for waiting in due] == expected
        assert due == []


def test_the_depth_tells_waiting_and_dead_apart(database: Database) -> None:
    with database.read() as tx:
        empty = outbox.depth(tx)
    assert (empty.waiting, empty.oldest_put_at, empty.dead) == (0, None, 0)
    put(database, "a1", "a2")
    put(database, "a3", at=NOW + timedelta(hours=1))
    with database.write() as tx:
        assert outbox.bury(tx, ["b"], NOW, "why", limit=9) == 0
        assert outbox.bury(tx, ["a"], NOW, "why", limit=1) == 1
        depth = outbox.depth(tx)
        letters = outbox.dead_letters(tx, limit=9)
    assert (depth.waiting, depth.oldest_put_at, depth.dead) == (2, NOW, 1)
    assert [letter.last_error for letter in letters] == ["why"]


def test_a_dead_letter_begins_anew_and_what_waits_stays_as_it_is(database: Database) -> None:
    put(database, "a1", "a2")
    later = NOW + timedelta(days=2)
    with database.write() as tx:
        outbox.failed(tx, "a1", "why", attempts=7, next_attempt_at=NOW, dead=True)
        outbox.failed(tx, "a2", "why", attempts=3, next_attempt_at=later, dead=False)
        assert outbox.redeliver(tx, ["a2"], later) == 0
        assert outbox.redeliver(tx, ["a1", "a2"], later) == 1
        found = {
            w.message.message_id: (w.attempts, w.put_at) for w in outbox.due(tx, later, limit=9)
        }
    assert found == {"a1": (0, later), "a2": (3, NOW)}


def test_a_duty_has_one_holder(database: Database) -> None:
    with database.write() as tx:
        assert duties.take(tx, "d", "first", 1, seen=None)
        assert not duties.take(tx, "d", "second", 1, seen=None)
        assert duties.look(tx, "d") == Held("first", 1, 1)
        assert duties.beat(tx, "d", "first")
        assert not duties.beat(tx, "d", "second")
        assert not duties.take(tx, "d", "second", 2, seen=Held("first", 1, 1))  # it lives
        assert duties.take(tx, "d", "second", 2, seen=Held("first", 1, 2))
        assert not duties.beat(tx, "d", "first")
        assert duties.look(tx, "e") is None


def test_a_clock_that_is_put_back_delays_no_message_for_long(database: Database) -> None:
    put(database, "m", at=NOW + timedelta(days=1))
    hour = timedelta(hours=1)
    with database.read() as tx:
        assert outbox.due(tx, NOW, limit=9) == []
        (waiting,) = outbox.due(tx, NOW, limit=9, longest=hour)
        assert outbox.due(tx, NOW + timedelta(hours=23, minutes=30), limit=9, longest=hour) == []
    assert waiting.message.message_id == "m"


def test_dead_letters_expire_and_messages_that_wait_do_not(database: Database) -> None:
    put(database, "a", "b")
    put(database, "c", at=NOW + timedelta(days=1))
    with database.write() as tx:
        outbox.bury(tx, ["a", "c"], NOW + timedelta(days=2), "gone", limit=9)
        assert outbox.purge(tx, NOW + timedelta(hours=1), limit=9) == 1
        assert [w.message.message_id for w in outbox.dead_letters(tx, limit=9)] == ["c"]
        assert [w.message.message_id for w in outbox.due(tx, NOW, limit=9)] == ["b"]
