import asyncio

from imm_ray.api.readiness import REMEMBERED_S, Readiness


class Part:
    """Works, or fails, or hangs; counts how often it was asked."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hangs = False
        self.asked = 0

    async def check(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


def test_every_part_must_work() -> None:
    async def job() -> None:
        store, models = Part(), Part()
        now = 0.0
        checks = {"store": store.check, "models": models.check}
        readiness = Readiness(checks, patience_s=0.05, clock=lambda: now)
        assert await readiness.is_ready()
        models.error = RuntimeError("no replica")
        assert await readiness.is_ready()  # as a moment ago
        now += REMEMBERED_S
        assert not await readiness.is_ready()
        models.error = None
        store.hangs = True
        now += REMEMBERED_S
        assert not await readiness.is_ready()
        store.hangs = False
        now += REMEMBERED_S
        assert await readiness.is_ready()

    asyncio.run(job())


def test_a_crowd_that_asks_costs_one_question() -> None:
    async def job() -> None:
        part = Part()
        readiness = Readiness({"store": part.check}, clock=lambda: 0.0)
        answers = await asyncio.gather(*(readiness.is_ready() for _ in range(1000)))
        assert (set(answers), part.asked) == ({True}, 1)

    asyncio.run(job())
