"""SQLite: one file, one host, one writer at a time.

It runs in WAL mode with ``synchronous=FULL``: a committed transaction survives a power cut. Writers
start with ``BEGIN IMMEDIATE``, so a transaction never fails half-way for want of the write lock.
"""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from imm_ray.errors import ThrottledUser
from imm_ray.store.documents import from_json, to_json
from imm_ray.store.query import function


def open_engine(url: str, *, busy_timeout_s: float, relaxed: bool) -> Engine:
    """Return an engine; nothing is opened yet."""
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_use_lifo=True,  # each connection has a cache of its own: the one used last is warm
        pool_size=8,
        max_overflow=24,
        connect_args={"check_same_thread": False, "timeout": busy_timeout_s},
        json_serializer=to_json,
        json_deserializer=from_json,
        hide_parameters=True,  # errors go to the log, what clients say does not
    )
    synchronous = "NORMAL" if relaxed else "FULL"
    event.listen(engine, "connect", lambda dbapi, _: _prepare(dbapi, synchronous))
    return engine


def begin(connection: Connection, *, write: bool) -> None:
    """Begin a transaction; one that writes has the write lock from here on."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def is_open(connection: Connection) -> bool:
    """Return whether the database itself still has the transaction open."""
    return bool(connection.connection.in_transaction)


def failure_of(error: DBAPIError) -> Exception | None:
    """Return what an error of the driver means; None where it means what it says."""
    if "locked" in str(error.orig):
        return ThrottledUser("The database is busy; try again.")
    return None


def _prepare(dbapi: Any, synchronous: str) -> None:
    dbapi.isolation_level = None  # we say BEGIN ourselves; the driver's own is too late for reads
    cursor = dbapi.cursor()
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        "secure_delete=ON",  # vectors are biometric: a deleted one is overwritten
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    function.register(dbapi)
