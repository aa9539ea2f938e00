"""Where questions wait for the service of their dataset. Belongs to one event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from imm_ray.dataset.service import DatasetService, EngineClosed
from imm_ray.model import DatasetId, Explained, Found, Pair, Search
from imm_ray.store.ownership import DatasetGone

T = TypeVar("T")


class Reception:
    """Passes questions on to the services of a host, and has a missing one started.

    Parameters
    ----------
    services
        The services that run; their host adds and removes them, and tells `arrived` and `gone`.
    ring
        Starts the service of a dataset, if none runs.
    """

    def __init__(
        self,
        services: Mapping[DatasetId, DatasetService],
        ring: Callable[[DatasetId], None],
    ) -> None:
        self._services = services
        self._ring = ring
        self._waiting: dict[DatasetId, asyncio.Future[DatasetService]] = {}

    def arrived(self, dataset_id: DatasetId) -> None:
        """Say that a service has been added; its first engine call must be on its way."""
        if (waiting := self._waiting.pop(dataset_id, None)) is not None:
            waiting.set_result(self._services[dataset_id])

    def gone(self, dataset_id: DatasetId) -> None:
        """Say that there is no such dataset any more."""
        self.refused(dataset_id, DatasetGone(f"dataset {dataset_id} does not exist"))

    def refused(self, dataset_id: DatasetId, why: Exception) -> None:
        """Say that no service comes at the moment."""
        if (waiting := self._waiting.pop(dataset_id, None)) is not None:
            waiting.set_exception(why)
            waiting.exception()  # asked for: who waited may have gone, and asyncio would complain

    async def search(self, dataset_id: DatasetId, wanted: Search) -> Found:
        """Return what is nearest among what is indexed."""
        return await self._asked(dataset_id, lambda service: service.search(wanted))

    async def explain(self, dataset_id: DatasetId, pair: Pair) -> Explained | None:
        """Return why two items are in one cluster or not."""
        return await self._asked(dataset_id, lambda service: service.explain(pair))

    async def _asked(
        self, dataset_id: DatasetId, ask: Callable[[DatasetService], Awaitable[T]]
    ) -> T:
        """Ask the service of a dataset; one that leaves just then has a successor, which is asked.

        A host removes a service in the step of the event loop in which it leaves.
        """
        while True:
            service = await self._service(dataset_id)
            try:
                return await ask(service)
            except EngineClosed:
                if self._services.get(dataset_id) is service:
                    raise

    async def _service(self, dataset_id: DatasetId) -> DatasetService:
        if (service := self._services.get(dataset_id)) is not None:
            return service
        waiting = self._waiting.get(dataset_id)
        if waiting is None:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting[dataset_id] = waiting
        self._ring(dataset_id)
        return await asyncio.shield(waiting)
