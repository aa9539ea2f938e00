"""Which datasets are in memory: as many as there is room for, and each in its turn."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from imm_ray.model import DatasetId


class Guest(Protocol):
    """A dataset in memory."""

    @property
    def is_resting(self) -> bool:
        """Whether it has nothing to do."""

    @property
    def used_at(self) -> float:
        """When it was last rung or asked, by the event loop's time."""

    @property
    def size_bytes(self) -> int:
        """The memory that it takes, about."""

    def part(self) -> None:
        """Leave at the next quiet point, even if there is work left; it comes back for that."""


@dataclass(slots=True)
class _Seat:
    since: float
    size_bytes: int
    guest: Guest | None = None
    is_parting: bool = False

    @property
    def size(self) -> int:
        return self.size_bytes if self.guest is None else max(1, self.guest.size_bytes)

    @property
    def is_resting(self) -> bool:
        return self.guest is not None and self.guest.is_resting


class Slots:
    """Lets datasets in, in the order in which they come, and asks others to leave for them.

    Those that rest leave first, the least recently used before the others. When all are busy, those
    leave that have had their slice of time, the longest first. So nobody waits for ever, and nobody
    leaves while nobody waits.

    Parameters
    ----------
    most
        Datasets in memory at once.
    most_bytes
        Their memory; a dataset that is larger than this is let in when there is no other.
    slice_s
        How long a busy one may stay while others wait.

    Notes
    -----
    Belongs to one event loop. Whoever begins to rest must say so (`look`).
    """

    def __init__(self, most: int, most_bytes: int, slice_s: float) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._slice_s = slice_s
        self._seats: dict[DatasetId, _Seat] = {}
        self._waiting: OrderedDict[DatasetId, tuple[asyncio.Future[None], int]] = OrderedDict()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def active(self) -> int:
        """How many datasets are in memory."""
        return len(self._seats)

    @property
    def waiting(self) -> int:
        """How many datasets wait to be let in."""
        return len(self._waiting)

    @property
    def used_bytes(self) -> int:
        """The memory of those that are in, about."""
        return sum(seat.size for seat in self._seats.values())

    @asynccontextmanager
    async def seat(self, dataset_id: DatasetId, size_bytes: int) -> AsyncIterator[None]:
        """Hold a seat for a dataset of about ``size_bytes`` within the block."""
        await self._enter(dataset_id, size_bytes)
        try:
            yield
        finally:
            del self._seats[dataset_id]
            self.look()

    def sit(self, dataset_id: DatasetId, guest: Guest) -> None:
        """Make known who has the seat of a dataset."""
        self._seats[dataset_id].guest = guest
        self.look()

    def look(self) -> None:
        """Let in who can be let in; see who could make room for the next."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._waiting:
            dataset_id, (let_in, size) = next(iter(self._waiting.items()))
            if not self._fits(size, self._seats.values()):
                self._make_room(size)
                return
            del self._waiting[dataset_id]
            if not let_in.done():
                self._seats[dataset_id] = _Seat(asyncio.get_running_loop().time(), size)
                let_in.set_result(None)

    async def _enter(self, dataset_id: DatasetId, size: int) -> None:
        let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[dataset_id] = (let_in, size)
        self.look()
        try:
            await let_in
        except asyncio.CancelledError:
            self._waiting.pop(dataset_id, None)
            if let_in.done() and not let_in.cancelled():
                del self._seats[dataset_id]
            self.look()
            raise

    def _fits(self, size: int, seats: Iterable[_Seat]) -> bool:
        taken = list(seats)
        used = sum(seat.size for seat in taken)
        return not taken or (len(taken) < self._most and used + size <= self._most_bytes)

    def _make_room(self, size: int) -> None:
        """Ask so many to leave that ``size`` fits when they have; wait for slices to end."""
        loop = asyncio.get_running_loop()
        staying = [seat for seat in self._seats.values() if not seat.is_parting]
        resting = sorted((s for s in staying if s.is_resting), key=_used_at)
        busy = sorted((s for s in staying if not s.is_resting), key=lambda seat: seat.since)
        for seat in (*resting, *busy):
            if self._fits(size, staying):
                return
            left_s = seat.since + self._slice_s - loop.time()
            if not seat.is_resting and (seat.guest is None or left_s > 0):
                self._alarm = loop.call_later(max(left_s, self._slice_s / 10), self.look)
                return
            assert seat.guest is not None
            seat.is_parting = True
            staying.remove(seat)
            seat.guest.part()


def _used_at(seat: _Seat) -> float:
    return seat.guest.used_at if seat.guest is not None else seat.since
