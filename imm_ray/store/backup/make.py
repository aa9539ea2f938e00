"""Makes a backup while the service goes on."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Table, func, select

from imm_ray import __version__
from imm_ray.crash_point import reached
from imm_ray.store import fsck, migrate, tables
from imm_ray.store.backup.file import BackupFile, written_aside
from imm_ray.store.backup.manifest import Manifest, TableSum
from imm_ray.store.backup.rows import RowSum, rows_of
from imm_ray.store.database import Database, Tx

LEFT_OUT = (tables.duty, tables.nonce, tables.ownership, tables.snapshot, tables.writer)
"""Say who used, owned and wrote the store that was backed up, which is not the one restored; and
name snapshots, which may be of a time that the restored store never had."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is told the table, and how many rows of how many of all tables are done."""


class BackupExists(Exception):
    """There is a file already where the backup was to be written."""


def kept_tables() -> list[Table]:
    """Return the tables of a backup, each after those that it refers to."""
    return [table for table in tables.metadata.sorted_tables if table not in LEFT_OUT]


def back_up(
    source: Database, out: Path, *, now: datetime, on_progress: Progress = lambda *_: None
) -> Manifest:
    """Write all rows of one moment of ``source`` to the file ``out`` and read them back.

    The service may go on meanwhile. Memory does not follow the number of rows. What the check of
    the store finds wrong stands in the manifest: a backup of a damaged store is better than none.

    Raises
    ------
    BackupExists
    migrate.WrongSchema
        The store is not of this version's schema.
    """
    if out.exists():
        raise BackupExists(f"{out} exists already: give another name, or move it away")
    migrate.require_current(source)
    with written_aside(out) as partial:
        found = _written(partial, source, now, on_progress)
        with BackupFile(partial) as written:
            written.verify()
        reached("backup.verified")
    return found


def _written(partial: Path, source: Database, now: datetime, on_progress: Progress) -> Manifest:
    """Fill an empty file; leave no companions beside it, so that the file alone is the backup."""
    with _opened(partial) as database:
        migrate.upgrade(database)
    sums = _filled(partial, source, on_progress)
    reached("backup.rows_written")
    with _opened(partial) as database:
        violations = tuple(map(told, fsck.check(database)))
    manifest = Manifest(
        made_at=now.astimezone(UTC).isoformat(),
        version=__version__,
        schema=migrate.newest(),
        tables=sums,
        violations=violations,
    )
    with closing(sqlite3.connect(partial, isolation_level=None)) as target:
        target.execute("PRAGMA journal_mode=DELETE")
        target.execute("CREATE TABLE backup_manifest (manifest TEXT NOT NULL)")
        target.execute("INSERT INTO backup_manifest VALUES (?)", (manifest.text(),))
    return manifest


@contextmanager
def _opened(file: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{file}")
    try:
        yield database
    finally:
        database.close()


def told(violation: fsck.Violation) -> str:
    """Return what is wrong with a row, in one line."""
    place = f"{violation.table} {violation.key}".strip()
    return f"{violation.invariant} {place}: {violation.what}"


def _filled(partial: Path, source: Database, on_progress: Progress) -> dict[str, TableSum]:
    with closing(sqlite3.connect(partial, isolation_level=None)) as target:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF"):
            target.execute(f"PRAGMA {pragma}")  # what is half done is thrown away
        target.execute("BEGIN")
        with source.read() as tx:
            sums = _copy(tx, target, on_progress)
        target.execute("COMMIT")
    return sums


def _copy(tx: Tx, target: sqlite3.Connection, on_progress: Progress) -> dict[str, TableSum]:
    kept = kept_tables()
    total = sum(int(tx.scalar(select(func.count()).select_from(table)) or 0) for table in kept)
    done = 0
    sums: dict[str, TableSum] = {}
    for table in kept:
        names, found = [column.name for column in table.columns], RowSum()
        insert = _insert_into(table.name, names)
        for rows in rows_of(tx, table):
            found.add(rows)
            target.executemany(insert, rows)
            on_progress(table.name, done + found.rows, total)
        done += found.rows
        sums[table.name] = TableSum(tuple(names), found.rows, found.hexdigest)
        reached("backup.table_copied")
    return sums


def _insert_into(table: str, columns: Sequence[str]) -> str:
    names = ", ".join(f'"{column}"' for column in columns)
    return f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(columns))})'
