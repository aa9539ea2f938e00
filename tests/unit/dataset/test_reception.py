"""Questions wait for the service of their dataset."""

import asyncio
from collections.abc import Callable
from threading import Event

import pytest

from imm_ray.dataset.reception import Reception
from imm_ray.dataset.service import DatasetService
from imm_ray.model import DatasetId, Found, Search
from imm_ray.store.ownership import DatasetGone
from tests.unit.dataset.owner import Owner

HERE = DatasetId("here")


class Host:
    """Starts services when it is told to."""

    def __init__(self, make: Callable[[], DatasetService]) -> None:
        self.rung: list[DatasetId] = []
        self.services: dict[DatasetId, DatasetService] = {}
        self.reception = Reception(self.services, self.rung.append)
        self._make = make

    async def start(self) -> "asyncio.Task[bool]":
        service = self.services[HERE] = self._make()
        self.reception.arrived(HERE)
        running = asyncio.create_task(service.run(idle_s=60))
        await asyncio.sleep(0)
        return running


@pytest.fixture
def host(owner: Owner) -> Host:
    return Host(lambda: DatasetService(owner.engine, owner.embedder, retry_s=0))


def test_a_question_starts_the_service_and_waits_for_it(host: Host) -> None:
    async def story() -> None:
        asked = [asyncio.create_task(host.reception.search(HERE, Search())) for _ in range(2)]
        await asyncio.sleep(0)
        assert host.rung == [HERE, HERE]
        running = await host.start()
        assert await asyncio.gather(*asked) == [Found(), Found()]
        assert await host.reception.search(HERE, Search()) == Found()
        assert len(host.rung) == 2
        running.cancel()
        host.services[HERE].close()

    asyncio.run(story())


def test_one_who_gives_up_takes_nobody_along(host: Host) -> None:
    async def story() -> None:
        first = asyncio.create_task(host.reception.search(HERE, Search()))
        second = asyncio.create_task(host.reception.search(HERE, Search()))
        await asyncio.sleep(0)
        first.cancel()
        running = await host.start()
        assert await second == Found()
        assert first.cancelled()
        running.cancel()
        host.services[HERE].close()

    asyncio.run(story())


def test_a_dataset_that_is_gone_is_told(host: Host) -> None:
    async def story() -> None:
        asked = asyncio.create_task(host.reception.search(HERE, Search()))
        await asyncio.sleep(0)
        host.reception.gone(HERE)
        with pytest.raises(DatasetGone):
            await asked

    asyncio.run(story())


def test_a_question_that_is_given_up_before_its_turn_is_never_put(owner: Owner) -> None:
    put: list[Search] = []
    owner.engine.search = lambda wanted: put.append(wanted) or Found()  # type: ignore[func-returns-value,method-assign]  # records

    async def story() -> None:
        service = DatasetService(owner.engine, owner.embedder, retry_s=0)
        let_go = Event()
        busy = asyncio.create_task(service._call(let_go.wait))
        asked = asyncio.create_task(service.search(Search()))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        let_go.set()
        await busy
        assert await service.search(Search()) == Found()
        service.close()

    asyncio.run(story())
    assert len(put) == 1


def test_a_question_that_fails_does_not_stop_the_engine(owner: Owner) -> None:
    def fail(wanted: Search) -> Found:
        raise ZeroDivisionError

    owner.engine.search = fail  # type: ignore[method-assign]  # a fault in a search

    async def story() -> None:
        service = DatasetService(owner.engine, owner.embedder, retry_s=0)
        with pytest.raises(ZeroDivisionError):
            await service.search(Search())
        await service.drain()
        service.close()

    asyncio.run(story())
