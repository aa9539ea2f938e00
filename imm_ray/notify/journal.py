"""A file that gets a line for each message: JSON lines, one object each, the newest last.

A line that a crash or a full disk has torn is ended before the next one is written: it is no JSON,
readers skip it, and its message comes again as a line of its own. The file may be renamed or
deleted at any time; the next line founds a new one. Whoever compresses a renamed file waits until
nobody holds its lock (``flock``).
"""

import fcntl
import os
import stat
from pathlib import Path

from imm_ray.crash_point import reached

_FOUND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
"""Nonblocking: to open a pipe that nobody reads is an error, and no wait for ever."""


def append_line(path: Path, line: bytes) -> None:
    """Append a line to the file at ``path``; on return it survives a power cut.

    A file that is not there is founded, readable for its owner alone.

    Raises
    ------
    OSError
        Nothing was written, as far as the disk still lets a part be taken back; also when somebody
        else holds the file's lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    file = os.open(path, _FOUND, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):  # a pipe, a terminal, /dev/null
            _write(file, line + b"\n")
            return
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _append(file, line)
        reached("topic_file.written")
        os.fsync(file)
        reached("topic_file.synced")
    finally:
        os.close(file)
    if is_new:
        _keep_name(path.parent)


def _append(file: int, line: bytes) -> None:
    end = os.fstat(file).st_size
    torn = end > 0 and _last_byte(file, end) != b"\n"
    try:
        _write(file, (b"\n" if torn else b"") + line + b"\n")
    except OSError:
        os.ftruncate(file, end)
        raise


def _last_byte(file: int, end: int) -> bytes:
    """Return the last byte of the file; it is open for appending only, so it is opened again."""
    again = os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(again, 1, end - 1)
    finally:
        os.close(again)


def _write(file: int, line: bytes) -> None:
    written = os.write(file, line)
    if written != len(line):
        raise OSError(None, f"only {written} of {len(line)} bytes were written")


def _keep_name(folder: Path) -> None:
    """Make the founding of a file in ``folder`` survive a power cut."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
