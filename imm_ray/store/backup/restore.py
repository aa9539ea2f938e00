"""Restores a backup into an empty store of either kind.

Three things are not as they were. *Owners*: every dataset gets an ownership row without a lease,
whose epoch is the time of the restore in milliseconds: higher than that of any owner there was, so
who still holds an old lease commits nothing. *Generations* go up likewise, with its minutes.
*Nonces* are not there: who has caught a request could send it again, so requests that were signed
before the restore are refused (`constants.signed_from`).

What has not ended goes on: tasks stay Running, files Pending, messages keep their ids and are sent.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.engine import make_url

from imm_ray.crash_point import reached
from imm_ray.model import to_microseconds
from imm_ray.store import constants, fsck, migrate, tables
from imm_ray.store.backup.file import (
    BackupFile,
    remove,
    require_same,
    summed,
    written_aside,
)
from imm_ray.store.backup.make import Progress, kept_tables, told
from imm_ray.store.backup.manifest import Manifest, TableSum
from imm_ray.store.backup.rows import PORTION, RowSum, StoredForm, rows_of
from imm_ray.store.database import Database, Tx

_Filling: TypeAlias = Callable[[Tx, int], None]


class StoreDamaged(Exception):
    """The check of a store has found something wrong.

    ``violations`` says what, one line each.
    """

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__(f"{len(violations)} violations, the first: {violations[0]}")
        self.violations = tuple(violations)


class NotEmpty(Exception):
    """The store that was to be restored into holds something already."""


def restore(
    backup: Path,
    url: str,
    *,
    now: datetime,
    on_progress: Progress = lambda *_: None,
    even_if_damaged: bool = False,
) -> Manifest:
    """Fill the empty store at ``url`` with the rows of ``backup``; return what that says of itself.

    All or nothing: whatever happens, the store has every row afterwards, or none. No server may use
    it meanwhile. An older schema is brought to this version's first, in a copy.

    Parameters
    ----------
    even_if_damaged
        Restore also what the check of the store (`fsck`) finds fault with.

    Raises
    ------
    DamagedBackup
        Nothing was written.
    NotEmpty
        Nothing was written.
    migrate.WrongSchema
        A newer version has made the backup.
    StoreDamaged
        The store was damaged when the backup was made; nothing was written.
    """
    with BackupFile(backup) as source:
        source.verify()
        manifest = source.manifest
    if manifest.violations and not even_if_damaged:
        raise StoreDamaged(manifest.violations)
    fill = _Fill(now, on_progress)
    with _of_this_schema(backup, manifest) as path, BackupFile(path) as source:
        file = _file_of(url)
        into = partial(_fill_server, url) if file is None else partial(_fill_file, file)
        violations = into(lambda tx, before: fill(tx, source, before))
    if violations and not even_if_damaged:
        raise StoreDamaged(violations)
    return manifest


@dataclass(frozen=True, slots=True)
class _Fill:
    """Copies the rows of a backup, and writes what stands for those that it has not."""

    now: datetime
    on_progress: Progress

    def __call__(self, tx: Tx, source: BackupFile, before: int) -> None:
        """Fill an empty store in which ``before`` generations have been given."""
        tx.execute(delete(tables.meta))  # of a server that was started and had nothing to store
        done = 0
        for table in kept_tables():
            done += self._copy(tx, source, table, done)
            reached("restore.table_copied")
        constants.raise_generation(tx, max(before + 1, to_microseconds(self.now) // 60_000_000))
        constants.refuse_signed_before(tx, self.now)
        self._own(tx)

    def _copy(self, tx: Tx, source: BackupFile, table: Table, done: int) -> int:
        """Copy the rows of a table, read them back, and return how many there are."""
        form, found = StoredForm(table), RowSum()
        for rows in source.rows(table.name, form.names):
            found.add(rows)
            tx.execute(insert(table), form.values(rows))
            self.on_progress(table.name, done + found.rows, source.manifest.rows)
        expected = TableSum(tuple(form.names), found.rows, found.hexdigest)
        require_same(table.name, expected, summed(rows_of(tx, table)))
        return found.rows

    def _own(self, tx: Tx) -> None:
        d = tables.dataset.c
        owned = select(d.dataset_id).where(d.purged_at.is_(None)).order_by(d.dataset_id)
        facts = {
            "host": "",  # that of no cluster: the first bell places the dataset
            "epoch": to_microseconds(self.now) // 1_000,
            "generation": constants.generation(tx),
            "lease_until": 0.0,
        }
        rows = [{"dataset_id": dataset_id, **facts} for dataset_id in tx.scalars(owned)]
        for start in range(0, len(rows), PORTION):
            tx.execute(insert(tables.ownership), rows[start : start + PORTION])


def _file_of(url: str) -> Path | None:
    """Return the file of a SQLite database."""
    parsed = make_url(url)
    if not parsed.drivername.startswith("sqlite"):
        return None
    return Path(parsed.database or "")


def _fill_file(file: Path, fill: _Filling) -> list[str]:
    """Fill a database beside ``file``, which takes its place when it is complete."""
    before = _generation_of_empty(file) if file.exists() else 0
    with written_aside(file) as aside:
        url = f"sqlite:///{aside}"
        violations = _fill_server(url, lambda tx, new: fill(tx, max(before, new)))
        remove(file)
    return violations


def _fill_server(url: str, fill: _Filling) -> list[str]:
    """Fill an empty store in one transaction; return what its check finds wrong."""
    database = Database(url)
    try:
        migrate.upgrade(database)
        with database.write() as tx:
            _require_no_rows(tx)
            fill(tx, constants.generation(tx))
        reached("restore.committed")
        return [told(violation) for violation in fsck.check(database)]
    finally:
        database.close()


def _generation_of_empty(file: Path) -> int:
    database = Database(f"sqlite:///{file}")
    try:
        migrate.upgrade(database)
        with database.read() as tx:
            _require_no_rows(tx)
            return constants.generation(tx)
    finally:
        database.close()


def _require_no_rows(tx: Tx) -> None:
    for table in kept_tables():
        if table is not tables.meta and tx.execute(select(table).limit(1)).first() is not None:
            raise NotEmpty(
                f"the store has rows already (in the table {table.name}): restore into an empty "
                "one, and let no server use it meanwhile"
            )


@contextmanager
def _of_this_schema(backup: Path, manifest: Manifest) -> Iterator[Path]:
    """Yield the backup, or a copy of it with the newest schema, which is thrown away."""
    if manifest.schema == migrate.newest():
        yield backup
        return
    with tempfile.TemporaryDirectory(prefix="imm-ray-restore-") as folder:
        copy = Path(folder) / "backup.db"
        shutil.copyfile(backup, copy)
        database = Database(f"sqlite:///{copy}")
        try:
            migrate.upgrade(database)
        finally:
            database.close()
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
        yield copy
