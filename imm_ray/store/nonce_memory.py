"""Where used nonces are remembered: with the write that brings one, or beside the database.

On SQLite one transaction writes at a time, and the results of a clustering run may hold it for a
while. A read that had to record its nonce there would wait with everybody else, so the nonces of
reads, and of writes that are refused, have a small database of their own: ``nonce.db`` in the
folder of the main one. On PostgreSQL, where rows do not wait for each other, all stay in one.

Notes
-----
A nonce counts as used when either file has it, so each side looks into the other before it passes a
request: what writes reads ``nonce.db`` within its own transaction, and what is recorded in
``nonce.db`` looks into the main database before that is committed. Looking waits for nobody.
A nonce that was used by a request that has been answered is therefore refused in any later one, on
every replica. The same request sent many times at once also works once at most, since all its
copies are recorded in one place.

``nonce.db`` holds the table ``nonce`` alone, and nothing that is older than `nonces.KEPT`. It
survives SIGKILL; a power cut may take its last seconds, whose requests were reads or had failed.
"""

from concurrent.futures import Future
from datetime import datetime

from imm_ray.crash_point import reached
from imm_ray.store import nonces
from imm_ray.store.database import Database, Tx
from imm_ray.store.tables import nonce
from imm_ray.store.writer import GroupWriter

FILE = "nonce.db"


class NonceMemory:
    """Remembers the nonces of one service's requests.

    Parameters
    ----------
    database
        The main one, which stays its owner's.
    busy_timeout_s
        How long to wait for others that record nonces.
    """

    def __init__(self, database: Database, *, busy_timeout_s: float = 5.0) -> None:
        self._main = database
        self._is_apart = _is_apart(database)
        self._relaxed = open_relaxed(database, busy_timeout_s=busy_timeout_s)
        self._writer = GroupWriter(self._relaxed, name="nonces")

    def use(self, tx: Tx, access_key_id: str, value: str, now: datetime) -> None:
        """Record a nonce in the transaction of the write that it came with.

        Raises
        ------
        SignatureNonceUsed
            It was used before.
        """
        nonces.remember(tx, access_key_id, value, now)
        if self._is_apart:
            _require_unused(self._relaxed, access_key_id, value)

    def submit(self, access_key_id: str, value: str, now: datetime) -> "Future[None]":
        """Record the nonce of a request that writes nothing; return when that is done as a future.

        The future fails with SignatureNonceUsed when it was used before.
        """

        def run(tx: Tx) -> None:
            nonces.remember(tx, access_key_id, value, now)
            if self._is_apart:
                _require_unused(self._main, access_key_id, value)
                reached("nonce.checked_in_main")

        return self._writer.submit(run)

    def close(self) -> None:
        """Record what was submitted, then stop."""
        self._writer.close()
        self._relaxed.close()


def open_relaxed(database: Database, *, busy_timeout_s: float = 5.0) -> Database:
    """Return the database in which the nonces of reads are, made if need be; the caller closes it.

    It commits without waiting for the disk.
    """
    url = database.engine.url
    if _is_apart(database):
        folder = (url.database or "").rpartition("/")[0]
        url = url.set(database=f"{folder}/{FILE}" if folder else FILE)
    opened = Database(
        url.render_as_string(hide_password=False), busy_timeout_s=busy_timeout_s, relaxed=True
    )
    if _is_apart(database):
        with opened.write() as tx:
            nonce.create(tx, checkfirst=True)
    return opened


def _is_apart(database: Database) -> bool:
    return database.engine.dialect.name == "sqlite"


def _require_unused(database: Database, access_key_id: str, value: str) -> None:
    with database.read() as tx:
        nonces.require_unused(tx, access_key_id, value)
