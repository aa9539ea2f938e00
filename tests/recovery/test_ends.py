"""Clusters that deletes empty: whenever the owner dies, the lineage tells of their end, once."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import select

from imm_ray.model import NO_CLUSTER, EditKind, EventKind, Outcome, TaskType
from imm_ray.store import tables
from imm_ray.store.database import Database, Tx
from imm_ray.testing import face, near, picture, random_vector
from tests.recovery.test_crash import Crash, restart, survive
from tests.unit.dataset.owner import DIMENSION, Owner

MOST = 60
Told: TypeAlias = list[tuple[EventKind, str, str, tuple[str, ...]]]


class DyingDatabase(Database):
    """Lets a client write before write transaction ``client_at``, and dies after ``death_at``."""

    client_at = 0
    death_at = 0
    writes = 0
    client: Callable[[], object] = staticmethod(lambda: None)

    @contextmanager
    def write(self) -> Iterator[Tx]:
        self.writes += 1
        if self.writes == self.client_at:
            self.client()
        with super().write() as tx:
            yield tx
        if self.writes == self.death_at:
            raise Crash


def album(name: str, *numbers: int) -> dict[str, Outcome]:
    return {
        f"oss://b/{name}{i}": picture(
            f"{name}{i}",
            face(near(random_vector(name, DIMENSION), f"{name}{i}", 0.95)),
            vector=near(random_vector(f"shot {name}", DIMENSION), f"{name}{i}", 0.97),
        )
        for i in numbers
    }


def cluster(owner: Owner) -> None:
    for task_type in (TaskType.FIGURE_CLUSTERING, TaskType.SIMILAR_IMAGE_CLUSTERING):
        owner.create_task(task_type)
        survive(owner)


def told(owner: Owner) -> dict[str, Told]:
    """The lineage of each kind in the order in which it happened."""
    v = tables.cluster_event.c
    query = select(tables.cluster_event).order_by(v.kind, v.run, v.position)
    found: dict[str, Told] = {}
    with owner.database.read() as tx:
        for row in tx.execute(query):
            event = EventKind(row.event), row.cluster_id, row.other_id, tuple(row.items)
            found.setdefault(row.kind, []).append(event)
    return found


def assert_ends_are_told(events: Told, visible: set[str]) -> None:
    """Replayed, the lineage leads to the clusters that there are, and each end is told once."""
    place: dict[str, str] = {}
    ended: set[str] = set()
    for kind, cluster_id, _, items in events:
        if kind is EventKind.DISSOLVED:
            assert cluster_id not in ended, f"{cluster_id} has ended twice"
            ended.add(cluster_id)
            place = {item: there for item, there in place.items() if there != cluster_id}
        elif kind is EventKind.LEFT:
            place.update(dict.fromkeys(items, NO_CLUSTER))
        elif items:
            place.update(dict.fromkeys(items, cluster_id))
            ended.discard(cluster_id)
    assert set(place.values()) - {NO_CLUSTER} == visible
    assert not ended & visible


def assert_all_told(owner: Owner) -> None:
    events = told(owner)
    assert_ends_are_told(events["figure"], set(owner.people()))
    assert_ends_are_told(events["similar"], set(owner.groups()))
    with owner.database.read() as tx:
        rows = set(tx.scalars(select(tables.cluster.c.cluster_id)))
    assert rows == {*owner.people(), *owner.groups()}, "a cluster that has ended has left its row"


def play(folder: Path, *, client_at: int, death_at: int) -> int:
    """Delete all of Ann, and of Bob, at some moment, and die at some; return how many there are."""
    folder.mkdir()
    owner = Owner(folder)
    with closing(owner.database), closing(DyingDatabase(owner.url)) as database:
        owner.engine_database = database
        owner.restart()
        owner.index(album("ann", 0, 1, 2) | album("bob", 0, 1, 2) | album("cat", 0, 1, 2))
        cluster(owner)
        ann = owner.cluster_of("oss://b/ann0")
        # A name, so that pins are lost too, and news that the run in hand has to cover.
        owner.ask_name(ann, "Ann")
        survive(owner)
        owner.index(album("ann", 3) | album("dan", 0, 1) | album("cat", 3))
        everybody = [f"oss://b/{name}{i}" for name in ("ann", "bob", "dan") for i in range(4)]
        database.client = lambda: owner.delete(*everybody)
        database.writes, database.client_at, database.death_at = 0, client_at, death_at
        cluster(owner)
        reached = database.writes
        restart(owner)
        cluster(owner)
        cluster(owner)
        if reached >= client_at:
            assert list(map(len, owner.people().values())) == [4]
        assert_all_told(owner)
    return reached


@pytest.mark.parametrize("later", [0, 2, 5])
def test_the_end_of_every_cluster_is_told_once_whenever_the_owner_dies(
    tmp_path: Path, later: int
) -> None:
    for client_at in range(1, MOST):
        reached = play(tmp_path / str(client_at), client_at=client_at, death_at=client_at + later)
        if reached < client_at:
            return
    pytest.fail(f"the story takes more than {MOST} transactions")


def test_an_end_that_no_run_has_told_of_is_told_after_a_restart(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    owner.index(album("ann", 0, 1) | album("bob", 0, 1))
    cluster(owner)
    ann = owner.cluster_of("oss://b/ann0")
    owner.delete("oss://b/ann0", "oss://b/ann1")
    owner.drain()
    owner.restart()
    owner.applied(EditKind.CONSOLIDATE, {})
    ended = [event for event in owner.events() if event.event is EventKind.DISSOLVED]
    assert [(event.cluster_id, event.items) for event in ended] == [(ann, ())]
    owner.restart()
    owner.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING)
    assert_all_told(owner)
    owner.database.close()
