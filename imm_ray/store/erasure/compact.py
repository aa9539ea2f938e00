"""Makes deleted bytes go from the files of the database.

SQLite overwrites what is deleted (``secure_delete``) in the pages of the database, but its log
(``-wal``) holds the pages as they were until it is written back and cut. PostgreSQL keeps deleted
rows in its files until a VACUUM frees them, and their bytes until something else is written there:
only VACUUM FULL writes the tables anew. Its log (pg_wal), replicas and archives are out of reach
here.
"""

import time
from typing import Any

from sqlalchemy.exc import DBAPIError

from imm_ray.crash_point import reached
from imm_ray.store import tables
from imm_ray.store.database import Database

_POLL_S = 0.2


def keeps_a_file(database: Database) -> bool:
    """Return whether the database is a file of this machine, and not a server's."""
    return database.engine.dialect.name == "sqlite"


def cut_log(database: Database, *, patience_s: float = 0.0) -> bool:
    """Write SQLite's log back and cut it to nothing; return whether that was possible by now.

    A reader that still needs the log, or a writer, prevents it: try again later. Another database
    looks after its log by itself: True.
    """
    if not keeps_a_file(database):
        return True
    deadline = time.monotonic() + patience_s
    while True:
        busy, _, _ = _run(database, "PRAGMA wal_checkpoint(TRUNCATE)")
        if not busy:
            reached("erasure.log_cut")
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)


def rewrite(database: Database, *, patience_s: float) -> bool:
    """Write the whole database anew, without what was deleted; return whether its log is cut too.

    Nobody writes meanwhile (PostgreSQL: nobody reads the table at hand either), and as much space
    as the database takes is needed once more.

    Raises
    ------
    ThrottledUser
        Others did not let go of the database in time; nothing of it was written anew.
    """
    if keeps_a_file(database):
        _run(database, "VACUUM")
    else:
        for table in tables.metadata.sorted_tables:
            _run(database, f'VACUUM FULL "{table.name}"')
    reached("erasure.rewritten")
    return cut_log(database, patience_s=patience_s)


def _run(database: Database, statement: str) -> Any:
    """Run a statement outside of any transaction; return its first row, if it has one.

    Raises as a transaction does; ThrottledUser when a lock was not had in time.
    """
    connection = database.engine.raw_connection()
    try:
        driver: Any = connection.driver_connection
        if not keeps_a_file(database):
            driver.autocommit = True
        cursor = driver.cursor()
        try:
            cursor.execute(statement)
            return cursor.fetchone() if cursor.description else None
        except Exception as error:
            raise database.meaning_of(DBAPIError(statement, None, error)) from error
        finally:
            cursor.close()
            if not keeps_a_file(database):
                driver.autocommit = False
    finally:
        connection.close()
