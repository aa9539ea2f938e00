"""The folder of ``--data``: locked by one server, home of the database and of its first key."""

import fcntl
import json
import os
import secrets
import time
from pathlib import Path
from types import TracebackType

PATIENCE_S = 15.0
"""How long a server waits for a predecessor that is going away."""

_POLL_S = 0.1


class InUse(Exception):
    """Another process holds what this one needs; the text says which."""


class DataFolder:
    """Holds the exclusive lock of a data folder.

    Notes
    -----
    The lock is the kernel's (``flock``), so it is free the moment its holder is dead; the file's
    text (the holder's pid) is only for people.
    """

    def __init__(self, path: Path, *, patience_s: float = PATIENCE_S) -> None:
        self.path = path
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(0o700)  # a folder that was there keeps the mode that its owner chose
        self._file = (path / "lock").open("a+")
        deadline = time.monotonic() + patience_s
        while not self._try_lock():
            if time.monotonic() >= deadline:
                self._file.seek(0)
                holder = self._file.read().strip()
                self._file.close()
                raise InUse(
                    f"the data folder {path} is in use by process {holder or 'unknown'}: "
                    "stop it, or give another folder with --data"
                )
            time.sleep(_POLL_S)
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def credentials(self) -> tuple[str, str]:
        """Return the access key id and secret of ``credentials.json``, made at the first call."""
        path = self.path / "credentials.json"
        if not path.exists():
            made = {
                "access_key_id": f"IMMRAY{secrets.token_hex(8).upper()}",
                "access_key_secret": secrets.token_urlsafe(32),
            }
            _write_private(path, json.dumps(made, indent=2) + "\n")
        found = json.loads(path.read_text())
        return found["access_key_id"], found["access_key_secret"]

    def ray_token(self) -> Path:
        """Return the path of the secret that Ray's own ports ask for, made at the first call."""
        path = self.path / "ray-token"
        if not path.exists():
            _write_private(path, secrets.token_hex(32))
        return path

    def close(self) -> None:
        """Release the lock."""
        self._file.close()

    def __enter__(self) -> "DataFolder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
