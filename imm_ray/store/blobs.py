"""Files of snapshots: a local folder, or a prefix of an object store that fsspec reaches.

A key is ``DATASET_ID/NAME``, letters, digits, ``.``, ``_`` and ``-`` only, so it leads to no other
folder. What is under a key is there whole or not at all, whenever a process or the power fails.
"""

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import fsspec

from imm_ray.crash_point import reached
from imm_ray.settings import Settings

_KEY = re.compile(r"[A-Za-z0-9-]{1,64}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_FOLDER = re.compile(r"[A-Za-z0-9-]{1,64}")
UNFINISHED = "~"
"""What the name of a file begins with that a crash has left; its own name follows."""


class BlobError(Exception):
    """The storage of snapshots failed, or has not what was asked for; the text says which."""


class Blobs(Protocol):
    """Where snapshots are kept. Safe to use from several threads."""

    def put(self, key: str, data: bytes) -> None:
        """Store ``data`` durably; raises `BlobError`."""

    def get(self, key: str, size: int) -> bytes:
        """Return what is stored, which must have ``size`` bytes; raises `BlobError`."""

    def keys(self, folder: str) -> list[str]:
        """Return the keys of a dataset, and what is left of unfinished ones; raises `BlobError`."""

    def folders(self) -> list[str]:
        """Return the datasets of which there is something; raises `BlobError`."""

    def delete(self, key: str) -> None:
        """Delete what is there, if it is; raises `BlobError`."""


class LocalBlobs:
    """A folder for each dataset, readable for its owner alone.

    Notes
    -----
    A file is written under another name, synced, renamed, and its folder synced. Reading follows no
    symbolic link, takes regular files only, and looks at the size before it allocates anything.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, data: bytes) -> None:
        """Store ``data`` durably."""
        path = self._folder / _checked(key)
        with _told(f"{path} can not be written"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{UNFINISHED}{path.name}-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                reached("blob.synced")
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            reached("blob.renamed")
            _sync(path.parent)
            _sync(self._folder)

    def get(self, key: str, size: int) -> bytes:
        """Return what is stored, which must have ``size`` bytes."""
        path = self._folder / _checked(key)
        if path.parent.is_symlink():
            raise BlobError(f"{path.parent} is a symbolic link: snapshots are not read through one")
        with _told(f"{path} can not be read"):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise BlobError(f"{path} is no regular file")
                if found.st_size != size:
                    raise BlobError(f"{path} has {found.st_size} bytes instead of {size}")
                data = file.read(size)
        return data

    def keys(self, folder: str) -> list[str]:
        """Return the keys of a dataset, and what is left of unfinished ones."""
        return [f"{folder}/{name}" for name in self._names(self._folder / _named(folder))]

    def folders(self) -> list[str]:
        """Return the datasets of which there is something."""
        return self._names(self._folder)

    def delete(self, key: str) -> None:
        """Delete what is there, if it is; a folder goes with the last file in it."""
        folder, _, name = key.partition("/")
        path = self._folder / (
            f"{_named(folder)}/{name}" if _is_unfinished(name) else _checked(key)
        )
        with _told(f"{path} can not be deleted"):
            path.unlink(missing_ok=True)
            if path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def _names(self, folder: Path) -> list[str]:
        with _told(f"{folder} can not be read"):
            try:
                return sorted(path.name for path in folder.iterdir())
            except (FileNotFoundError, NotADirectoryError):
                return []


class RemoteBlobs:
    """A prefix of an object store. One object is stored by one request, so it is whole."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")

    def put(self, key: str, data: bytes) -> None:
        """Store ``data`` durably."""
        with self._told(f"{key} can not be written"):
            self._fs.pipe_file(f"{self._root}/{_checked(key)}", data)

    def get(self, key: str, size: int) -> bytes:
        """Return what is stored, which must have ``size`` bytes."""
        path = f"{self._root}/{_checked(key)}"
        with self._told(f"{key} can not be read"):
            self._fs.invalidate_cache()
            there = int(self._fs.info(path)["size"])
            if there != size:
                raise BlobError(f"{key} has {there} bytes instead of {size}")
            data = bytes(self._fs.cat_file(path))
        return data

    def keys(self, folder: str) -> list[str]:
        """Return the keys of a dataset."""
        return [f"{folder}/{name}" for name in self._names(f"{self._root}/{_named(folder)}")]

    def folders(self) -> list[str]:
        """Return the datasets of which there is something."""
        return self._names(self._root)

    def delete(self, key: str) -> None:
        """Delete what is there, if it is."""
        with self._told(f"{key} can not be deleted"):
            try:
                self._fs.rm_file(f"{self._root}/{_checked(key)}")
            except FileNotFoundError:
                return

    def _names(self, path: str) -> list[str]:
        with self._told(f"{path} can not be listed"):
            self._fs.invalidate_cache()
            try:
                found: list[Any] = self._fs.ls(path, detail=False)
            except FileNotFoundError:
                return []
        return sorted(str(name).rstrip("/").rpartition("/")[2] for name in found)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except BlobError:
            raise
        except Exception as error:  # each file system raises its own kinds
            raise BlobError(f"{what} in {self._url}: {error!r}") from error


def open_blobs(settings: Settings) -> Blobs:
    """Return the storage that ``snapshots.url`` names, by default ``DATA/snapshots``."""
    url = settings.snapshots.url
    if not url:
        return LocalBlobs(settings.data.absolute() / "snapshots")
    return RemoteBlobs(url) if "://" in url else LocalBlobs(Path(url).absolute())


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise BlobError(f"{key!r} is no key of a snapshot: DATASET_ID/NAME")
    return key


def _named(folder: str) -> str:
    if not _FOLDER.fullmatch(folder):
        raise BlobError(f"{folder!r} is no dataset's folder: letters, digits and dashes")
    return folder


def _is_unfinished(name: str) -> bool:
    return name.startswith(UNFINISHED) and "/" not in name


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BlobError(f"{what}: {error.strerror or error}") from error


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
