import asyncio
import threading
from collections.abc import Sequence

import pytest

from imm_ray.dataset.analysis import PictureAnalyzer
from imm_ray.dataset.thumbnails import Thumbnailer
from imm_ray.model import Outcome, Refused, Source
from imm_ray.runtime.embedder import LONGEST_CALL_S, Replica, ReplicaStuck


class NoThumbnails(Thumbnailer):
    """Makes none."""

    def __init__(self) -> None:
        pass


NO_THUMBNAILS = NoThumbnails()


class Hanging(PictureAnalyzer):
    """Analyses nothing until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def analyze_many(self, sources: Sequence[Source]) -> list[Outcome]:
        self.begun.set()
        self.let_go.wait()
        return [Refused("No.") for _ in sources]


def test_a_call_that_hangs_makes_the_replica_unhealthy() -> None:
    now = 0.0
    analyzer = Hanging()
    replica = Replica(analyzer, NO_THUMBNAILS, clock=lambda: now)

    async def story() -> None:
        nonlocal now
        call = asyncio.create_task(replica.embed([Source(uri="oss://b/x")]))
        await asyncio.to_thread(analyzer.begun.wait)
        now = LONGEST_CALL_S
        replica.check_health()
        now += 1
        with pytest.raises(ReplicaStuck):
            replica.check_health()
        analyzer.let_go.set()
        assert await call == [Refused("No.")]
        replica.check_health()

    asyncio.run(story())
