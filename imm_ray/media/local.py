"""Objects in a folder of this machine: regular files below it and nothing else."""

import logging
import os
import stat as modes
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from imm_ray.errors import SourceError
from imm_ray.model import SourceStat

_log = logging.getLogger(__name__)


class Folder:
    """A folder whose files are read by their relative path.

    Notes
    -----
    A file is first opened with ``O_PATH``, which neither blocks on a FIFO nor wakes a device. Then
    the kernel is asked where that descriptor really is, so no symbolic link leads out of the
    folder, also not one that is put in place between check and use: what was checked is what is
    read.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def stat(self, key: str) -> SourceStat:
        """Return size, time and an ETag made of them and the inode."""
        with self._checked(key) as handle:
            return _stat(handle)

    def read(self, key: str, *, limit: int) -> tuple[bytes, SourceStat]:
        """Return the first ``limit`` bytes, and the stat from before reading them."""
        with self._checked(key) as handle:
            stat = _stat(handle)
            try:
                with open(f"/proc/self/fd/{handle}", "rb", buffering=0) as file:  # noqa: PTH123
                    return _read(file.fileno(), min(limit, stat.size + 1), limit), stat
            except PermissionError as error:
                raise SourceError("The service has no permission to read the file.") from error
            except OSError as error:
                _log.warning("file can not be read key=%r error=%s", key, error)
                raise SourceError("The file can not be read.", transient=True) from error

    @contextmanager
    def _checked(self, key: str) -> Iterator[int]:
        """Yield an ``O_PATH`` descriptor of a regular file that is really below the folder."""
        if any(part in ("", ".", "..") for part in key.split("/")) or "\0" in key:
            raise self._refused(key, "it is not a plain relative path")
        handle = self._open(key)
        try:
            root = os.path.realpath(self._root).rstrip("/")
            if not str(Path(f"/proc/self/fd/{handle}").readlink()).startswith(root + "/"):
                raise self._refused(key, "it leads out of the folder")
            mode = os.fstat(handle).st_mode
            if modes.S_ISDIR(mode):
                raise SourceError("The source is a folder, not a file.")
            if not modes.S_ISREG(mode):
                raise self._refused(key, "it is not a regular file")
            yield handle
        finally:
            os.close(handle)

    def _open(self, key: str) -> int:
        try:
            return os.open(f"{self._root}/{key}", os.O_PATH | os.O_CLOEXEC)
        except PermissionError as error:
            raise SourceError("The service has no permission to read the file.") from error
        except OSError as error:  # absent, a part is no folder, too long a name, a loop of links
            raise SourceError("File does not exist.") from error
        except UnicodeEncodeError as error:
            raise self._refused(key, "it is not a file name") from error

    def _refused(self, key: str, why: str) -> SourceError:
        _log.warning("source refused: %s root=%s key=%r", why, self._root, key)
        return SourceError("The source is not allowed.")


def _stat(handle: int) -> SourceStat:
    found = os.fstat(handle)
    return SourceStat(
        size=found.st_size,
        etag=f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}",
        modified_at=datetime.fromtimestamp(found.st_mtime, UTC),
    )


def _read(fd: int, expected: int, limit: int) -> bytes:
    """Return what is there up to ``limit`` bytes, in one piece when the size is ``expected``."""
    data = os.read(fd, expected)
    while len(data) < limit and (more := os.read(fd, min(1 << 20, limit - len(data)))):
        data += more
    return data
