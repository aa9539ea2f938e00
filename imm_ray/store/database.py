"""The database: one engine, explicit transactions, durable by default.

What SQLite and PostgreSQL do differently is in `store.sqlite` and `store.postgres`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import TypeAlias

import tenacity
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from imm_ray.errors import ThrottledUser
from imm_ray.store import postgres, sqlite
from imm_ray.store.deadline import stopped_at
from imm_ray.store.failure import DatabaseAway, InDoubt, TransactionLost, why_away
from imm_ray.store.queue_lock import QueueLock

__all__ = ["Database", "TransactionLost", "Tx", "require_open"]

Tx: TypeAlias = Connection
"""An open transaction."""

_log = logging.getLogger(__name__)

_WRITE = "imm_ray_write"
_FIRST_PAUSE_S = 0.05
_MOST_PAUSE_S = 1.0


class Database:
    """Opens transactions on one database.

    Parameters
    ----------
    url
        A SQLAlchemy URL; ``sqlite:///path`` or ``postgresql://user:password@host/name``.
    busy_timeout_s
        How long a transaction waits for a lock before it is answered with Throttling, and, before
        it begins, for a server that is away.
    relaxed
        Commit without waiting for the disk: survives SIGKILL of this process, not a power cut, nor
        a crash of a database server. Only for nonces.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = 5.0, relaxed: bool = False) -> None:
        self._dialect = dialect_of(url)
        self._patience_s = busy_timeout_s
        self._engine: Engine = self._dialect.open_engine(
            url, busy_timeout_s=busy_timeout_s, relaxed=relaxed
        )
        self._turn = None if self.is_server else QueueLock()
        event.listen(self._engine, "begin", self._begin)

    @property
    def engine(self) -> Engine:
        """The engine, for migrations."""
        return self._engine

    @property
    def is_server(self) -> bool:
        """Whether it is a server, with which a connection can be lost."""
        return self._dialect is postgres

    @contextmanager
    def read(self, *, deadline: float | None = None) -> Iterator[Tx]:
        """Yield a transaction that sees one moment of the database.

        Raises
        ------
        TimeoutError
            It was not done at ``deadline`` (by `time.monotonic`), and has been stopped.
        DatabaseAway
            The server can not be reached.
        """
        with (
            self._transaction(write=False) as connection,
            nullcontext() if deadline is None else stopped_at(connection, deadline),
        ):
            yield connection

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """Yield a transaction that may write; it has committed when the block ends.

        In SQLite it holds the write lock.

        Raises
        ------
        ThrottledUser
            A lock was not free within the busy timeout.
        DatabaseAway
            The server can not be reached; nothing was stored.
        InDoubt
            It was lost while it committed.
        """
        with self._turn_to_write(), self._transaction(write=True) as connection:
            yield connection

    def meaning_of(self, error: Exception) -> Exception:
        """Return what an error within a transaction means to whoever asked; often itself."""
        return self._meant(error) if isinstance(error, DBAPIError) else error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """Hold the turn of this process's threads: one of them at a time asks for the lock.

        SQLite's waiting threads poll, and who polls often starves the others of all processes: with
        eight engines at work requests waited for more than 9 s.
        """
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(self._patience_s):
            raise ThrottledUser("The database is busy; try again.")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Tx]:
        connection = self._begun(write=write)
        committing = False
        try:
            with connection:
                transaction = connection.get_transaction()
                assert transaction is not None
                with transaction:
                    yield connection
                    if write:
                        require_open(connection)  # else COMMIT would end it without a word
                    committing = write
        except (DBAPIError, InvalidRequestError) as error:
            raise self._meant(error, connection, committing=committing) from error

    def _begun(self, *, write: bool) -> Connection:
        """Return a connection with an open transaction; wait while the server is away."""
        try:
            return self._begun_now(write=write)
        except DatabaseAway as error:
            _log.warning("database away: patience_s=%g why=%s", self._patience_s, why_away(error))
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(DatabaseAway),
            stop=tenacity.stop_after_delay(self._patience_s),
            wait=tenacity.wait_exponential(multiplier=_FIRST_PAUSE_S, max=_MOST_PAUSE_S)
            + tenacity.wait_random(0, _FIRST_PAUSE_S),
            reraise=True,
        ):
            with attempt:
                return self._begun_now(write=write)
        raise AssertionError("the last attempt returns or raises")

    def _begun_now(self, *, write: bool) -> Connection:
        try:
            connection = self._engine.connect()
        except NoConnectionFree as error:
            raise ThrottledUser("The database is busy; try again.") from error
        except DBAPIError as error:
            raise self._meant(error) from error
        try:
            connection.execution_options(**{_WRITE: write}).begin()
        except DBAPIError as error:
            connection.close()
            raise self._meant(error) from error
        return connection

    def _meant(
        self,
        error: DBAPIError | InvalidRequestError,
        connection: Connection | None = None,
        *,
        committing: bool = False,
    ) -> Exception:
        """Return what to raise in the place of an error of the driver."""
        meant: Exception | None = None
        if isinstance(error, DBAPIError):
            meant = self._dialect.failure_of(error)
        elif connection is not None and connection.invalidated:
            meant = DatabaseAway()
        if committing and isinstance(meant, DatabaseAway):
            return InDoubt()
        return meant or error

    def _begin(self, connection: Connection) -> None:
        write = bool(connection.get_execution_options().get(_WRITE, False))
        self._dialect.begin(connection, write=write)


def require_open(tx: Tx) -> None:
    """Return when ``tx`` is still open in the database itself.

    SQLite ends a transaction on its own on a full disk or an I/O error (its manual, "Response to
    errors within a transaction"); what follows would be committed statement by statement. A server
    does when the connection is lost.

    Raises
    ------
    TransactionLost
    DatabaseAway
    """
    dialect = _DIALECTS[tx.dialect.name]
    if dialect.is_open(tx):
        return
    if dialect is postgres:
        raise DatabaseAway()
    raise TransactionLost("the database rolled back: its disk is full or failing")


_DIALECTS = {"sqlite": sqlite, "postgresql": postgres}


def dialect_of(url: str) -> ModuleType:
    """Return what speaks with the database of a URL.

    Raises
    ------
    ValueError
    """
    try:
        scheme = make_url(url).drivername
    except ArgumentError as error:
        raise ValueError(
            "store.url is not a database's URL: use postgresql://USER:PASSWORD@HOST/DATABASE or "
            "sqlite:///PATH, or leave it empty"
        ) from error
    if scheme in postgres.SCHEMES:
        return postgres
    if scheme == "sqlite":
        return sqlite
    raise ValueError(
        f"store.url: {scheme!r} is not supported: use postgresql:// or sqlite:///, or leave it "
        "empty"
    )
