import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from imm_ray.model import Message
from imm_ray.runtime.dispatcher import Dispatcher
from imm_ray.settings import Notifications
from imm_ray.store import migrate, outbox
from imm_ray.store.database import Database
from imm_ray.testing import ManualClock


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'imm.db'}")
    migrate.upgrade(database)
    yield database
    database.close()


def put(database: Database, clock: ManualClock, *messages: Message) -> None:
    with database.write() as tx:
        outbox.put(tx, messages, clock())


def waiting(database: Database, clock: ManualClock) -> list[str]:
    with database.read() as tx:
        return [w.message.message_id for w in outbox.due(tx, clock(), limit=10)]


def test_a_delivered_message_is_forgotten(database: Database, tmp_path: Path) -> None:
    clock = ManualClock()
    told = tmp_path / "told.jsonl"
    put(database, clock, Message("1", "t", "e", '{"n": 1}'), Message("2", "t", "e", '{"n": 2}'))
    dispatcher = Dispatcher(database, Notifications(topics={"t": str(told)}), clock)
    assert dispatcher.deliver_due() == 2
    assert [json.loads(line)["n"] for line in told.read_text().splitlines()] == [1, 2]
    assert dispatcher.deliver_due() == 0


def test_a_failed_message_waits_and_does_not_hold_up_others(
    database: Database, tmp_path: Path
) -> None:
    clock = ManualClock()
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    topics = {"bad": str(blocked), "good": str(tmp_path / "told.jsonl")}
    put(database, clock, Message("1", "bad", "e", "{}"), Message("2", "good", "e", "{}"))
    dispatcher = Dispatcher(database, Notifications(topics=topics, first_retry_s=10), clock)
    assert dispatcher.deliver_due() == 1
    assert waiting(database, clock) == []
    clock.advance(timedelta(seconds=10))
    assert waiting(database, clock) == ["1"]
    blocked.rmdir()
    assert dispatcher.deliver_due() == 1


def test_a_message_that_never_arrives_is_given_up_and_kept(
    database: Database, tmp_path: Path
) -> None:
    clock = ManualClock()
    put(database, clock, Message("1", "gone", "e", "{}"))
    dispatcher = Dispatcher(database, Notifications(max_attempts=2, first_retry_s=1), clock)
    for _ in range(3):
        dispatcher.deliver_due()
        clock.advance(timedelta(hours=1))
    assert waiting(database, clock) == []
    with database.read() as tx:
        rows = tx.exec_driver_sql("SELECT dead, attempts, last_error FROM outbox").all()
    assert [(bool(dead), attempts) for dead, attempts, _ in rows] == [(True, 2)]
    assert "not configured any more" in rows[0][2]
