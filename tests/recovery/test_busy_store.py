"""A store that is busy for long is nobody's fault: no task is given up for it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from imm_ray.dataset.engine import DatasetEngine
from imm_ray.errors import ThrottledUser
from imm_ray.model import Task, TaskStatus
from imm_ray.store.ownership import Lease
from tests.unit.dataset.hosting import Gate, World, leave, until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, give_up_attempts=2, give_up_after_s=0, drain_s=0.1)
    yield world
    world.close()


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 100))


def test_a_run_that_a_busy_store_stops_again_and_again_costs_no_task(world: World) -> None:
    dataset_id = world.make()
    world.index(dataset_id, 2)
    task_id = world.ask(dataset_id)
    stopped = 0

    def spoil(engine: DatasetEngine) -> None:
        run_task = engine._runs.run_task

        def run(task: Task) -> None:
            nonlocal stopped
            if stopped < 2:
                stopped += 1
                world.clock.advance(timedelta(seconds=60))
                raise ThrottledUser("The database is busy; try again.")
            run_task(task)

        engine._runs.run_task = run  # type: ignore[method-assign]  # what a test is for

    async def story() -> None:
        world.spoil = spoil
        host = world.host()
        host.ring(dataset_id)
        await until(lambda: world.has_ended(dataset_id, task_id))
        await leave(host)

    play(story)
    assert stopped == 2
    assert world.task(dataset_id, task_id).status is TaskStatus.SUCCEEDED


def test_a_dataset_that_can_not_be_released_keeps_no_other(world: World) -> None:
    """Both engines are at work when the time to drain is over; one release is refused."""
    both = [world.make(), world.make()]
    gates = {dataset_id: Gate() for dataset_id in both}
    released = threading.Event()

    def spoil(engine: DatasetEngine) -> None:
        engine.load = gates[engine.dataset_id].wait  # type: ignore[method-assign]

    async def story() -> None:
        world.spoil = spoil
        host = world.host()
        release = host._opening.release

        def refuse_once(lease: Lease) -> None:
            if not released.is_set():
                released.set()
                raise ThrottledUser("The database is busy; try again.")
            release(lease)

        host._opening.release = refuse_once  # type: ignore[method-assign]
        for dataset_id in both:
            host.ring(dataset_id)
        await until(lambda: all(gate.reached.is_set() for gate in gates.values()))
        await host.drain()
        for gate in gates.values():
            gate.opened.set()
        await asyncio.to_thread(host.close)

    play(story)
    assert sorted(world.owner(dataset_id).lease_until == 0.0 for dataset_id in both) == [0, 1]
