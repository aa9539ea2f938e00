import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from imm_ray.errors import ServiceUnavailable, SignatureNonceUsed, ThrottledUser
from imm_ray.store import constants, migrate, nonces
from imm_ray.store.database import Database, Tx
from imm_ray.store.migrate import WrongSchema
from imm_ray.store.writer import GroupWriter
from imm_ray.testing import ManualClock

NOW = ManualClock()()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'imm.db'}", busy_timeout_s=0.1)
    migrate.upgrade(database)
    yield database
    database.close()


def test_writes_that_wait_are_committed_together(database: Database) -> None:
    groups: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    class Counting(Database):
        @contextmanager
        def write(self) -> Iterator[Tx]:
            groups.append(1)
            with super().write() as tx:
                yield tx

    counting = Counting(str(database.engine.url))
    writer = GroupWriter(counting)

    def block(tx: Tx) -> None:
        started.set()
        go_on.wait()

    first = writer.submit(block)
    started.wait()
    others = [
        writer.submit(partial(nonces.remember, access_key_id="ak", value=str(n), now=NOW))
        for n in range(50)
    ]
    go_on.set()
    for future in [first, *others]:
        future.result()
    assert len(groups) == 2
    writer.close()
    counting.close()


def test_a_write_that_fails_takes_no_other_with_it(database: Database) -> None:
    writer = GroupWriter(database)
    done = [
        writer.submit(lambda tx: nonces.remember(tx, "ak", "same", NOW)),
        writer.submit(lambda tx: nonces.remember(tx, "ak", "same", NOW)),
        writer.submit(lambda tx: nonces.remember(tx, "ak", "other", NOW)),
    ]
    writer.close()
    failures = [future.exception() for future in done]
    assert [type(failure) for failure in failures] == [type(None), SignatureNonceUsed, type(None)]


def test_a_commit_that_fails_fails_every_write_of_its_group(database: Database) -> None:
    class Full(Database):
        @contextmanager
        def write(self) -> Iterator[Tx]:
            with super().write() as tx:
                yield tx
                raise OperationalError("COMMIT", {}, Exception("disk full"))

    full = Full(str(database.engine.url))
    writer = GroupWriter(full)
    future = writer.submit(lambda tx: nonces.remember(tx, "ak", "lost", NOW))
    with pytest.raises(OperationalError):
        future.result()
    writer.close()
    full.close()
    with database.write() as tx:
        nonces.remember(tx, "ak", "lost", NOW)


def test_a_full_disk_acknowledges_nothing_that_is_lost(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'small.db'}")
    migrate.upgrade(database)
    started, go_on = threading.Event(), threading.Event()
    small = Database(str(database.engine.url))
    limit = "PRAGMA max_page_count=200"
    event.listen(small.engine, "connect", lambda dbapi, _: dbapi.execute(limit))
    writer = GroupWriter(small)

    def block(tx: Tx) -> None:
        started.set()
        go_on.wait()

    def fill(tx: Tx) -> None:
        tx.exec_driver_sql("INSERT INTO meta VALUES ('big', hex(zeroblob(4000000)))")

    blocker = writer.submit(block)
    started.wait()
    values = ("before", "after")
    futures = {
        value: writer.submit(partial(nonces.remember, access_key_id="ak", value=value, now=NOW))
        for value in values[:1]
    }
    big = writer.submit(fill)
    futures["after"] = writer.submit(
        partial(nonces.remember, access_key_id="ak", value="after", now=NOW)
    )
    go_on.set()
    blocker.result()
    assert big.exception() is not None
    writer.close()
    with database.read() as tx:
        stored = set(tx.exec_driver_sql("SELECT nonce FROM nonce").scalars())
    assert stored == {value for value, future in futures.items() if future.exception() is None}
    database.close()
    small.close()


def test_a_closed_writer_refuses(database: Database) -> None:
    writer = GroupWriter(database)
    writer.close()
    with pytest.raises(ServiceUnavailable):
        writer.submit(lambda tx: None)


def test_a_busy_database_throttles(database: Database) -> None:
    other = Database(str(database.engine.url), busy_timeout_s=0.1)
    with database.write(), pytest.raises(ThrottledUser), other.write():
        pass
    other.close()


def test_generations_only_rise_and_the_secret_stays(database: Database) -> None:
    with database.write() as tx:
        assert [constants.next_generation(tx) for _ in range(3)] == [1, 2, 3]
        assert constants.secret(tx) == constants.secret(tx)


def test_a_database_without_schema_is_refused(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(WrongSchema, match="imm-ray serve"):
        migrate.require_current(empty)
    migrate.upgrade(empty)
    migrate.upgrade(empty)
    migrate.require_current(empty)
    with empty.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(WrongSchema, match="newer"):
        migrate.upgrade(empty)
    empty.close()


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from imm_ray.store.tables import metadata

    with database.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []
