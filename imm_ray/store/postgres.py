"""PostgreSQL: a server that every node of a cluster reaches; many writers at a time.

Notes
-----
A transaction that reads sees one moment of the database (REPEATABLE READ). One that writes sees
what was committed before each of its statements (READ COMMITTED), so it first takes the turn of the
dataset that it is about (`store.turn`): what is serial in SQLite is serial in each dataset here.
Such a transaction holds rows that others wait for, so the server ends one that says nothing for
`IDLE_S`: its process is frozen or gone.
"""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import QueuePool

from imm_ray.errors import InvalidArgument, ServiceUnavailable, ThrottledUser
from imm_ray.store.documents import from_json, to_json
from imm_ray.store.failure import DatabaseAway, Overtaken

SCHEMES = ("postgresql+psycopg", "postgresql", "postgres")
IDLE_S = 15
"""Longer than a lease: an owner that slept so long may have lost its datasets anyway."""

_CONNECT_S = 5
_SILENCE_MS = 10_000  # a peer that acknowledges nothing for so long is gone
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

_CONFLICTS = ("40001", "40P01")
_LOCK_NOT_FREE = "55P03"
_STOPPED = "57014"
_AWAY = ("08", "57P", "25P03", "25006")  # 25006: it was made a standby, or is one
_NO_ROOM = "53"
_TOO_LONG = "54000"


def open_engine(url: str, *, busy_timeout_s: float, relaxed: bool) -> Engine:
    """Return an engine; nothing is opened yet."""
    engine = create_engine(
        make_url(url).set(drivername=SCHEMES[0]),
        poolclass=QueuePool,
        pool_use_lifo=True,  # so that connections which nobody needs are not kept in use
        pool_size=4,
        max_overflow=20,
        pool_timeout=busy_timeout_s,
        connect_args={
            "application_name": "imm-ray",
            "connect_timeout": _CONNECT_S,
            "tcp_user_timeout": _SILENCE_MS,
            "keepalives_idle": _SILENCE_MS // 1000,
            "autocommit": True,  # we say BEGIN ourselves
        },
        json_serializer=to_json,
        json_deserializer=from_json,
        hide_parameters=True,  # errors go to the log, what clients say does not
    )
    event.listen(engine, "connect", lambda dbapi, _: _prepare(dbapi, busy_timeout_s, relaxed))
    event.listen(engine, "handle_error", _conceal)
    return engine


def begin(connection: Connection, *, write: bool) -> None:
    """Begin a transaction."""
    connection.exec_driver_sql(_WRITE if write else _READ)


def is_open(connection: Connection) -> bool:
    """Return whether the transaction can still be committed."""
    if connection.invalidated:
        return False
    driver = connection.connection.driver_connection
    assert driver is not None
    return bool(driver.info.transaction_status.name == "INTRANS")


def failure_of(error: DBAPIError) -> Exception | None:
    """Return what an error of the driver means; None where it means what it says."""
    state = getattr(error.orig, "sqlstate", None) or ""
    unsaid = isinstance(error, OperationalError | InterfaceError) and not state
    if error.connection_invalidated or unsaid or state.startswith(_AWAY):
        return DatabaseAway()
    if state in _CONFLICTS:
        return Overtaken()
    if state == _LOCK_NOT_FREE:
        return ThrottledUser("The database is busy; try again.")
    if state == _STOPPED:
        return TimeoutError("a statement was stopped: its time was up")
    if state == _TOO_LONG:
        return InvalidArgument("A URI, or the value of a label, is too long: 2600 bytes are not.")
    if state.startswith(_NO_ROOM):
        return ServiceUnavailable("The database has no room left for this; try again later.")
    return None


def _prepare(dbapi: Any, busy_timeout_s: float, relaxed: bool) -> None:
    """Set up a connection in one trip.

    An administrator may make commits wait for a standby too, but not for less than the disk.
    """
    safe = "CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE NULL END"
    commits = "'off'" if relaxed else f"coalesce({safe}, current_setting('synchronous_commit'))"
    settings = {
        "lock_timeout": f"'{round(busy_timeout_s * 1000)}ms'",
        "idle_in_transaction_session_timeout": f"'{IDLE_S}s'",
        "client_encoding": "'UTF8'",
        "timezone": "'UTC'",
        "jit": "'off'",  # compiling costs more than any query of ours
        "synchronous_commit": commits,
    }
    calls = (f"set_config('{name}', {value}, false)" for name, value in settings.items())
    dbapi.execute(f"SELECT {', '.join(calls)}")


def _conceal(context: ExceptionContext) -> None:
    """Take the values of rows out of an error: they go to the log with it."""
    error, told = context.original_exception, context.sqlalchemy_exception
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    if primary:
        error.args = (primary,)
        if told is not None:
            told.args = (f"({type(error).__name__}) {primary}", *told.args[1:])
