"""F19: a clock that jumps throws nothing away that is still needed, and refuses nobody for long."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from imm_ray.api.admission import Admission
from imm_ray.api.window import MAX_SKEW, check_time
from imm_ray.errors import InvalidTimeStampExpired, SignatureNonceUsed, ThrottledUser
from imm_ray.model import TaskStatus
from imm_ray.runtime.purge import Purge
from imm_ray.runtime.steady_clock import SteadyClock
from imm_ray.settings import Limits
from imm_ray.store import datasets, nonces, tables, tasks
from tests.unit.dataset.hosting import World

JUMPS = [timedelta(minutes=20), timedelta(days=1), -timedelta(minutes=20), -timedelta(days=1)]
HOUR = timedelta(hours=1)


class Machine:
    """A steward's view of time: a wall clock that can be set, and time that passes."""

    def __init__(self, world: World, *, retention_days: float = 7) -> None:
        self.world = world
        self.passed = timedelta()
        steady = SteadyClock(world.clock, lambda: self.passed.total_seconds())
        self.purge = Purge(
            world.database,
            steady,
            relaxed=world.database,
            retention_days=retention_days,
            uptime=lambda: steady.uptime,
        )

    def wait(self, time: timedelta) -> None:
        self.passed += time
        self.world.clock.advance(time)

    def remember(self, nonce: str) -> None:
        with self.world.database.write() as tx:
            nonces.remember(tx, "key", nonce, self.world.clock())

    def count(self) -> int:
        with self.world.database.read() as tx:
            return int(tx.scalar(select(func.count()).select_from(tables.nonce)) or 0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def machine(world: World) -> Machine:
    return Machine(world)


def test_nonces_are_forgotten_when_no_request_can_repeat_them(machine: Machine) -> None:
    machine.remember("a")
    machine.wait(2 * nonces.KEPT)
    machine.purge.run()
    assert machine.count() == 0


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_makes_no_nonce_usable_again(machine: Machine, jump: timedelta) -> None:
    machine.wait(HOUR)
    machine.remember("a")
    signed_at = machine.world.clock()
    machine.wait(timedelta(minutes=1))
    machine.world.clock.advance(jump)
    machine.purge.run()
    machine.world.clock.advance(-jump)
    check_time(signed_at.strftime("%Y-%m-%dT%H:%M:%SZ"), now=machine.world.clock())
    with pytest.raises(SignatureNonceUsed):
        machine.remember("a")


@pytest.mark.parametrize("jump", JUMPS)
def test_a_process_that_starts_while_the_clock_is_wrong_forgets_no_nonce_either(
    world: World, jump: timedelta
) -> None:
    before = Machine(world)
    before.remember("a")
    world.clock.advance(jump)
    machine = Machine(world)
    machine.wait(timedelta(minutes=1))
    machine.purge.run()
    world.clock.advance(-jump)
    with pytest.raises(SignatureNonceUsed):
        machine.remember("a")


def test_a_jump_ends_no_task_early(world: World, machine: Machine) -> None:
    dataset_id = world.make()
    task_id = world.ask(dataset_id)
    with world.database.write() as tx:
        tasks.fail(tx, world.task(dataset_id, task_id), "C", "m", world.clock(), lambda task: [])
    machine.wait(timedelta(days=6, hours=12))
    world.clock.advance(timedelta(days=1))
    machine.purge.run()
    assert world.task(dataset_id, task_id).status is TaskStatus.FAILED
    world.clock.advance(-timedelta(days=1))
    machine.wait(timedelta(days=1))
    machine.purge.run()
    with world.database.read() as tx:
        assert tasks.of_dataset(tx, dataset_id, task_id) is None


@pytest.mark.parametrize("jump", JUMPS)
def test_requests_are_judged_by_the_servers_clock_of_the_moment(
    world: World, jump: timedelta
) -> None:
    text = world.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert abs(jump) > MAX_SKEW
    world.clock.advance(jump)
    with pytest.raises(InvalidTimeStampExpired, match="the server's time is"):
        check_time(text, now=world.clock())
    world.clock.advance(-jump)
    check_time(text, now=world.clock())


def test_a_count_that_was_read_before_the_clock_was_put_back_is_not_kept(world: World) -> None:
    dataset_id = world.make()
    world.ask(dataset_id)
    admission = Admission(Limits(max_pending_per_dataset=1))
    with world.database.read() as tx:
        dataset = datasets.by_id(tx, dataset_id)
        assert dataset is not None
        with pytest.raises(ThrottledUser):
            admission.admit(tx, dataset, items=1, now=world.clock())
    with world.database.write() as tx:
        running = tasks.oldest_running(tx, dataset_id)
        assert running is not None
        tasks.fail(tx, running, "C", "m", world.clock(), lambda task: [])
    world.clock.advance(-timedelta(days=1))
    with world.database.read() as tx:
        admission.admit(tx, dataset, items=1, now=world.clock())
