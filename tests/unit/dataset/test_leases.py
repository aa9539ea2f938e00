"""Leases are renewed whatever engines do; while the store is away their holders pause."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from imm_ray.dataset.engine import DatasetEngine
from imm_ray.dataset.leases import Leases
from imm_ray.model import DatasetId
from imm_ray.store import ownership
from imm_ray.store.ownership import DatasetGone, Fenced, FencedByNewer, Lease
from tests.unit.dataset.hosting import Gate, World, leave, until

LEASE_S = 10.0


class Listening:
    """Hears what its leases say."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def gone(self) -> None:
        self.heard.append("gone")

    def pause(self) -> None:
        self.heard.append("pause")

    def resume(self) -> None:
        self.heard.append("resume")


class Bench:
    """Leases that are renewed by hand, under a clock that is set by hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = 0.0
        self.holder = Listening()
        self.fenced: list[Fenced] = []
        self.leases = Leases(
            world.database, self.fenced.append, lease_s=LEASE_S, monotonic=lambda: self.now
        )

    def take(self, dataset_id: DatasetId, generation: int = 1) -> Lease:
        with self.world.database.write() as tx:
            lease = ownership.take(tx, dataset_id, "host", generation)
        self.leases.add(lease, self.holder)
        return lease


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


def test_a_renewal_that_fails_is_tried_until_the_lease_would_have_lapsed(
    world: World, bench: Bench
) -> None:
    bench.take(world.make())
    world.database.is_away = True
    bench.now = LEASE_S - 1
    bench.leases.renew()
    assert bench.holder.heard == []
    bench.now = LEASE_S
    bench.leases.renew()
    bench.leases.renew()
    assert bench.holder.heard == ["pause"]
    world.database.is_away = False
    bench.leases.renew()
    assert bench.holder.heard == ["pause", "resume"]
    assert bench.fenced == []


def test_all_leases_are_renewed_in_few_transactions(world: World, bench: Bench) -> None:
    ids = [world.make() for _ in range(5)]
    for dataset_id in ids:
        bench.take(dataset_id)
    before = {d: world.owner(d).renewals for d in ids}
    bench.leases.renew()
    assert {d: world.owner(d).renewals for d in ids} == {d: n + 1 for d, n in before.items()}


def test_who_has_lost_a_dataset_is_told_once_and_the_others_are_renewed(
    world: World, bench: Bench
) -> None:
    lost, kept, deleted = world.make(), world.make(), world.make()
    for dataset_id in (lost, kept, deleted):
        bench.take(dataset_id)
    with world.database.write() as tx:
        ownership.take(tx, lost, "other", 2)
        tx.exec_driver_sql("DELETE FROM ownership WHERE dataset_id = ?", (deleted,))
    bench.leases.renew()
    bench.leases.renew()
    assert [type(error) for error in bench.fenced] == [FencedByNewer]
    assert sorted(bench.holder.heard) == ["gone", "pause"]
    assert [lease.dataset_id for lease in bench.leases.held()] == [kept]


def test_one_that_is_given_back_is_not_missed(world: World, bench: Bench) -> None:
    lease = bench.take(world.make())
    bench.leases.remove(lease)
    with world.database.write() as tx:
        ownership.take(tx, lease.dataset_id, "other", 1)
    bench.leases.renew()
    assert bench.fenced == []


def test_a_deleted_dataset_fences_nobody_else(world: World) -> None:
    with pytest.raises(DatasetGone), world.database.write() as tx:
        ownership.renew(tx, Lease(DatasetId("none"), 1))


def test_leases_are_renewed_while_an_engine_computes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = world.make()
    gate = Gate()

    def spoil(engine: DatasetEngine) -> None:
        engine.load = gate.wait  # type: ignore[method-assign]  # what a test is for

    async def story() -> None:
        world.spoil = spoil
        host = world.host()
        host._leases._every_s = 0.01
        host.ring(dataset_id)
        await asyncio.to_thread(gate.reached.wait)
        renewals = world.owner(dataset_id).renewals
        await until(lambda: world.owner(dataset_id).renewals > renewals + 2)
        gate.opened.set()
        await leave(host)

    asyncio.run(asyncio.wait_for(story(), 60))
