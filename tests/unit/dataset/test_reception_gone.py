"""A dataset that goes while nobody waits for it any more."""

import asyncio
import gc

from imm_ray.dataset.reception import Reception
from imm_ray.model import DatasetId, Search

HERE = DatasetId("here")


def test_nothing_is_complained_of_when_all_who_asked_have_gone() -> None:
    complaints: list[str] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
        reception = Reception({}, lambda dataset_id: None)
        asked = asyncio.create_task(reception.search(HERE, Search()))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        reception.gone(HERE)
        gc.collect()

    asyncio.run(story())
    assert complaints == []
