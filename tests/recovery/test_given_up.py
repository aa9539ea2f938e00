"""Every acknowledged task ends: also when its run, or the whole engine, fails whenever tried."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from imm_ray.dataset.engine import DatasetEngine
from imm_ray.model import DatasetId, Task, TaskId, TaskStatus, TaskType
from imm_ray.store import trouble
from imm_ray.store.tasks import oldest_run
from tests.unit.dataset.hosting import World, leave, until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, give_up_attempts=2, give_up_after_s=0)
    yield world
    world.close()


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 100))


def assert_given_up(world: World, dataset_id: DatasetId, task_id: TaskId) -> None:
    task = world.task(dataset_id, task_id)
    assert (task.status, task.code) == (TaskStatus.FAILED, "InternalError")
    assert "given up" in task.message
    assert f"m-{task_id}" in world.told()


def failure_of(world: World, dataset_id: DatasetId) -> str:
    with world.database.read() as tx:
        return trouble.failure_of(tx, dataset_id)


def test_a_task_of_an_engine_that_never_loads_fails_and_a_later_one_tries_again(
    world: World,
) -> None:
    dataset_id = world.make()
    task_id = world.ask(dataset_id)

    def spoil(engine: DatasetEngine) -> None:
        def load() -> None:
            raise KeyError("poison")

        engine.load = load  # type: ignore[method-assign]  # what a test is for

    async def story() -> None:
        world.spoil = spoil
        host = world.host()
        host.ring(dataset_id)
        await until(lambda: world.has_ended(dataset_id, task_id))
        await until(lambda: dataset_id not in host.at_work)
        assert failure_of(world, dataset_id).endswith("failed 2 times in a row: KeyError.")
        world.spoil = lambda engine: None
        later = world.ask(dataset_id)
        host.ring(dataset_id)
        await until(lambda: world.has_ended(dataset_id, later))
        assert world.task(dataset_id, later).status is TaskStatus.SUCCEEDED
        await until(lambda: failure_of(world, dataset_id) == "")
        await leave(host)

    play(story)
    assert_given_up(world, dataset_id, task_id)


def test_one_that_was_given_up_with_files_left_is_tried_at_once_when_it_is_asked(
    world: World,
) -> None:
    dataset_id = world.make()
    world.index(dataset_id, 1)
    task_id = world.ask(dataset_id)
    attempts = 0

    def spoil(engine: DatasetEngine) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:
            engine.load = lambda: 1 // 0  # type: ignore[assignment,method-assign]

    async def story() -> None:
        world.spoil = spoil
        host = world.host()
        host.ring(dataset_id)
        await until(lambda: dataset_id in host._pauses and attempts == 2)
        assert_given_up(world, dataset_id, task_id)
        host.ring(dataset_id, anew=False)  # the janitor: not yet
        await asyncio.sleep(0)
        assert attempts == 2
        host.ring(dataset_id)
        await until(lambda: world.pending(dataset_id) == 0)
        await leave(host)

    play(story)


def test_a_poisoned_run_fails_its_own_task_and_holds_up_no_other(world: World) -> None:
    dataset_id = world.make()
    world.index(dataset_id, 2)
    poisoned = world.ask(dataset_id, TaskType.FIGURE_CLUSTERING)
    sound = world.ask(dataset_id, TaskType.SIMILAR_IMAGE_CLUSTERING)

    def spoil(engine: DatasetEngine) -> None:
        run_task = engine._runs.run_task

        def run(task: Task) -> None:
            if task.task_id == poisoned:
                raise KeyError("poison")
            run_task(task)

        engine._runs.run_task = run  # type: ignore[method-assign]  # what a test is for

    async def story() -> None:
        world.spoil = spoil
        host = world.host()
        host.ring(dataset_id)
        await until(lambda: world.has_ended(dataset_id, sound))
        assert not world.has_ended(dataset_id, poisoned)
        world.clock.advance(timedelta(seconds=2))
        host.ring(dataset_id)
        await until(lambda: world.has_ended(dataset_id, poisoned))
        await leave(host)

    play(story)
    assert_given_up(world, dataset_id, poisoned)
    assert failure_of(world, dataset_id) == "", "the dataset itself is well"
    assert world.task(dataset_id, sound).status is TaskStatus.SUCCEEDED
    assert len(world.failures) == 2


def test_a_run_that_has_failed_lets_the_next_task_go_first(world: World) -> None:
    dataset_id = world.make()
    first, second = world.ask(dataset_id), world.ask(dataset_id)
    lease = world.opening().take(dataset_id, 0)

    def next_task() -> TaskId | None:
        with world.database.read() as tx:
            found = oldest_run(tx, dataset_id, world.clock())
        return found.task_id if found is not None else None

    def attempt() -> None:
        with world.database.write() as tx:
            trouble.attempted(tx, lease, world.task(dataset_id, first), world.clock())

    assert next_task() == first
    attempt()
    assert next_task() == first, "the first retry comes at once"
    attempt()
    assert next_task() == second
    world.clock.advance(timedelta(seconds=2))
    assert next_task() == first
    attempt()
    world.clock.advance(timedelta(days=-1))
    assert next_task() == first, "a clock that was put back keeps no task waiting"


def test_an_engine_that_takes_its_process_with_it_is_given_up_too(world: World) -> None:
    """Nobody lives to record the failure: what counts was written before the attempt."""
    dataset_id = world.make()
    task_id = world.ask(dataset_id)
    for _ in range(2):
        world.opening().take(dataset_id, 0)  # and dies
        assert not world.has_ended(dataset_id, task_id)
    later = world.ask(dataset_id)
    world.opening().take(dataset_id, 0)
    assert_given_up(world, dataset_id, task_id)
    assert not world.has_ended(dataset_id, later), "it has not been tried yet"


def test_processes_that_die_while_work_is_done_cost_no_task(world: World) -> None:
    dataset_id = world.make()
    task_id = world.ask(dataset_id)
    for _ in range(5):
        opening = world.opening()
        lease = opening.take(dataset_id, 0)
        opening.settled(lease)  # a step has gone well; then the process dies
    assert not world.has_ended(dataset_id, task_id)


def test_a_store_that_is_away_is_nobodys_failure(world: World) -> None:
    dataset_id = world.make()
    task_id = world.ask(dataset_id)

    async def story() -> None:
        host = world.host()
        world.database.is_away = True
        host.ring(dataset_id)
        await until(lambda: len(world.failures) >= 3)
        world.database.is_away = False
        host.ring(dataset_id)
        await until(lambda: world.has_ended(dataset_id, task_id))
        await leave(host)

    play(story)
    assert world.task(dataset_id, task_id).status is TaskStatus.SUCCEEDED
