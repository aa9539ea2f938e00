"""The file of a backup: written aside and renamed when it is whole; read without touching it."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from imm_ray.crash_point import reached
from imm_ray.store.backup.manifest import DamagedBackup, Manifest, TableSum, read_manifest
from imm_ray.store.backup.rows import PORTION, RowSum, Stored

_COMPANIONS = ("", "-wal", "-shm", "-journal")


def partial_of(path: Path) -> Path:
    """Return the name under which a file is written until it is whole."""
    return path.with_name(f"{path.name}.partial")


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield an empty file that only its owner can read; it becomes ``path`` when the block ends.

    It is durable then. If the block raises, or the process dies, there is no ``path``; what a dead
    process has left is thrown away by the next one.
    """
    partial = partial_of(path)
    remove(partial)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield partial
        _sync(partial)
        reached("backup.file_synced")
        partial.rename(path)
        reached("backup.file_renamed")
        _sync(path.parent)
    except BaseException:
        remove(partial)
        raise


def remove(path: Path) -> None:
    """Throw a database away, with the files that SQLite keeps beside it."""
    for companion in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + companion).unlink()


class BackupFile:
    """A backup that is only read.

    Raises
    ------
    DamagedBackup
        It is none, or what it says of itself was changed.
    """

    def __init__(self, path: Path) -> None:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        try:
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        except sqlite3.Error as error:
            raise DamagedBackup(f"it can not be opened ({error})") from error
        try:
            self.manifest = self._read_manifest()
        except BaseException:
            self.close()
            raise

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[list[tuple[Stored, ...]]]:
        """Yield the rows of a table as they are kept, in portions.

        Raises
        ------
        DamagedBackup
        """
        wanted = ", ".join(f'"{column}"' for column in columns)
        try:
            cursor = self._connection.execute(f'SELECT {wanted} FROM "{table}"')
            while rows := cursor.fetchmany(PORTION):
                yield rows
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise DamagedBackup(f"the table {table} can not be read ({error})") from error

    def verify(self) -> None:
        """Return when every row is as it was when the backup was made.

        Raises
        ------
        DamagedBackup
        """
        for name, expected in self.manifest.tables.items():
            require_same(name, expected, summed(self.rows(name, expected.columns)))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> "BackupFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_manifest(self) -> Manifest:
        try:
            (text,) = self._connection.execute("SELECT manifest FROM backup_manifest").fetchone()
        except (sqlite3.Error, TypeError, UnicodeDecodeError) as error:
            raise DamagedBackup(f"it has no manifest that can be read ({error})") from error
        return read_manifest(str(text))


def summed(portions: Iterable[Sequence[Sequence[Stored]]]) -> RowSum:
    """Return the sum of rows."""
    total = RowSum()
    for rows in portions:
        total.add(rows)
    return total


def require_same(table: str, expected: TableSum, found: RowSum) -> None:
    """Return when the rows of a table are those that are expected.

    Raises
    ------
    DamagedBackup
    """
    if found.rows != expected.rows:
        raise DamagedBackup(f"the table {table} has {found.rows} rows instead of {expected.rows}")
    if found.hexdigest != expected.sum:
        raise DamagedBackup(f"a row of the table {table} was changed: the sum differs")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
