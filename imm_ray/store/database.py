"""The database: one engine, explicit transactions, durable by default.

SQLite runs in WAL mode with ``synchronous=FULL``: a committed transaction survives a power cut.
Writers start with ``BEGIN IMMEDIATE``, so a transaction never fails half-way for want of the write
lock.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from imm_ray.errors import ThrottledUser
from imm_ray.store.deadline import stopped_at
from imm_ray.store.query import function
from imm_ray.store.queue_lock import QueueLock

Tx: TypeAlias = Connection
"""An open transaction."""

_WRITE = "imm_ray_write"


class Database:
    """Opens transactions on one database.

    Parameters
    ----------
    url
        A SQLAlchemy URL; ``sqlite:///path``.
    busy_timeout_s
        How long a transaction waits for the write lock before it is answered with Throttling.
    relaxed
        Commit without waiting for the disk: survives SIGKILL, not a power cut. Only for nonces.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = 5.0, relaxed: bool = False) -> None:
        self._engine = _open(url, busy_timeout_s, "NORMAL" if relaxed else "FULL")
        self._busy_timeout_s = busy_timeout_s
        self._turn = QueueLock() if url.startswith("sqlite") else None

    @property
    def engine(self) -> Engine:
        """The engine, for migrations."""
        return self._engine

    @contextmanager
    def read(self, *, deadline: float | None = None) -> Iterator[Tx]:
        """Yield a transaction that sees one moment of the database.

        Raises
        ------
        TimeoutError
            It was not done at ``deadline`` (by `time.monotonic`), and has been stopped.
        """
        with (
            self._engine.connect() as connection,
            connection.begin(),
            nullcontext() if deadline is None else stopped_at(connection, deadline),
        ):
            yield connection

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """Yield a transaction that holds the write lock; it has committed when the block ends.

        Raises
        ------
        ThrottledUser
            The lock was not free within the busy timeout.
        """
        with self._turn_to_write(), self._connect_to_write() as connection:
            try:
                transaction = connection.begin()
            except OperationalError as error:
                if "locked" not in str(error.orig):
                    raise
                raise ThrottledUser("The database is busy; try again.") from error
            with transaction:
                yield connection

    def _connect_to_write(self) -> Connection:
        return self._engine.connect().execution_options(**{_WRITE: True})

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """Hold the turn of this process's threads: one of them at a time asks for the lock.

        SQLite's waiting threads poll, and who polls often starves the others of all processes: with
        eight engines at work requests waited for more than 9 s.
        """
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(self._busy_timeout_s):
            raise ThrottledUser("The database is busy; try again.")
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


class TransactionLost(Exception):
    """The database has rolled back a transaction by itself; nothing of it is stored."""


def require_open(tx: Tx) -> None:
    """Return when ``tx`` is still open in the database itself.

    SQLite ends a transaction on its own on a full disk or an I/O error (its manual, "Response to
    errors within a transaction"); what follows would be committed statement by statement.

    Raises
    ------
    TransactionLost
    """
    if not tx.connection.in_transaction:
        raise TransactionLost("the database rolled back: its disk is full or failing")


def _open(url: str, busy_timeout_s: float, synchronous: str) -> Engine:
    if not url.startswith("sqlite"):
        raise ValueError(
            f"store.url {url.split(':')[0]!r} is not supported: use sqlite:/// or leave it empty"
        )
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_use_lifo=True,  # each connection has a cache of its own: the one used last is warm
        pool_size=8,
        max_overflow=24,
        connect_args={"check_same_thread": False, "timeout": busy_timeout_s},
        json_serializer=_to_json,
        json_deserializer=_from_json,
        hide_parameters=True,  # errors go to the log, what clients say does not
    )
    event.listen(engine, "connect", lambda dbapi, _: _prepare(dbapi, synchronous))
    event.listen(engine, "begin", _begin)
    return engine


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


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _from_json(text: str) -> Any:
    # Most documents are empty, and a page of clusters holds 300 of them.
    return {} if text == "{}" else _decode(text)


_decode = json.JSONDecoder().decode
