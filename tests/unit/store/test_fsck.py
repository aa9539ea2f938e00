"""Each way to damage a store is found, named, and nothing else is said."""

import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from imm_ray.model import Binding, DatasetId, EditKind, TaskType
from imm_ray.store import bindings, constants, datasets, fsck, searchable, tables, tasks
from imm_ray.store.database import Database
from imm_ray.store.fsck import Violation
from tests.recovery.test_purge import portraits, waiting_request
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import shots
from tests.unit.dataset.test_splits import ask_merge
from tests.unit.store.damage import DAMAGES, Damage


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store with something in every table, in which work is under way."""
    owner = Owner(tmp_path_factory.mktemp("busy"))
    with owner.database.write() as tx:
        constants.next_generation(tx)
    owner.index({**portraits("ann", 4), **portraits("bob", 3), **portraits("cid", 3)})
    owner.index(shots("alps", 3))
    owner.cluster()
    owner.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING)
    ann, bob, cid = (owner.cluster_of(f"oss://b/{name}0") for name in ("ann", "bob", "cid"))
    owner.name(ann, "Ann")
    owner.applied(EditKind.MERGE, {"to": ann, "from": [bob]})
    figure_id = owner.figure("oss://b/ann3").figure_id
    owner.applied(EditKind.REMOVE, {"figure_id": figure_id})
    owner.delete("oss://b/cid0")
    owner.drain()
    owner.delete("oss://b/cid1")
    owner.create_task()
    ask_merge(owner, ann, cid)
    owner.index(portraits("dan", 2), request=waiting_request("E1"))
    _fill(owner)
    owner.database.close()
    return Path(owner.url.removeprefix("sqlite:///"))


def _fill(owner: Owner) -> None:
    """Add what no step of an owner makes, and another dataset."""
    now = owner.clock()
    with owner.database.write() as tx:
        dataset = datasets.get(tx, "a", "p", "d")
        bindings.create(tx, dataset, Binding(uri="oss://b", created_at=now, updated_at=now))
        labels = {"CustomLabels": {"City": "Bonn"}}
        searchable.relabel(tx, owner.dataset_id, {owner.file("oss://b/ann0").file_id: labels})
        other = replace(dataset, dataset_id=DatasetId("other"), name="other", bind_count=0)
        datasets.create(tx, other)
        tx.execute(
            insert(tables.snapshot).values(
                dataset_id=owner.dataset_id,
                kind="figure",
                number=1,
                epoch=1,
                manifest="figure-1",
                sha256="0" * 64,
                manifest_bytes=1,
                bytes_in_all=1,
                items=1,
                run=1,
                created_at=now,
            )
        )


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store in which nothing is left to do."""
    owner = Owner(tmp_path_factory.mktemp("calm"))
    owner.index(portraits("ann", 3))
    owner.cluster()
    owner.name(owner.cluster_of("oss://b/ann0"), "Ann")
    owner.database.close()
    return Path(owner.url.removeprefix("sqlite:///"))


def check(path: Path, *, quiescent: bool = False, most: int = fsck.MOST) -> list[Violation]:
    with closing(Database(f"sqlite:///{path}")) as database:
        return fsck.check(database, quiescent=quiescent, most=most)


def do(damage: Damage, raw: sqlite3.Connection) -> str:
    raw.execute("PRAGMA foreign_keys = OFF")
    with raw:
        return damage.do(raw)


def test_a_healthy_store_is_clean_while_work_is_under_way(busy: Path) -> None:
    assert check(busy) == []


def test_a_healthy_store_is_clean_when_nothing_is_left_to_do(calm: Path) -> None:
    assert check(calm, quiescent=True) == []


@pytest.fixture(scope="module")
def said(
    busy: Path, calm: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[str, list[Violation]]]:
    """For each damage the key of the damaged row, and what the check says."""
    copy = tmp_path_factory.mktemp("damaged") / "imm.db"
    found = {}
    with (
        closing(sqlite3.connect(copy)) as raw,
        closing(sqlite3.connect(busy)) as at_work,
        closing(sqlite3.connect(calm)) as at_rest,
        closing(Database(f"sqlite:///{copy}")) as database,
    ):
        for damage in DAMAGES:
            (at_rest if damage.quiescent else at_work).backup(raw)
            key = do(damage, raw)
            found[damage.name] = (key, fsck.check(database, quiescent=damage.quiescent))
            if damage.quiescent:
                beside = {(v.invariant, v.table) for v in fsck.check(database)}
                assert beside == set(damage.besides), damage.name
    return found


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_a_damage_is_named_and_nothing_else(
    damage: Damage, said: dict[str, tuple[str, list[Violation]]]
) -> None:
    key, violations = said[damage.name]
    named = {(v.invariant, v.table) for v in violations}
    assert named == {damage.named, *damage.besides}, violations
    keys = [v.key for v in violations if (v.invariant, v.table) == damage.named]
    assert any(found.startswith(key) for found in keys), keys


def test_every_rule_finds_a_damage(
    said: dict[str, tuple[str, list[Violation]]], busy: Path
) -> None:
    unfinished = check(busy, quiescent=True)
    every = [*unfinished, *(v for _, found in said.values() for v in found)]
    texts = [(v.invariant, v.table, v.what) for v in every]
    for rule in fsck.RULES:
        pattern = re.compile(re.sub(r"\\{.*?\\}", ".*", re.escape(rule.what)))
        assert any(
            (rule.invariant, rule.table.name) == (invariant, table) and pattern.fullmatch(what)
            for invariant, table, what in texts
        ), rule


def test_what_is_said_has_no_vector_and_nothing_of_clients(
    said: dict[str, tuple[str, list[Violation]]],
) -> None:
    for _, violations in said.values():
        for violation in violations:
            text = f"{violation.key} {violation.what}"
            assert "oss://" not in text
            assert "Ann" not in text
            assert "b'" not in text
            assert violation.invariant in fsck.REMEDIES


def test_a_long_list_is_cut(busy: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(busy, tmp_path / "imm.db"))
    with closing(sqlite3.connect(copy)) as raw:
        raw.execute("UPDATE cluster_state SET item_count = item_count + 1")
        raw.commit()
    violations = check(copy, most=1)
    assert [v.key != "" for v in violations] == [True, False]
    assert "the others are not listed" in violations[1].what


def test_a_check_writes_nothing(busy: Path) -> None:
    before = busy.read_bytes()
    check(busy, quiescent=True)
    assert busy.read_bytes() == before


def test_a_damaged_message_is_no_error(busy: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(busy, tmp_path / "imm.db"))
    with closing(sqlite3.connect(copy)) as raw:
        raw.execute("UPDATE outbox SET body = '[1]'")
        raw.commit()
    assert check(copy) == []


def test_the_tasks_of_a_deleted_dataset_stay_readable(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    task_id = owner.create_task()
    owner.drain()
    with owner.database.write() as tx:
        datasets.delete(tx, owner.dataset_id, owner.clock(), lambda task: [])
    assert fsck.check(owner.database, quiescent=True) == []
    with owner.database.read() as tx:
        assert tasks.of_dataset(tx, owner.dataset_id, task_id) is not None
        assert tx.execute(tables.dataset.select()).all() == []
    owner.database.close()
