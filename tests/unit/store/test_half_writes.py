"""What was begun and came to nothing leaves nothing: a refused write, a run of a dead owner."""

from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import insert, select

from imm_ray.errors import InvalidArgument
from imm_ray.model import NO_CLUSTER, ClusterKind
from imm_ray.store import datasets, ownership, staging, tables
from imm_ray.store.database import Tx
from imm_ray.store.staging import Move
from imm_ray.store.writer import GroupWriter
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, Owner


def test_a_refused_write_leaves_nothing_of_itself(tmp_path: Path) -> None:
    def half(tx: Tx) -> NoReturn:
        tx.execute(insert(tables.meta).values(key="half", value=""))
        raise InvalidArgument.of("whole", "it is half")

    def whole(tx: Tx) -> None:
        tx.execute(insert(tables.meta).values(key="whole", value=""))

    with closing(Owner(tmp_path).database) as database:
        writer = GroupWriter(database)
        refused, done = writer.submit(half), writer.submit(whole)
        writer.close()
        assert isinstance(refused.exception(), InvalidArgument)
        assert done.exception() is None
        with database.read() as tx:
            keys = set(tx.scalars(select(tables.meta.c.key)))
        assert keys & {"half", "whole"} == {"whole"}


def test_places_that_a_dead_owner_has_staged_or_closed_are_as_they_were(tmp_path: Path) -> None:
    owner, kind = Owner(tmp_path), ClusterKind.FIGURE
    owner.index(
        {
            f"oss://b/{i}": picture(
                f"{i}", face(near(random_vector("ann", DIMENSION), f"{i}", 0.95))
            )
            for i in range(3)
        }
    )
    owner.cluster()
    figure, before = owner.figure("oss://b/0"), _places(owner)
    away = Move(figure.figure_id, figure.file_id, NO_CLUSTER, 1.0)
    with owner.database.write() as tx:
        lease = ownership.take(tx, owner.dataset_id, "host", 1)
        visible = datasets.visible_run(tx, owner.dataset_id, kind)
        staging.stage_members(tx, lease, kind, visible + 1, [away])
    assert _places(owner) != before
    with owner.database.write() as tx:
        while staging.discard(tx, lease, kind, visible):
            pass
    assert _places(owner) == before
    owner.database.close()


def _places(owner: Owner) -> list[Any]:
    with owner.database.read() as tx:
        return sorted(map(tuple, tx.execute(select(tables.membership))))
