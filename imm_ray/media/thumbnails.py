"""Thumbnails on disk: made once, thrown away when others need the room."""

import logging
import os
import re
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger(__name__)

_KEY = re.compile(r"[0-9a-f]{64}")
_KEPT = 0.9  # of the bytes that are allowed, when some are thrown away


class DiskThumbnails:
    """A folder of files named by key; those used longest ago go first.

    A key names dataset, file, revision, content, box and size (`model.Thumbnail.key`), and only who
    finds that file in the database can know it: what was deleted or indexed again is asked for by
    nobody. A key is 64 hex digits and nothing else, so it leads to no other folder.

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

    def _write(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix="new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a thumbnail: it has not 64 hex digits")
        return self._folder / key

    def _make_room(self, added: int) -> None:
        if self._bytes is not None:
            self._bytes += added
        if self._bytes is not None and self._bytes <= self._max_bytes:
            return
        found = []
        for path in self._folder.iterdir():
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
