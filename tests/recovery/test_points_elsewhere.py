"""Points that the story of `tests.recovery.crash` never comes to: what is left is enough."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from imm_ray.crash_point import watched
from imm_ray.dataset.erasure import erase
from imm_ray.dataset.snapshot.erasure import forget
from imm_ray.store import tables
from imm_ray.store.database import Database, Tx
from imm_ray.store.writer import GroupWriter
from tests.postgres import Databases
from tests.recovery.crash import points
from tests.recovery.keeping import Keeping
from tests.recovery.test_crash import Crash
from tests.recovery.test_erasure import GONE, around, leave, left_on_disk, vectors, wanted
from tests.recovery.test_purge import full as full  # the fixture
from tests.recovery.test_snapshots import album, run
from tests.unit.dataset.owner import Owner

ROOT = Path(__file__).parents[2]


class Lost(Exception):
    """What a thread that goes on is told of a process that died."""


def dying_at(point: str, how: type[BaseException] = Crash) -> Callable[[str], None]:
    def die(name: str) -> None:
        if name == point:
            raise how(name)

    return die


@pytest.mark.parametrize("area", points.ELSEWHERE)
def test_tests_that_are_said_to_die_at_an_area_are_there(area: str) -> None:
    for said in points.ELSEWHERE[area].split("`")[1::2]:
        assert (ROOT / f"{said.replace('.', '/')}.py").is_file()


def test_an_erasure_that_dies_when_all_is_written_anew_can_be_done_again(
    full: Owner, tmp_path: Path
) -> None:
    bytes_of = vectors(full, GONE)
    dump = tmp_path / "dump"
    dump.write_bytes(bytes_of[0])
    leave(full)
    with watched(dying_at("erasure.rewritten")), pytest.raises(Crash):
        erase(wanted(*GONE), around(full, tmp_path))
    dump.unlink()
    assert erase(wanted(*GONE), around(full, tmp_path)).is_complete
    assert left_on_disk(tmp_path, bytes_of) == []


def test_a_rebuild_that_dies_after_a_portion_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imm_ray.dataset.rebuilding.AT_ONCE", 3)
    owner = Keeping(tmp_path)
    owner.index(album())
    run(owner)
    people = owner.people()
    forget(owner.database, owner.blobs, owner.dataset_id)
    owner.restart()
    task_id = owner.create_task()
    with watched(dying_at("rebuild.portion_entered")), pytest.raises(Crash):
        owner.drain()
    owner.restart()
    owner.drain()
    assert owner.task(task_id).status == "Succeeded"
    assert owner.people() == people
    owner.shelf.close()
    owner.database.close()


def test_a_writer_that_dies_once_it_is_known_is_followed_by_another(postgres: Databases) -> None:
    def add(tx: Tx, key: str) -> str:
        tx.execute(insert(tables.meta).values(key=key, value=key))
        return key

    with postgres.fresh() as url:
        database = Database(url)
        first, second = GroupWriter(database), GroupWriter(database)
        with watched(dying_at("receipt.writer_registered", Lost)):
            lost = first.submit(partial(add, key="a")).exception(timeout=60)
        assert isinstance(lost, Lost)
        assert second.submit(partial(add, key="a")).result() == "a"
        with database.read() as tx:
            assert tx.scalar(select(func.count()).select_from(tables.writer)) == 2
        first.close()
        second.close()
        database.close()
