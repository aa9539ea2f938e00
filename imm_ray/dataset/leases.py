"""Keeps the leases of a host: renewed in time by a thread that does nothing else."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from imm_ray.crash_point import reached
from imm_ray.model import DatasetId
from imm_ray.store import ownership
from imm_ray.store.database import Database
from imm_ray.store.outage import interruption_of
from imm_ray.store.ownership import LEASE_S, RENEW_S, DatasetGone, Fenced, Lease

_AT_ONCE = 100

_log = structlog.get_logger(__name__)


class Holder(Protocol):
    """Who works under a lease. Called from the thread of the leases."""

    def gone(self) -> None:
        """Hear that the dataset was deleted."""

    def pause(self) -> None:
        """Commit nothing more: nobody knows for how long the lease has not been renewed."""

    def resume(self) -> None:
        """Go on: the lease is renewed, and nobody has taken the dataset."""


@dataclass(slots=True)
class _Held:
    lease: Lease
    holder: Holder
    renewed_at: float
    is_paused: bool = False


class Leases:
    """Renews leases from a thread of its own, which no engine can hold up.

    Parameters
    ----------
    fenced
        Called, from that thread, when another owner has a dataset whose lease is held here.
    monotonic
        Returns seconds that never go back.

    Notes
    -----
    While the store is away the renewal is tried again and again. When a lease would have lapsed its
    holder is told to `Holder.pause`, for the epoch alone would refuse what it wants to commit.
    """

    def __init__(
        self,
        database: Database,
        fenced: Callable[[Fenced], None],
        *,
        every_s: float = RENEW_S,
        lease_s: float = LEASE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._fenced = fenced
        self._every_s = every_s
        self._lease_s = lease_s
        self._monotonic = monotonic
        self._held: dict[DatasetId, _Held] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="imm-ray-leases", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def close(self) -> None:
        """Renew nothing more."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def add(self, lease: Lease, holder: Holder) -> None:
        """Renew a lease that was just taken from now on."""
        with self._lock:
            self._held[lease.dataset_id] = _Held(lease, holder, self._monotonic())

    def remove(self, lease: Lease) -> None:
        """Renew it no more."""
        with self._lock:
            if self._is_held(lease):
                del self._held[lease.dataset_id]

    def held(self) -> list[Lease]:
        """Return the leases that are renewed."""
        with self._lock:
            return [held.lease for held in self._held.values()]

    def renew(self) -> None:
        """Renew all leases once."""
        with self._lock:
            held = list(self._held.values())
        for start in range(0, len(held), _AT_ONCE):
            self._renew(held[start : start + _AT_ONCE])

    def _loop(self) -> None:
        while not self._closed.wait(self._every_s):
            self.renew()

    def _renew(self, part: Sequence[_Held]) -> None:
        begun = self._monotonic()
        try:
            reached("lease.renewal_begun")
            with self._database.write() as tx:
                lost = ownership.renew_all(tx, [held.lease for held in part])
            reached("lease.renewed")
        except Exception as error:  # noqa: BLE001 - tried again, and then without us
            why = interruption_of(error) or repr(error)
            _log.error("leases not renewed", leases=len(part), why=why)
            self._pause(part)
            return
        for held in part:
            if (loss := lost.get(held.lease.dataset_id)) is None:
                self._renewed(held, begun)
            else:
                self._lose(held, loss)

    def _renewed(self, held: _Held, at: float) -> None:
        held.renewed_at = at
        if held.is_paused:
            held.is_paused = False
            _log.info("lease renewed again", dataset_id=held.lease.dataset_id)
            held.holder.resume()

    def _pause(self, part: Sequence[_Held]) -> None:
        for held in part:
            if not held.is_paused and self._monotonic() - held.renewed_at >= self._lease_s:
                held.is_paused = True
                _log.error("lease lapsed", dataset_id=held.lease.dataset_id)
                held.holder.pause()

    def _lose(self, held: _Held, why: Fenced) -> None:
        with self._lock:
            if not self._is_held(held.lease):
                return  # it was given back while this thread renewed
            del self._held[held.lease.dataset_id]
        if isinstance(why, DatasetGone):
            held.holder.gone()
        else:
            held.holder.pause()
            self._fenced(why)

    def _is_held(self, lease: Lease) -> bool:
        held = self._held.get(lease.dataset_id)
        return held is not None and held.lease is lease
