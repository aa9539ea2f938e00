"""Room for datasets: never too many, never too large together, and everybody's turn comes."""

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.dataset.slots import Slots
from imm_ray.model import DatasetId

MOST, MOST_BYTES = 3, 100


class Visitor:
    """Stays until it is asked to leave."""

    is_resting = False
    used_at = 0.0

    def __init__(self, size_bytes: int, *, is_resting: bool = False) -> None:
        self.size_bytes = size_bytes
        self.is_resting = is_resting
        self.asked = asyncio.Event()

    def part(self) -> None:
        self.asked.set()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 150), st.booleans()), min_size=1, max_size=12))
def test_everybody_is_let_in_once_and_never_too_many(
    visitors: Sequence[tuple[int, bool]],
) -> None:
    inside: dict[str, int] = {}
    order: list[str] = []

    async def visit(slots: Slots, name: str, visitor: Visitor, all_in: asyncio.Event) -> None:
        async with slots.seat(DatasetId(name), visitor.size_bytes):
            inside[name] = visitor.size_bytes
            order.append(name)
            assert len(inside) <= MOST
            assert len(inside) == 1 or sum(inside.values()) <= MOST_BYTES
            slots.sit(DatasetId(name), visitor)
            if len(order) == len(visitors):
                all_in.set()
            waits = [asyncio.create_task(event.wait()) for event in (visitor.asked, all_in)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            del inside[name]

    async def story() -> None:
        slots = Slots(MOST, MOST_BYTES, 0.0001)
        people = [Visitor(size, is_resting=rests) for size, rests in visitors]
        all_in = asyncio.Event()
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for number, person in enumerate(people):
                group.create_task(visit(slots, str(number), person, all_in))
        assert (slots.active, slots.waiting, slots.used_bytes) == (0, 0, 0)

    asyncio.run(story())
    assert order == [str(number) for number in range(len(visitors))]


def test_nobody_is_asked_to_leave_while_nobody_waits() -> None:
    async def story() -> None:
        slots = Slots(1, MOST_BYTES, 0.0001)
        only = Visitor(10, is_resting=True)
        async with slots.seat(DatasetId("only"), 10):
            slots.sit(DatasetId("only"), only)
            await asyncio.sleep(0.01)
            assert not only.asked.is_set()

    asyncio.run(story())


def test_a_busy_one_stays_for_its_slice_and_a_resting_one_does_not() -> None:
    async def story() -> None:
        slots = Slots(2, MOST_BYTES, 3600)
        busy, rests = Visitor(10), Visitor(10, is_resting=True)
        async with slots.seat(DatasetId("busy"), 10), slots.seat(DatasetId("rests"), 10):
            slots.sit(DatasetId("busy"), busy)
            slots.sit(DatasetId("rests"), rests)
            waiting = asyncio.create_task(slots.seat(DatasetId("new"), 10).__aenter__())
            await rests.asked.wait()
            assert not busy.asked.is_set()
            waiting.cancel()
            await asyncio.wait([waiting])
            assert slots.waiting == 0

    asyncio.run(story())
