"""Nonces that the store could not take: kept in memory, so that reads go on, and nothing else."""

import threading
from datetime import datetime
from itertools import islice

from imm_ray.errors import ServiceUnavailable, SignatureNonceUsed
from imm_ray.store.nonces import KEPT

_MOST = 100_000


class NonceShelter:
    """Remembers nonces while the store is full or can only be read.

    Notes
    -----
    It is this process's alone: within the 31 minutes for which a nonce counts, a read that was
    answered during an outage could be repeated at another replica or after a restart. A read
    changes nothing; a write is never taken without the store, and one that was refused is not taken
    later, when the store has room again.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._seen: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def refuse_used(self, access_key_id: str, nonce: str) -> None:
        """Return when a nonce is not here.

        Raises
        ------
        SignatureNonceUsed
        """
        if (access_key_id, nonce) in self._seen:
            raise SignatureNonceUsed()

    def remember(self, access_key_id: str, nonce: str, now: datetime) -> None:
        """Take a nonce in.

        Raises
        ------
        SignatureNonceUsed
            It is here already.
        ServiceUnavailable
            There are too many.
        """
        with self._lock:
            self.refuse_used(access_key_id, nonce)
            self._forget_old(now)
            if len(self._seen) >= self._most:
                raise ServiceUnavailable(
                    "The store takes nothing, and no more requests can be remembered without it; "
                    "try again."
                )
            self._seen[access_key_id, nonce] = now

    def _forget_old(self, now: datetime) -> None:
        for key in list(islice(self._seen, 2)):  # the oldest stand first; one comes, two may go
            if self._seen[key] < now - KEPT:
                del self._seen[key]
