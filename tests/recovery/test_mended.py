"""A delete that an owner did not live to follow leaves nothing to do for ever."""

from pathlib import Path

from sqlalchemy import func, select

from imm_ray.store import tables, work
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits, uri


def left(owner: Owner) -> tuple[int, int]:
    """Return the datasets that wait for their owner, and the tombstones."""
    with owner.database.read() as tx:
        tombstones = tx.scalar(select(func.count()).select_from(tables.tombstone))
        return len(work.datasets_with_work(tx)), int(tombstones or 0)


def test_an_owner_that_loads_after_a_delete_has_followed_it(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    owner.index(portraits("ann", 3))
    owner.cluster()
    owner.delete(uri("ann", 0))
    assert left(owner) == (1, 1)
    owner.restart()
    owner.drain()
    assert left(owner) == (0, 0)
    owner.cluster()
    assert list(map(len, owner.people().values())) == [2]
