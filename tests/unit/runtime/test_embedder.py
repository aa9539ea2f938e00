import asyncio
import threading
from collections.abc import Sequence

import pytest

from imm_ray.dataset.analysis import PictureAnalyzer
from imm_ray.dataset.thumbnails import Thumbnailer
from imm_ray.model import Outcome, Picture, Refused, Source
from imm_ray.runtime.embedder import LONGEST_CALL_S, MOST_ASKED, Replica, ReplicaStuck


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

    def look(self, picture: Picture) -> Outcome:
        assert isinstance(picture, Source)
        return self.analyze_many([picture])[0]


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


def test_who_asks_does_not_wait_behind_the_indexing() -> None:
    class Busy(Hanging):
        def look(self, picture: Picture) -> Outcome:
            return Refused("Seen.")

    analyzer = Busy()
    replica = Replica(analyzer, NO_THUMBNAILS)

    async def story() -> None:
        calls = [asyncio.create_task(replica.embed([Source(uri="oss://b/x")])) for _ in range(3)]
        await asyncio.to_thread(analyzer.begun.wait)
        assert await replica.look(Source(uri="oss://b/y")) == Refused("Seen.")
        analyzer.let_go.set()
        await asyncio.gather(*calls)

    asyncio.run(story())


def test_more_than_can_be_answered_are_sent_away() -> None:
    analyzer = Hanging()
    replica = Replica(analyzer, NO_THUMBNAILS)

    async def story() -> None:
        waiting = [
            asyncio.create_task(replica.look(Source(uri="oss://b/x"))) for _ in range(MOST_ASKED)
        ]
        await asyncio.sleep(0)
        refused = await replica.look(Source(uri="oss://b/y"))
        assert refused == Refused("Too many requests look into pictures.", transient=True)
        analyzer.let_go.set()
        assert await asyncio.gather(*waiting) == [Refused("No.")] * MOST_ASKED
        assert await replica.look(Source(uri="oss://b/y")) == Refused("No.")

    asyncio.run(story())


def test_a_look_that_nobody_waits_for_any_more_does_not_make_the_replica_stuck() -> None:
    now = 0.0
    analyzer = Hanging()
    replica = Replica(analyzer, NO_THUMBNAILS, clock=lambda: now)

    async def story() -> None:
        nonlocal now
        asked = asyncio.create_task(replica.look(Source(uri="oss://b/x")))
        await asyncio.to_thread(analyzer.begun.wait)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        analyzer.let_go.set()
        await replica.look(Source(uri="oss://b/y"))
        await replica.look(Source(uri="oss://b/z"))
        now = LONGEST_CALL_S + 1
        replica.check_health()

    asyncio.run(story())
