"""Objects in a store that fsspec reaches (S3, OSS, GCS, memory ...)."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import fsspec
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from imm_ray.errors import SourceError
from imm_ray.model import SourceStat

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_CHUNK = 4 << 20
_ATTEMPTS = 3
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


class RemoteFolder:
    """A prefix in an object store.

    Notes
    -----
    Errors that may pass are tried three times; one object takes at most ``timeout_s``, looked at
    between chunks of 4 MB, and never more bytes than asked for.
    """

    def __init__(
        self, url: str, *, timeout_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")
        self._timeout_s = timeout_s
        self._clock = clock

    def stat(self, key: str) -> SourceStat:
        """Return size, ETag and time as the store reports them."""
        return self._try(key, lambda deadline: self._stat(key))

    def read(self, key: str, *, limit: int) -> tuple[bytes, SourceStat]:
        """Return the first ``limit`` bytes, and the stat from before reading them."""

        def read(deadline: float) -> tuple[bytes, SourceStat]:
            stat = self._stat(key)
            return self._read(key, limit, deadline), stat

        return self._try(key, read)

    def _path(self, key: str) -> str:
        """Return the store's name of a key, which may not step out of the prefix."""
        if any(part in ("", ".", "..") for part in key.split("/")) or "\0" in key:
            _log.warning("source refused: not a plain path root=%s key=%r", self._root, key)
            raise SourceError("The source is not allowed.")
        return f"{self._root}/{key}"

    def _stat(self, key: str) -> SourceStat:
        found = self._fs.info(self._path(key))
        if found.get("type") == "directory":
            raise FileNotFoundError(key)
        return SourceStat(
            size=int(found.get("size") or 0),
            etag=str(found.get("ETag") or found.get("etag") or "").strip('"'),
            modified_at=_time(found),
        )

    def _read(self, key: str, limit: int, deadline: float) -> bytes:
        parts: list[bytes] = []
        left = limit
        with self._fs.open(self._path(key), "rb", cache_type="none") as file:
            while left and (part := file.read(min(_CHUNK, left))):
                parts.append(part)
                left -= len(part)
                if self._clock() > deadline:
                    raise TimeoutError(f"more than {self._timeout_s} s")
        return b"".join(parts)

    def _try(self, key: str, call: Callable[[float], _T]) -> _T:
        deadline = self._clock() + self._timeout_s
        retrying = Retrying(
            retry=retry_if_exception(lambda error: _may_pass(error) and self._clock() < deadline),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(multiplier=0.1, max=1),
            reraise=True,
        )
        try:
            return retrying(call, deadline)
        except SourceError:
            raise
        except FileNotFoundError as error:
            raise SourceError("File does not exist.") from error
        except Exception as error:  # each file system raises its own kinds
            _log.warning("bucket can not be read root=%s key=%r error=%r", self._root, key, error)
            raise SourceError(
                "The file can not be fetched from its bucket.", transient=True
            ) from error


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, OSError) and not isinstance(error, _FINAL)


def _time(found: dict[str, Any]) -> datetime | None:
    value = found.get("LastModified") or found.get("last_modified") or found.get("mtime")
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None
