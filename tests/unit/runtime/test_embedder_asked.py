"""Few threads look into pictures for clients: one that hangs is not waited for long."""

import asyncio

import pytest

from imm_ray.model import Source
from imm_ray.runtime.embedder import LONGEST_ASKED_S, LONGEST_CALL_S, Replica, ReplicaStuck
from tests.unit.runtime.test_embedder import NO_THUMBNAILS, Hanging


def test_a_look_that_hangs_is_noticed_long_before_a_chunk() -> None:
    now = 0.0
    analyzer = Hanging()
    replica = Replica(analyzer, NO_THUMBNAILS, clock=lambda: now)

    async def story() -> None:
        nonlocal now
        asked = asyncio.create_task(replica.look(Source(uri="oss://b/x", media_type="image")))
        await asyncio.to_thread(analyzer.begun.wait)
        now = LONGEST_ASKED_S
        replica.check_health()
        now += 1
        with pytest.raises(ReplicaStuck):
            replica.check_health()
        analyzer.let_go.set()
        await asked
        replica.check_health()

    asyncio.run(story())
    assert LONGEST_ASKED_S * 10 < LONGEST_CALL_S
