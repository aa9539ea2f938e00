"""Writes wait in a queue that has an end, and only while somebody waits for them."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imm_ray.errors import ServiceUnavailable, ThrottledUser
from imm_ray.store.database import Database, Tx
from imm_ray.store.writer import GroupWriter


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    yield database
    database.close()


@contextmanager
def held(writer: GroupWriter) -> Iterator[None]:
    """Keep the writer busy within the block."""
    begun, gate = threading.Event(), threading.Event()

    def block(tx: Tx) -> None:
        begun.set()
        gate.wait()

    writer.submit(block)
    begun.wait()
    try:
        yield
    finally:
        gate.set()


def test_a_write_beyond_the_queue_is_refused(database: Database) -> None:
    writer = GroupWriter(database, most_waiting=3)
    with held(writer):
        waiting = [writer.submit(lambda tx: "done") for _ in range(3)]
        with pytest.raises(ThrottledUser, match="3 writes wait"):
            writer.submit(lambda tx: "done")
    assert [future.result() for future in waiting] == ["done"] * 3
    assert writer.submit(lambda tx: "again").result() == "again"
    writer.close()


def test_a_write_that_nobody_waits_for_any_more_never_begins(database: Database) -> None:
    writer = GroupWriter(database)
    run: list[str] = []
    with held(writer):
        gone = writer.submit(lambda tx: run.append("gone"))
        kept = writer.submit(lambda tx: run.append("kept"))
        assert gone.cancel()
    kept.result()
    writer.close()
    assert run == ["kept"]


def test_a_write_that_has_begun_can_not_be_taken_back(database: Database) -> None:
    writer = GroupWriter(database)
    begun, gate = threading.Event(), threading.Event()

    def slow(tx: Tx) -> str:
        begun.set()
        gate.wait()
        return "done"

    future = writer.submit(slow)
    begun.wait()
    assert not future.cancel()
    gate.set()
    assert future.result() == "done"
    writer.close()


def test_a_commit_that_fails_is_told_to_those_who_still_wait(tmp_path: Path) -> None:
    class Failing(Database):
        @contextmanager
        def write(self) -> Iterator[Tx]:
            with super().write() as tx:
                yield tx
                raise ZeroDivisionError

    failing = Failing(f"sqlite:///{tmp_path / 'x.db'}")
    writer = GroupWriter(failing)
    with held(writer):
        gone, kept = (writer.submit(lambda tx: "done") for _ in range(2))
        assert gone.cancel()
    assert isinstance(kept.exception(), ZeroDivisionError)
    assert gone.cancelled()
    assert isinstance(writer.submit(lambda tx: "next").exception(), ZeroDivisionError)
    writer.close()
    failing.close()


def test_a_write_that_meets_a_close_is_refused_or_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing: list[threading.Thread] = []

    class Meeting(queue.SimpleQueue[Any]):
        """Is closed by another thread while a write looks whether there is room."""

        def qsize(self) -> int:
            closing.append(threading.Thread(target=writer.close))
            closing[0].start()
            closing[0].join(0.1)
            return super().qsize()

    monkeypatch.setattr("imm_ray.store.writer.queue.SimpleQueue", Meeting)
    writer = GroupWriter(database)
    assert writer.submit(lambda tx: 1).result(timeout=20) == 1
    closing[0].join()
    with pytest.raises(ServiceUnavailable):
        writer.submit(lambda tx: 1)
