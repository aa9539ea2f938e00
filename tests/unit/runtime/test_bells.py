"""Doorbells: one that nobody hears is rung once more, where the dataset is by then."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from imm_ray.model import DatasetId
from imm_ray.runtime.directory import Directory
from imm_ray.runtime.names import new_owner, owner_hosts
from imm_ray.store import ownership
from tests.unit.dataset.hosting import PATIENCE_S, World

GENERATION = 7
(SHARED,) = owner_hosts(1, GENERATION)


class Bell:
    """The ``ring`` of an actor: heard, or not."""

    def __init__(self, host: str, street: "Street") -> None:
        self._host, self._street = host, street

    def remote(self, dataset_id: DatasetId, anew: bool) -> "Bell":
        self._street.rung.append(self._host)
        return self

    def future(self) -> "Future[None]":
        heard: Future[None] = Future()
        if self._host in self._street.dead:
            heard.set_exception(ActorDiedError())
        else:
            heard.set_result(None)
            self._street.heard.set()
        return heard


class Street(Directory):
    """Owners that are names."""

    def __init__(self, world: World) -> None:
        super().__init__(world.database, world.settings, GENERATION)
        self.rung: list[str] = []
        self.dead: set[str] = set()
        self.heard = threading.Event()

    def _actor(self, host: str) -> Any:
        bell = Bell(host, self)
        return type("Actor", (), {"ring": bell})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_a_dataset_that_has_moved_is_found(world: World) -> None:
    dataset_id, street = world.make(), Street(world)
    street.ring(dataset_id)
    assert street.heard.wait(PATIENCE_S)
    there = new_owner(GENERATION)
    with world.database.write() as tx:
        ownership.move(tx, dataset_id, there)
    street.dead.add(SHARED)
    street.heard.clear()
    street.ring(dataset_id)
    assert street.heard.wait(PATIENCE_S)
    assert street.rung == [SHARED, SHARED, there]


def test_a_host_of_an_earlier_application_is_not_rung(world: World) -> None:
    dataset_id, street = world.make(), Street(world)
    with world.database.write() as tx:
        ownership.take(tx, dataset_id, "owner-6-0", GENERATION - 1)
    street.ring(dataset_id)
    assert street.heard.wait(PATIENCE_S)
    assert street.rung == [SHARED]


def test_an_older_cluster_rings_its_own_host_and_leaves_the_row_alone(world: World) -> None:
    dataset_id, street = world.make(), Street(world)
    newer = f"owner-{GENERATION + 1}-0"
    with world.database.write() as tx:
        ownership.take(tx, dataset_id, newer, GENERATION + 1)
    street.ring(dataset_id)
    assert street.heard.wait(PATIENCE_S)
    assert street.rung == [SHARED]
    assert world.owner(dataset_id).host == newer
