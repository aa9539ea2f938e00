"""The database stops what is not done in time."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import DBAPIError

from imm_ray.store.database import Database, Tx

LONG = """WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000000)
SELECT count(*) FROM n"""
"""Takes seconds, and ends: a database that does not stop it fails a test, and does not hang it."""


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    database = Database(empty_url)
    yield database
    database.close()


def test_a_read_that_goes_on_too_long_is_stopped(database: Database) -> None:
    with (
        pytest.raises(TimeoutError, match="was stopped"),
        database.read(deadline=time.monotonic() + 0.5) as tx,
    ):
        tx.exec_driver_sql(LONG).scalar()


def test_a_read_whose_time_was_up_before_it_began_does_nothing(database: Database) -> None:
    entered = False
    with pytest.raises(TimeoutError), database.read(deadline=time.monotonic()):
        entered = True
    assert not entered


def test_a_connection_carries_no_deadline_over(database: Database) -> None:
    """The pool gives the connection that was stopped to the next reader."""
    deadline = time.monotonic() + 0.5
    used = []

    def read(tx: Tx) -> None:
        used.append(tx.connection.driver_connection)
        tx.exec_driver_sql(LONG).scalar()

    with pytest.raises(TimeoutError), database.read(deadline=deadline) as tx:
        read(tx)
    many = LONG.replace("100000000", "100000")
    with database.read() as tx:
        assert tx.connection.driver_connection is used[0]
        assert tx.exec_driver_sql(many).scalar() == 100_000


def test_another_error_stays_what_it_is(database: Database) -> None:
    with (
        pytest.raises(DBAPIError, match=r"no such table|does not exist"),
        database.read(deadline=time.monotonic() + 60) as tx,
    ):
        tx.exec_driver_sql("SELECT * FROM absent")
