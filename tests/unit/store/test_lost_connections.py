"""Connections to a server are lost; nothing that was told is, and nothing happens twice."""

import threading
import time
from collections.abc import Iterator
from functools import partial

import psycopg
import pytest
from sqlalchemy import event, func, insert, select
from sqlalchemy.exc import IntegrityError

from imm_ray.errors import SignatureNonceUsed, ThrottledUser
from imm_ray.store import constants, nonces, receipt, tables
from imm_ray.store.database import Database, Tx
from imm_ray.store.failure import DatabaseAway, InDoubt
from imm_ray.store.writer import GroupWriter
from imm_ray.testing import ManualClock
from tests.postgres import Databases
from tests.proxy import Loss, Proxy

NOW = ManualClock()()


@pytest.fixture
def url(postgres: Databases) -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


@pytest.fixture
def proxy(postgres: Databases) -> Iterator[Proxy]:
    with Proxy(postgres.server.port) as proxy:
        yield proxy


@pytest.fixture
def database(url: str, proxy: Proxy) -> Iterator[Database]:
    """The database by way of the proxy."""
    address, name = url.rsplit("/", 1)
    database = Database(f"{address.rsplit(':', 1)[0]}:{proxy.port}/{name}", busy_timeout_s=20)
    yield database
    database.close()


def add(tx: Tx, key: str) -> str:
    """Store a row; twice the same is an error."""
    tx.execute(insert(tables.meta).values(key=key, value=key))
    return key


def stored(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.scalars(select(tables.meta.c.key).order_by(tables.meta.c.key)))


@pytest.mark.parametrize("loss", Loss)
def test_a_commit_whose_answer_is_lost_happens_once_and_is_told(
    database: Database, proxy: Proxy, loss: Loss
) -> None:
    writer = GroupWriter(database)
    assert writer.submit(partial(add, key="before")).result() == "before"
    proxy.lose(loss)
    assert writer.submit(partial(add, key="lost")).result() == "lost"
    assert proxy.lost.is_set()
    assert writer.submit(partial(add, key="next")).result() == "next"
    writer.close()
    assert stored(database) == ["before", "lost", "next"]


@pytest.mark.parametrize("loss", Loss)
def test_a_nonce_is_not_refused_for_its_own_lost_commit(
    database: Database, proxy: Proxy, loss: Loss
) -> None:
    writer = GroupWriter(database)
    writer.submit(partial(add, key="before")).result()
    remember = partial(nonces.remember, access_key_id="ak", value="n", now=NOW)
    proxy.lose(loss)
    assert writer.submit(remember).exception() is None
    assert isinstance(writer.submit(remember).exception(), SignatureNonceUsed)
    writer.close()


def test_a_commit_that_stays_in_doubt_is_not_told_as_done(
    database: Database, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = GroupWriter(database)
    writer.submit(partial(add, key="before")).result()

    def unanswered(receipts: object) -> bool:
        raise DatabaseAway

    monkeypatch.setattr(receipt.Receipts, "is_committed", unanswered)
    proxy.lose(Loss.REPLY)
    assert isinstance(writer.submit(partial(add, key="lost")).exception(), InDoubt)
    writer.close()


def test_a_transaction_of_which_the_commit_is_lost_says_so(
    database: Database, proxy: Proxy
) -> None:
    assert stored(database) == []
    proxy.lose(Loss.REPLY)
    with pytest.raises(InDoubt), database.write() as tx:
        add(tx, "lost")
    assert stored(database) == ["lost"]


def test_a_transaction_that_is_cut_off_is_undone(database: Database, url: str) -> None:
    def cut_off() -> None:
        with database.write() as tx:
            add(tx, "lost")
            pid = tx.scalar(select(func.pg_backend_pid()))
            with psycopg.connect(url) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            add(tx, "more")

    with pytest.raises(DatabaseAway) as failure:
        cut_off()
    assert not failure.value.in_doubt
    assert stored(database) == []


def test_a_writer_whose_row_was_forgotten_goes_on(database: Database) -> None:
    writer = GroupWriter(database)
    writer.submit(partial(add, key="a")).result()
    with database.write() as tx:
        tx.execute(tables.writer.delete())
    assert writer.submit(partial(add, key="b")).result() == "b"
    writer.close()
    with database.read() as tx:
        assert tx.scalar(select(func.count()).select_from(tables.writer)) == 0


def test_a_server_that_restarts_is_waited_for(database: Database, postgres: Databases) -> None:
    with database.read():
        pass
    postgres.server.stop()
    found: list[list[str]] = []
    away = threading.Event()
    event.listen(database.engine, "do_connect", lambda *_: away.set())
    waiting = threading.Thread(target=lambda: found.append(stored(database)))
    waiting.start()
    try:
        assert away.wait(10)
    finally:
        postgres.server.start()
    waiting.join(30)
    assert found == [[]]


def test_a_server_that_stays_away_is_told_after_some_patience(postgres: Databases) -> None:
    database = Database("postgresql://imm:x@127.0.0.1:1/none", busy_timeout_s=0.2)
    with pytest.raises(DatabaseAway) as failure, database.read():
        pass
    assert failure.value.status == 503
    assert failure.value.retry_after_ms > 0
    database.close()


def test_what_is_told_while_the_server_crashes_again_and_again_is_stored(
    database: Database, postgres: Databases
) -> None:
    """Crashes come while groups are committed; each write is told at most once, and stored then."""
    writer = GroupWriter(database)
    told: set[str] = set()
    refused: set[str] = set()
    stop = threading.Event()

    def write(thread: int) -> None:
        number = 0
        while not stop.is_set():
            key = f"{thread}-{number:06}"
            number += 1
            failure = writer.submit(partial(add, key=key), (str(thread),)).exception()
            (told if failure is None else refused).add(key)
            assert failure is None or isinstance(failure, DatabaseAway), failure

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _crash in range(3):
        enough = len(told) + 20
        wait_for(lambda enough=enough: len(told) >= enough)
        postgres.server.restart()
    wait_for(lambda: len(told) >= 100)
    stop.set()
    for thread in threads:
        thread.join()
    writer.close()
    there = set(stored(database))
    assert told <= there
    assert there <= told | refused


def wait_for(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # what is waited for happens in other threads and in the server


def test_who_waits_for_a_lock_too_long_is_throttled(url: str) -> None:
    slow, quick = Database(url), Database(url, busy_timeout_s=0.1)
    with slow.write() as tx:
        constants.next_generation(tx)
        with pytest.raises(ThrottledUser), quick.write() as other:
            constants.next_generation(other)
    slow.close()
    quick.close()


def test_an_error_does_not_tell_what_clients_say(url: str) -> None:
    database = Database(url)

    def add_twice() -> None:
        with database.write() as tx:
            add(tx, "secret")
            add(tx, "secret")

    with pytest.raises(IntegrityError, match="duplicate key") as failure:
        add_twice()
    database.close()
    assert "secret" not in f"{failure.value!r} {failure.value} {failure.value.__cause__!r}"
