"""Access keys that change while the service runs: their files are read again when they change."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError

from imm_ray.api.keyring import AccessKey, KeyRing, key_of, keys_by_id
from imm_ray.settings import Auth, User, read_users

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0

_State: TypeAlias = Mapping[Path, tuple[int, int, int] | None]


def open_key_ring(auth: Auth, *, monotonic: Callable[[], float] = time.monotonic) -> KeyRing:
    """Return the keys of ``auth``; those that come from files follow their files.

    Raises
    ------
    ValueError
        A user is not valid, or the file of its secret can not be read.
    """
    if auth.users_file is None and not _files(auth.users):
        return KeyRing.of_users(auth.users)
    return RotatingKeyRing(auth, monotonic=monotonic)


class RotatingKeyRing(KeyRing):
    """The keys of ``auth.users_file`` and of the users' secret files, as they are now.

    Notes
    -----
    At most once a second a request looks at the files (time of change, size, inode). After a change
    all are read again; a key that is not there any more is unknown at once. If one of them is
    missing, broken or empty, all keys stay as they are and the log says why, without a word of
    what stands in the files; they are looked at again when a file changes. So a rotation is best
    written to a new file that is renamed over the old one.
    """

    def __init__(self, auth: Auth, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(())
        self._auth = auth
        self._users = auth.users
        self._monotonic = monotonic
        self._lock = threading.Lock()
        try:
            self._read()
        except (OSError, ValueError) as error:
            if auth.users_file is None:
                raise
            # A replica that starts again while the file is broken has the keys of the first start.
            logger.error("access keys are those of the start: %s", _without_secrets(error))
            self._keys = keys_by_id(map(key_of, auth.users))
        self._look_at = monotonic() + _LOOK_EVERY_S

    def _current(self) -> Mapping[str, AccessKey]:
        now = self._monotonic()
        if now >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._look_at = now + _LOOK_EVERY_S
                if self._look() != self._seen:
                    self._read_again()
            finally:
                self._lock.release()
        return self._keys

    def _read_again(self) -> None:
        try:
            self._read()
        except (OSError, ValueError) as error:
            logger.error("access keys stay as they were: %s", _without_secrets(error))
            return
        logger.info("access keys were read again: keys=%d", len(self._keys))

    def _read(self) -> None:
        # What files are like is noted before they are read: a change in between is seen later.
        before = self._seen = self._look()
        if self._auth.users_file is not None:
            self._users = read_users(self._auth.users_file)
            self._seen = {file: before.get(file, state) for file, state in self._look().items()}
        self._keys = keys_by_id(map(key_of, self._users))

    def _look(self) -> _State:
        own = () if self._auth.users_file is None else (self._auth.users_file,)
        return _look_at([*own, *_files(self._users)])


def _files(users: Iterable[User]) -> list[Path]:
    return [
        user.access_key_secret_file for user in users if user.access_key_secret_file is not None
    ]


def _look_at(files: Iterable[Path]) -> _State:
    return {file: _state(file) for file in files}


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _without_secrets(error: OSError | ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
