"""Who may take a dataset, and when: by epochs and by counted renewals, whatever clocks say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from imm_ray.model import DatasetId
from imm_ray.store import ownership, tables
from imm_ray.store.lease_watch import LeaseWatch
from imm_ray.store.ownership import Fenced, FencedByNewer, HeldByNewer, Lease
from tests.unit.dataset.hosting import World

DAY_S = 86400.0


class Waiting:
    """The host of an older cluster, that tries again and again."""

    def __init__(self, world: World, dataset_id: DatasetId) -> None:
        self.world, self.dataset_id, self.now = world, dataset_id, 0.0
        self.watch = LeaseWatch(ownership.LEASE_S, monotonic=lambda: self.now)

    def has_taken(self) -> bool:
        try:
            with self.world.database.write() as tx:
                ownership.take(tx, self.dataset_id, "old", 1, watch=self.watch)
        except HeldByNewer:
            return False
        return True


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def dataset_id(world: World) -> DatasetId:
    return world.make()


@pytest.fixture
def newer(world: World, dataset_id: DatasetId) -> Lease:
    with world.database.write() as tx:
        return ownership.take(tx, dataset_id, "new", 2)


@pytest.fixture
def waiting(world: World, dataset_id: DatasetId) -> Waiting:
    return Waiting(world, dataset_id)


def test_an_older_cluster_takes_over_when_the_newer_has_died(
    newer: Lease, waiting: Waiting
) -> None:
    assert not waiting.has_taken()
    waiting.now = ownership.LEASE_S - 0.1
    assert not waiting.has_taken()
    waiting.now = ownership.LEASE_S
    assert waiting.has_taken()


def test_it_does_not_while_the_newer_renews(world: World, newer: Lease, waiting: Waiting) -> None:
    for _ in range(20):
        assert not waiting.has_taken()
        waiting.now += 0.9 * ownership.LEASE_S
        with world.database.write() as tx:
            ownership.renew(tx, newer)
    assert not waiting.has_taken()


@pytest.mark.parametrize("jump_s", [-DAY_S, -1200.0, 1200.0, DAY_S])
def test_a_jump_of_the_clock_ends_no_lease_and_keeps_none(
    world: World, newer: Lease, waiting: Waiting, jump_s: float
) -> None:
    """F19: the database's clock jumps, and what was written before looks old, or far away."""
    assert not waiting.has_taken()
    o = tables.ownership
    with world.database.write() as tx:
        tx.execute(update(o).values(lease_until=o.c.lease_until - jump_s))
    waiting.now = ownership.LEASE_S - 0.1
    assert not waiting.has_taken(), "it may be alive"
    waiting.now = ownership.LEASE_S
    assert waiting.has_taken(), "it is dead"


def test_one_that_rests_still_belongs_to_the_newer_cluster_for_a_while(
    world: World, newer: Lease, waiting: Waiting
) -> None:
    with world.database.write() as tx:
        ownership.rest(tx, newer)
    assert not waiting.has_taken()
    waiting.now = ownership.LEASE_S
    assert waiting.has_taken()


def test_a_renewal_that_comes_late_does_not_take_back_what_was_left(
    world: World, newer: Lease, waiting: Waiting
) -> None:
    with world.database.write() as tx:
        ownership.release(tx, newer)
    with world.database.write() as tx:
        ownership.renew(tx, newer)
    assert waiting.has_taken()


def test_one_that_rested_and_stays_is_not_free(
    world: World, newer: Lease, waiting: Waiting
) -> None:
    with world.database.write() as tx:
        ownership.rest(tx, newer)
    with world.database.write() as tx:
        ownership.stay(tx, newer)
    for _ in range(3):
        assert not waiting.has_taken()
        waiting.now += ownership.LEASE_S / 2
        with world.database.write() as tx:
            ownership.renew(tx, newer)


def test_one_that_was_left_for_good_is_taken_at_once(
    world: World, newer: Lease, waiting: Waiting
) -> None:
    with world.database.write() as tx:
        ownership.release(tx, newer)
    assert waiting.has_taken()


def test_two_clusters_do_not_take_a_dataset_from_each_other_in_turn(
    world: World, dataset_id: DatasetId, waiting: Waiting
) -> None:
    """F7: both want it all the time; it moves to the newer one and stays there."""
    assert waiting.has_taken()
    with world.database.write() as tx:
        newer = ownership.take(tx, dataset_id, "new", 2)
    for _ in range(50):
        waiting.now += 3.0
        assert not waiting.has_taken()
        with world.database.write() as tx:
            ownership.renew(tx, newer)
    assert world.owner(dataset_id).epoch == 2


def test_who_is_fenced_learns_by_whom(world: World, dataset_id: DatasetId) -> None:
    with world.database.write() as tx:
        first = ownership.take(tx, dataset_id, "host", 1)
        ownership.take(tx, dataset_id, "again", 1)
    with world.database.read() as tx, pytest.raises(Fenced) as same:
        ownership.look(tx, first)
    assert not isinstance(same.value, FencedByNewer)
    with world.database.write() as tx:
        ownership.take(tx, dataset_id, "new", 2)
    with world.database.read() as tx, pytest.raises(FencedByNewer):
        ownership.look(tx, first)


def test_a_dataset_is_placed_anew_by_a_newer_cluster_and_not_by_an_older(
    world: World, dataset_id: DatasetId, newer: Lease
) -> None:
    def place(hosts: list[str], generation: int) -> str:
        with world.database.write() as tx:
            return ownership.place(
                tx, dataset_id, hosts, generation=generation, keeps=lambda host: host in hosts
            )

    assert place(["old"], 1) == "old"
    assert world.owner(dataset_id).host == "new"
    assert place(["newest"], 3) == "newest"
    assert world.owner(dataset_id).host == "newest"
