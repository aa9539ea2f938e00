"""Many datasets in one process: room, turns, leaving and coming back."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from imm_ray.crash_point import watched
from imm_ray.dataset.engine import DatasetEngine
from imm_ray.model import Search, Source, TaskStatus
from imm_ray.store import ownership
from imm_ray.store.ownership import HeldByNewer
from imm_ray.testing import random_vector
from tests.unit.dataset.hosting import Gate, World, leave, until

Build: TypeAlias = Callable[..., World]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    made: list[World] = []

    def one(**owners: object) -> World:
        made.append(World(tmp_path / str(len(made)), **owners))
        return made[-1]

    (tmp_path / "0").mkdir()
    yield one
    for world in made:
        world.close()


def play(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_awaited(story), 100))


async def _awaited(story: Callable[[], Awaitable[None]]) -> None:
    await story()


def test_more_datasets_than_there_is_room_for_all_have_their_turn(build: Build) -> None:
    world = build(max_active=2, slice_s=0.05)
    ids = [world.make() for _ in range(7)]
    asked = {}
    for dataset_id in ids:
        world.index(dataset_id, 2)
        asked[dataset_id] = world.ask(dataset_id)
    active: list[int] = []

    async def story() -> None:
        host = world.host()
        world.spoil = lambda engine: active.append(host.active)
        for dataset_id in ids:
            host.ring(dataset_id)
        await until(lambda: all(world.has_ended(d, t) for d, t in asked.items()))
        await leave(host)

    play(story)
    assert max(active) <= 2
    statuses = {world.task(d, t).status for d, t in asked.items()}
    assert statuses == {TaskStatus.SUCCEEDED}
    assert world.failures == []


def test_a_dataset_with_much_to_do_gives_way_and_comes_back(build: Build) -> None:
    world = build(max_active=1, slice_s=0.02)
    busy, small = world.make(), world.make()
    world.index(busy, 100)
    world.index(small, 2)
    tasks = {busy: world.ask(busy), small: world.ask(small)}
    chunks = 0

    async def story() -> None:
        ended = asyncio.Event()

        async def gate(sources: Sequence[Source]) -> None:
            nonlocal chunks
            chunks += busy in sources[0].uri
            if chunks > 4:
                await ended.wait()  # for ever, if the small one never has its turn

        world.embedder.gate = gate  # type: ignore[method-assign]  # what a test is for
        host = world.host()
        host.ring(busy)
        await until(lambda: chunks > 0)
        host.ring(small)
        await until(lambda: world.has_ended(small, tasks[small]))
        assert world.pending(busy) > 0
        ended.set()
        await until(lambda: world.has_ended(busy, tasks[busy]))
        await leave(host)

    play(story)
    assert world.pending(busy) == 0


def test_who_rests_longest_leaves_first(build: Build) -> None:
    world = build(max_active=2, slice_s=1000)
    first, second, third = (world.make() for _ in range(3))

    async def story() -> None:
        host = world.host()
        vector = Search(faces=(random_vector("x", 128),), faces_each=1)
        for dataset_id in (first, second, first, third):
            await host.search(dataset_id, vector)
            await until(lambda: all(guest.is_resting for guest in host._residents.values()))
        await until(lambda: world.owner(second).lease_until is None)
        assert world.owner(first).lease_until
        assert world.owner(third).lease_until
        await leave(host)

    play(story)


def test_a_request_that_comes_as_its_dataset_leaves_is_served(build: Build) -> None:
    """F39: acknowledged after the leaving was committed, rung while it is not over."""
    world = build(idle_s=0.01)
    dataset_id = world.make()
    tasks = [world.ask(dataset_id)]

    async def story() -> None:
        loop = asyncio.get_running_loop()
        host = world.host()

        def come(point: str) -> None:
            if point == "owner.rested" and len(tasks) < 4:
                tasks.append(world.ask(dataset_id))
                asyncio.run_coroutine_threadsafe(ring(), loop).result()

        async def ring() -> None:
            host.ring(dataset_id)

        with watched(come):
            host.ring(dataset_id)
            await until(
                lambda: len(tasks) == 4 and all(world.has_ended(dataset_id, t) for t in tasks)
            )
        await leave(host)

    play(story)


def test_a_dataset_does_not_leave_work_behind_whose_bell_was_lost(build: Build) -> None:
    world = build(idle_s=0.01)
    dataset_id = world.make()
    tasks = [world.ask(dataset_id)]

    def spoil(engine: DatasetEngine) -> None:
        go = engine.leave

        def leave_late() -> bool:
            if len(tasks) < 3:
                tasks.append(world.ask(dataset_id))  # and nobody rings
            return go()

        engine.leave = leave_late  # type: ignore[method-assign]  # what a test is for

    async def story() -> None:
        world.spoil = spoil
        host = world.host()
        host.ring(dataset_id)
        await until(lambda: len(tasks) == 3 and dataset_id not in host.at_work)
        await leave(host)

    play(story)
    assert all(world.has_ended(dataset_id, task) for task in tasks)


def test_draining_ends_the_call_under_way_and_lets_anybody_take_over(build: Build) -> None:
    world = build()
    dataset_id = world.make()
    world.index(dataset_id, 40)

    async def story() -> None:
        host = world.host(generation=5)
        host.ring(dataset_id)
        await until(lambda: 0 < world.pending(dataset_id) < 40)
        await leave(host)
        left = world.pending(dataset_id)
        assert world.owner(dataset_id).epoch == 1, "it has not come back for what is left"
        host.ring(dataset_id)
        assert host.at_work == []
        with world.database.write() as tx:
            ownership.take(tx, dataset_id, "another", 1)
        assert world.pending(dataset_id) == left

    play(story)
    assert world.fenced == []


def test_draining_does_not_wait_for_a_call_that_takes_too_long(build: Build) -> None:
    world = build(drain_s=0.1)
    dataset_id = world.make()
    task_id = world.ask(dataset_id)
    gate = Gate()

    def spoil(engine: DatasetEngine) -> None:
        run = engine.run_due_task

        def late() -> bool:
            gate.wait()
            return run()

        engine.run_due_task = late  # type: ignore[method-assign]  # what a test is for

    async def story() -> None:
        world.spoil = spoil
        host = world.host(generation=5)
        host.ring(dataset_id)
        await asyncio.to_thread(gate.reached.wait)
        await leave(host)
        with world.database.write() as tx:
            ownership.take(tx, dataset_id, "another", 1)
        gate.opened.set()

    play(story)
    assert not world.has_ended(dataset_id, task_id), "what goes on after it is fenced"


def test_an_older_cluster_leaves_a_dataset_to_the_newer_and_takes_it_back(build: Build) -> None:
    world = build()
    dataset_id = world.make()

    async def story() -> None:
        old, new = world.host("old", 1), world.host("new", 2)
        task_id = world.ask(dataset_id)
        old.ring(dataset_id)
        await until(lambda: world.has_ended(dataset_id, task_id))
        new.ring(dataset_id)
        await until(lambda: world.owner(dataset_id).host == "new")
        old.ring(dataset_id)
        await until(lambda: len(world.fenced) == 1)
        await until(lambda: dataset_id not in old.at_work)
        for _ in range(3):
            old.ring(dataset_id)
            await until(lambda: dataset_id not in old.at_work)
        vector = Search(faces=(random_vector("x", 128),), faces_each=1)
        with pytest.raises(HeldByNewer):
            await old.search(dataset_id, vector)
        assert len(world.fenced) == 1
        assert (world.owner(dataset_id).host, world.owner(dataset_id).epoch) == ("new", 2)
        await leave(new)
        task_id = world.ask(dataset_id)
        old.ring(dataset_id)
        await until(lambda: world.has_ended(dataset_id, task_id))
        assert world.owner(dataset_id).epoch == 3
        await leave(old)

    play(story)


def test_while_its_lease_may_have_lapsed_a_dataset_commits_nothing(build: Build) -> None:
    world = build()
    dataset_id = world.make()
    world.index(dataset_id, 2)

    async def story() -> None:
        host = world.host()
        host.ring(dataset_id)
        await until(lambda: world.pending(dataset_id) == 0)
        resident = host._residents[dataset_id]
        resident.pause()
        task_id = world.ask(dataset_id)
        host.ring(dataset_id)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not world.has_ended(dataset_id, task_id)
        resident.resume()
        await until(lambda: world.has_ended(dataset_id, task_id))
        await leave(host)

    play(story)
