"""A dataset in the memory of a host, as its lease, its slot and its doorbell see it."""

import asyncio
from collections.abc import Callable

from imm_ray.dataset.service import DatasetService, Parting


class Resident:
    """One service, with when it was last used (implements ``Holder`` and ``Guest``)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._service: DatasetService | None = None
        self.used_at = loop.time()
        """When it was last rung or asked."""

    def move_in(self, service: DatasetService) -> None:
        """Make known what serves the dataset."""
        self._service = service

    @property
    def is_resting(self) -> bool:
        """Whether it has nothing to do."""
        return self._service is not None and self._service.is_resting

    @property
    def size_bytes(self) -> int:
        """The memory that it takes, about."""
        return 0 if self._service is None else self._service.size_bytes

    def ring(self) -> None:
        """Say that there may be work."""
        self.used_at = self._loop.time()
        if self._service is not None:
            self._service.ring()

    def part(self) -> None:
        """Leave at the next quiet point, for others."""
        if self._service is not None:
            self._service.part(Parting.FOR_OTHERS)

    def part_for_good(self) -> None:
        """Leave at the next quiet point, so that any cluster may take the dataset."""
        if self._service is not None:
            self._service.part(Parting.FOR_GOOD)

    def gone(self) -> None:
        """Have the service find that its dataset was deleted."""
        self._soon(lambda service: service.ring())

    def pause(self) -> None:
        """Commit nothing more for a while."""
        self._soon(lambda service: service.pause())

    def resume(self) -> None:
        """Go on."""
        self._soon(lambda service: service.resume())

    def _soon(self, tell: Callable[[DatasetService], None]) -> None:
        def call() -> None:
            if self._service is not None:
                tell(self._service)

        self._loop.call_soon_threadsafe(call)
