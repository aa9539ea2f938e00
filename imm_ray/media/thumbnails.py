"""Thumbnails on disk: made once, thrown away when others need the room."""

import logging
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from imm_ray.model import DatasetId, FileId
from imm_ray.settings import Settings

_log = logging.getLogger(__name__)

_KEY = re.compile(r"(?P<dataset>[A-Za-z0-9-]{1,64})/(?P<file>[A-Za-z0-9-]{1,64})/[0-9a-f]{64}")
_KEPT = 0.9  # of the bytes that are allowed, when some are thrown away


class DiskThumbnails:
    """A folder for each dataset, in it one for each file; what was used longest ago goes first.

    A key names dataset, file, revision, content, box and size (`model.Thumbnail.key`), and only who
    finds that file in the database can know it: what was deleted or indexed again is asked for by
    nobody. Its parts are letters and digits, so it leads to no other folder.

    Parameters
    ----------
    folder
        Is made at the first use, for its owner alone.
    max_bytes
        Of all files together; 0 keeps nothing. Several processes may share a folder.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None
        """At most so many are there, as far as this process knows; None before the first look."""

    def get(self, key: str) -> bytes | None:
        """Return what is kept, None when it is not (any more)."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            with suppress(OSError):  # on a disk that can only be read, it keeps its place in line
                os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.error("thumbnail not read, so it is made again: %s", error)
            return None
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep ``content``; whole or not at all, whenever the process dies.

        A disk that takes nothing (full, read-only) costs speed and no answer: it is logged.
        """
        path = self._path(key)
        if len(content) > self._max_bytes:
            return
        try:
            self._write(path, content)
            with self._lock:
                self._make_room(len(content))
        except OSError as error:
            _log.error("thumbnail not kept, so it will be made again: %s", error)

    def forget(self, dataset_id: DatasetId, file_ids: Iterable[FileId]) -> None:
        """Throw away what is kept of files; what can not be thrown away is logged."""
        for file_id in file_ids:
            _remove(self._folder / dataset_id / file_id)

    def forget_dataset(self, dataset_id: DatasetId) -> None:
        """Throw away all that is kept of a dataset; what can not be thrown away is logged."""
        _remove(self._folder / dataset_id)

    def datasets(self) -> list[DatasetId]:
        """Return the datasets of which there is a folder."""
        return [DatasetId(name) for name in _names(self._folder)]

    def files(self, dataset_id: DatasetId) -> list[FileId]:
        """Return the files of a dataset of which there is a folder."""
        return [FileId(name) for name in _names(self._folder / dataset_id)]

    def _all(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self._folder):
            yield from (Path(folder) / name for name in names)

    def _write(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix="new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a thumbnail: DATASET/FILE/64 hex digits")
        return self._folder / key

    def _make_room(self, added: int) -> None:
        if self._bytes is not None:
            self._bytes += added
        if self._bytes is not None and self._bytes <= self._max_bytes:
            return
        found = []
        for path in self._all():
            with suppress(FileNotFoundError):  # another process throws away, too
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, path))
        self._bytes = sum(size for _, size, _ in found)
        if self._bytes <= self._max_bytes:
            return
        for _, size, path in sorted(found):
            if self._bytes <= _KEPT * self._max_bytes:
                return
            path.unlink(missing_ok=True)
            self._bytes -= size


def open_thumbnails(settings: Settings) -> DiskThumbnails:
    """Return the thumbnails in the data folder."""
    folder = settings.data.absolute() / "thumbnails"
    return DiskThumbnails(folder, settings.limits.thumbnail_cache_bytes)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return  # another process throws away, too, or nothing was ever kept
    except OSError as error:
        _log.error("thumbnails not thrown away, so it will be tried again: %s", error)
