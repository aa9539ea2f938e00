"""Deletes that came while nobody owned the dataset: the next owner settles them for good."""

from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

from imm_ray.store import fsck, tables, work
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits, uri


def test_a_delete_before_the_start_is_settled_by_it(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    with closing(owner.database):
        owner.index(portraits("ann", 3))
        owner.cluster()
        owner.delete(uri("ann", 0))
        owner.restart()
        with owner.database.read() as tx:
            assert work.datasets_with_work(tx) == []
            assert tx.scalar(select(func.count()).select_from(tables.tombstone)) == 0
        owner.cluster()
        assert fsck.check(owner.database, quiescent=True) == []
        assert list(owner.people().values()) == [{uri("ann", 1), uri("ann", 2)}]
