"""Small datasets share hosts, large ones have their own, and none is taken from there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imm_ray.model import DatasetId
from imm_ray.runtime.names import is_owner_of, owner_hosts
from imm_ray.runtime.placement import Placement
from imm_ray.settings import Owners
from imm_ray.store import ownership
from tests.unit.dataset.hosting import World

SHARED = owner_hosts(2, 7)
OWNERS = Owners(hosts=2, large_bytes=1000)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def elsewhere(world: World, host: str, dataset_id: DatasetId, size: int) -> str | None:
    with world.database.write() as tx:
        return Placement(host, OWNERS, 7).elsewhere(tx, dataset_id, size)


def test_a_large_dataset_moves_to_a_host_of_its_own_and_stays_there(world: World) -> None:
    dataset_id = world.make()
    with world.database.write() as tx:
        here = ownership.place(tx, dataset_id, SHARED, generation=7)
    assert elsewhere(world, here, dataset_id, 999) is None
    there = elsewhere(world, here, dataset_id, 1000)
    assert there is not None
    assert there not in SHARED
    assert is_owner_of(7, there)
    assert world.owner(dataset_id).host == there
    assert elsewhere(world, there, dataset_id, 1000) is None
    assert elsewhere(world, here, dataset_id, 1000) == there, "who rings late is sent on"
    assert elsewhere(world, here, dataset_id, 10) == there


def test_datasets_are_spread_over_the_shared_hosts(world: World) -> None:
    hosts = []
    for dataset_id in [world.make() for _ in range(4)]:
        with world.database.write() as tx:
            hosts.append(ownership.place(tx, dataset_id, SHARED, generation=7))
    assert sorted(hosts) == sorted(SHARED * 2)


def test_a_host_of_an_earlier_application_is_not_waited_for(world: World) -> None:
    dataset_id = world.make()
    with world.database.write() as tx:
        ownership.take(tx, dataset_id, "owner-6-0", 6)
    assert elsewhere(world, SHARED[0], dataset_id, 10) is None
