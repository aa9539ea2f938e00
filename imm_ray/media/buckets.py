"""URI -> bytes: ``oss://`` and ``s3://`` of configured buckets, ``file://`` below file roots.

A key is the text of the URI after the bucket, exactly as given: it is not URL-decoded, so ``%2e``
is three characters. Everything that is not configured is refused with one and the same sentence;
what an operator needs to change is in the log.
"""

import hashlib
import logging
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from imm_ray.errors import SourceError
from imm_ray.media.local import Folder
from imm_ray.media.remote import RemoteFolder
from imm_ray.model import SourceStat
from imm_ray.settings import NOT_ALLOWED, Limits, Share

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A stored object's bytes; ``stat`` was taken before they were read."""

    data: bytes
    stat: SourceStat
    content_type: str
    """As its name suggests; '' when that says nothing."""


class Store(Protocol):
    """Where the objects of one bucket are."""

    def stat(self, key: str) -> SourceStat:
        """Return what tells this version of the object from another."""

    def read(self, key: str, *, limit: int) -> tuple[bytes, SourceStat]:
        """Return the first ``limit`` bytes of the object."""


class Buckets:
    """Reads objects by URI.

    Parameters
    ----------
    buckets
        Bucket name -> folder, or an fsspec URL such as ``s3://real-bucket/prefix``, and the
        accounts that may use it: to others it is not there.
    file_roots
        Folders below which ``file://`` URIs are read, likewise.
    """

    def __init__(
        self, buckets: Mapping[str, Share], file_roots: Sequence[Share], limits: Limits
    ) -> None:
        self._buckets = {
            name: (bucket, _store(bucket.target, limits)) for name, bucket in buckets.items()
        }
        self._roots = tuple(file_roots)
        self._max_bytes = limits.max_file_bytes

    def stat(self, uri: str, account: str) -> SourceStat:
        """Return size, ETag and time of an object without reading it, or raise `SourceError`."""
        store, key = self._find(uri, account)
        return store.stat(key)

    def read(self, uri: str, account: str) -> Fetched:
        """Return an object's bytes, at most ``limits.max_file_bytes``, or raise `SourceError`."""
        store, key = self._find(uri, account)
        data, stat = store.read(key, limit=self._max_bytes + 1)
        if not data:
            raise SourceError("The file is empty.")
        if len(data) > self._max_bytes:
            raise SourceError(
                f"The file is larger than {self._max_bytes / 1e6:g} MB (limits.max_file_bytes)."
            )
        stat = replace(stat, size=len(data), content_hash=hashlib.sha256(data).hexdigest())
        return Fetched(data, stat, content_type(uri))

    def _find(self, uri: str, account: str) -> tuple[Store, str]:
        scheme, separator, rest = uri.partition("://")
        if separator and scheme in ("oss", "s3"):
            return self._find_bucket(uri, rest, account)
        if separator and scheme == "file":
            return self._find_root(uri, rest, account)
        _log.warning("source refused: its scheme is not served uri=%r", uri)
        raise SourceError(NOT_ALLOWED)

    def _find_bucket(self, uri: str, rest: str, account: str) -> tuple[Store, str]:
        name, _, key = rest.partition("/")
        bucket, store = self._buckets.get(name, (None, None))
        if bucket is None or store is None or not bucket.serves(account) or not key:
            _log.warning(
                "source refused: bucket %r is not configured for account %r, or no key is given "
                "(set buckets.NAME or --bucket NAME=FOLDER, and its accounts) uri=%r",
                *(name, account, uri),
            )
            raise SourceError(NOT_ALLOWED)
        return store, key

    def _find_root(self, uri: str, path: str, account: str) -> tuple[Store, str]:
        for root in self._roots:
            if root.serves(account) and root.holds(path):
                return Folder(root.target), path[len(root.target.rstrip("/")) + 1 :]
        _log.warning(
            "source refused: it is below none of the file_roots of account %r uri=%r",
            *(account, uri),
        )
        raise SourceError(NOT_ALLOWED)


def content_type(uri: str) -> str:
    """Return the media type that a name suggests, or ''.

    >>> content_type("oss://holiday/a.b/film.MP4")
    'video/mp4'
    """
    name = uri.rpartition("/")[2]
    return mimetypes.guess_type(f"x.{name.rpartition('.')[2].lower()}")[0] or ""


def _store(place: str, limits: Limits) -> Store:
    if "://" not in place:
        return Folder(str(Path(place).expanduser().absolute()))
    if place.startswith("file:///"):
        return Folder(place.removeprefix("file://"))
    return RemoteFolder(place, timeout_s=limits.fetch_timeout_s)
