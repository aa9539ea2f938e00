"""A service that leaves its dataset while somebody asks."""

import asyncio
from threading import Event

import pytest

from imm_ray.dataset.reception import Reception
from imm_ray.dataset.service import DatasetService, EngineClosed
from imm_ray.model import DatasetId, Found, Search
from imm_ray.testing import near, random_vector
from tests.unit.dataset.owner import DIMENSION, Owner
from tests.unit.dataset.photos import portraits

HERE = DatasetId("here")


def service_of(owner: Owner) -> DatasetService:
    return DatasetService(owner.engine, owner.embedder, retry_s=0)


def like_ann() -> Search:
    return Search(faces=(near(random_vector("ann", DIMENSION), "x", 0.99),), faces_each=5)


@pytest.fixture
def ann(owner: Owner) -> Owner:
    owner.index(portraits("ann", 3))
    owner.cluster()
    return owner


def test_who_asks_while_the_service_looks_whether_to_leave_is_answered(
    ann: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_of(ann)
    leave = ann.engine.leave

    async def story() -> Found:
        loop = asyncio.get_running_loop()
        asked: list[asyncio.Task[Found]] = []

        def look() -> bool:
            """Let somebody ask, and end the look when the question waits for its turn."""
            waits = Event()

            def ask() -> None:
                asked.append(asyncio.create_task(service.search(like_ann())))
                loop.call_soon(waits.set)

            if not asked:
                loop.call_soon_threadsafe(ask)
                assert waits.wait(10)
            return leave()

        monkeypatch.setattr(ann.engine, "leave", look)
        await service.run(idle_s=0)
        service.close()
        return await asked[0]

    assert asyncio.run(story()).faces[0].nearest


def test_a_service_that_has_left_answers_nobody(ann: Owner) -> None:
    async def story() -> None:
        service = service_of(ann)
        await service.run(idle_s=0)
        with pytest.raises(EngineClosed):
            await service.search(like_ann())
        service.close()
        with pytest.raises(EngineClosed):
            await service.search(like_ann())

    asyncio.run(story())


def test_who_asks_one_that_leaves_is_answered_by_its_successor(ann: Owner) -> None:
    services: dict[DatasetId, DatasetService] = {}

    class Leaving(DatasetService):
        async def search(self, wanted: Search) -> Found:
            del services[HERE]
            raise EngineClosed

    async def story() -> None:
        loop = asyncio.get_running_loop()

        def ring(dataset_id: DatasetId) -> None:
            services[dataset_id] = service_of(ann)
            loop.call_soon(reception.arrived, dataset_id)

        reception = Reception(services, ring)
        services[HERE] = Leaving(ann.engine, ann.embedder)
        assert (await reception.search(HERE, like_ann())).faces[0].nearest
        services[HERE].close()

    asyncio.run(story())


def test_one_that_has_left_and_stays_is_not_asked_for_ever(ann: Owner) -> None:
    async def story() -> None:
        left = service_of(ann)
        await left.run(idle_s=0)
        with pytest.raises(EngineClosed):
            await Reception({HERE: left}, lambda dataset_id: None).search(HERE, like_ann())
        left.close()

    asyncio.run(story())
