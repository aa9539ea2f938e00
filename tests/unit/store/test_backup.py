"""A backup has all rows of one moment, and a store that is restored from it has the same."""

import json
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from sqlalchemy import delete, func, insert, select, update

from imm_ray.crash_point import watched
from imm_ray.store import constants, fsck, migrate, ownership, tables
from imm_ray.store.backup.file import BackupFile, partial_of, summed
from imm_ray.store.backup.make import LEFT_OUT, BackupExists, back_up
from imm_ray.store.backup.manifest import DamagedBackup, TableSum, read_manifest
from imm_ray.store.backup.restore import NotEmpty, StoreDamaged, restore
from imm_ray.store.database import Database
from imm_ray.store.ownership import Fenced
from tests.recovery.test_crash import Crash
from tests.recovery.test_purge import full as full  # the fixture
from tests.unit.dataset.owner import Owner
from tests.unit.store.rows import contents, put, stores

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CHANGED = (*LEFT_OUT, tables.meta)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'restored.db'}"


@pytest.fixture
def saved(full: Owner, tmp_path: Path) -> Path:
    """A backup of a store with something in every table."""
    out = tmp_path / "backup"
    back_up(full.database, out, now=NOW)
    return out


def restored(backup: Path, folder: Path, **options: Any) -> Database:
    restore(backup, url(folder), now=NOW, **options)
    return Database(url(folder))


@given(stores())
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_rows_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, empty_store: Path, store: dict[str, list[Any]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    shutil.copyfile(empty_store, folder / "imm.db")
    source = Database(f"sqlite:///{folder / 'imm.db'}")
    put(source, store)
    out = folder / "backup"
    back_up(source, out, now=NOW)
    target = restored(out, folder, even_if_damaged=True)
    assert contents(target, *CHANGED) == contents(source, *CHANGED)
    source.close()
    target.close()


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "imm.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return path


def test_a_restored_service_goes_on_where_the_backup_was_made(
    full: Owner, saved: Path, tmp_path: Path
) -> None:
    database = restored(saved, tmp_path)
    assert contents(database, *CHANGED) == contents(full.database, *CHANGED)
    assert fsck.check(database) == []
    full.database.close()
    full.database = full.engine_database = database
    full.restart()
    full.drain()
    with database.read() as tx:
        running = select(func.count()).where(tables.task.c.status == "Running")
        assert tx.scalar(running) == 0
    assert fsck.check(database) == []


def test_a_backup_is_one_file_for_its_owner_alone(saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert [path.name for path in saved.parent.glob("backup*")] == ["backup"]
    with BackupFile(saved) as file:
        manifest = file.manifest
    assert manifest.made_at == "2026-11-22T12:00:00+00:00"
    assert manifest.schema == migrate.newest()
    assert manifest.violations == ()
    assert manifest.tables["figure"].rows > 0


def test_a_backup_is_of_one_moment(full: Owner, tmp_path: Path) -> None:
    before = contents(full.database, *LEFT_OUT)

    def change(table: str, *_: int) -> None:
        full.name(next(iter(full.people())), f"named while {table} was copied")

    back_up(full.database, tmp_path / "backup", now=NOW, on_progress=change)
    assert contents(full.database, *LEFT_OUT) != before
    database = restored(tmp_path / "backup", tmp_path)
    assert contents(database, *CHANGED) == {
        name: rows for name, rows in before.items() if name != "meta"
    }


def test_an_owner_of_the_time_before_commits_nothing(
    full: Owner, saved: Path, tmp_path: Path
) -> None:
    with full.database.write() as tx:
        old = ownership.take(tx, full.dataset_id, "host", 5)
        generation = constants.generation(tx)
    database = restored(saved, tmp_path)
    with database.write() as tx:
        with pytest.raises(Fenced):
            ownership.check(tx, old)
        new = ownership.take(tx, full.dataset_id, "h0", constants.next_generation(tx))
        assert new.epoch > old.epoch
        assert constants.generation(tx) > generation + 1
    again = tmp_path / "again"
    again.mkdir()
    restore(saved, url(again), now=NOW + timedelta(seconds=1))
    later = Database(url(again))
    with later.write() as tx, pytest.raises(Fenced):
        ownership.check(tx, new)


def test_a_dataset_gets_a_host_of_the_new_cluster(full: Owner, saved: Path, tmp_path: Path) -> None:
    with restored(saved, tmp_path).write() as tx:
        generation, mine = constants.next_generation(tx), ["h0"]
        ownership.place(tx, full.dataset_id, mine, generation=generation, keeps=mine.__contains__)
        assert tx.scalars(select(tables.ownership.c.host)).all() == ["h0"]


def test_what_is_there_already_is_never_written_over(
    full: Owner, saved: Path, tmp_path: Path
) -> None:
    before = saved.read_bytes()
    with pytest.raises(BackupExists, match="exists already"):
        back_up(full.database, saved, now=NOW)
    assert saved.read_bytes() == before
    with pytest.raises(NotEmpty, match="has rows already"):
        restore(saved, full.url, now=NOW)
    assert partial_of(saved).exists() is False


def test_a_store_that_a_server_has_only_opened_is_empty(saved: Path, tmp_path: Path) -> None:
    opened = Database(url(tmp_path))
    migrate.upgrade(opened)
    with opened.write() as tx:
        constants.raise_generation(tx, 2**40)
        constants.secret(tx)
        tx.execute(insert(tables.nonce).values(access_key_id="a", nonce="n", seen_at=NOW))
    opened.close()
    database = restored(saved, tmp_path)
    with database.write() as tx:
        assert constants.next_generation(tx) > 2**40
        assert tx.scalar(select(func.count()).select_from(tables.nonce)) == 0


def test_a_torn_backup_is_refused(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    for seventh in range(7):
        saved.write_bytes(whole[: seventh * len(whole) // 7])
        with pytest.raises(DamagedBackup):
            restored(saved, tmp_path)
        assert not (tmp_path / "restored.db").exists()


def flips(whole: bytes) -> Iterator[int]:
    """Return places all over the file, and those of a vector, a text and the manifest."""
    yield from range(0, len(whole), 20_011)
    for known in (b"oss://b/ann1", b"figure_clustering", b'"made_at"', b"violations"):
        place = whole.find(known)
        if place >= 0:
            yield place


def test_a_flipped_bit_is_found_or_changes_nothing(
    full: Owner, saved: Path, tmp_path: Path
) -> None:
    whole = saved.read_bytes()
    before = contents(full.database, *CHANGED)
    refused = 0
    for place in flips(whole):
        flipped = bytearray(whole)
        flipped[place] ^= 4
        saved.write_bytes(flipped)
        try:
            with BackupFile(saved) as file:
                file.verify()
                found = {
                    name: sorted(repr(row) for rows in file.rows(name, t.columns) for row in rows)
                    for name, t in file.manifest.tables.items()
                }
        except DamagedBackup:
            refused += 1
        else:
            assert {name: found[name] for name in before} == before
    assert refused >= 3


def test_a_row_that_was_changed_or_taken_out_is_named(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    for change, why in (
        ("UPDATE figure SET quality = 0.123", "a row of the table figure was changed"),
        ("DELETE FROM file_label", "the table file_label has 0 rows instead of 1"),
        ("DROP TABLE binding", "the table binding can not be read"),
        ("UPDATE backup_manifest SET manifest = replace(manifest, '2026', '2025')", "SHA-256"),
        ("UPDATE backup_manifest SET manifest = '[]'", "can not be read"),
        ("DROP TABLE backup_manifest", "it has no manifest"),
    ):
        saved.write_bytes(whole)
        with closing(sqlite3.connect(saved)) as connection:
            connection.execute(change)
            connection.commit()
        with pytest.raises(DamagedBackup, match=why):
            restored(saved, tmp_path)


def points(work: Callable[[], object]) -> list[str]:
    """Return the crash points that something reaches."""
    reached: list[str] = []
    with watched(reached.append):
        work()
    return reached


def stop_at(step: int) -> Callable[[str], None]:
    left = [step]

    def stop(name: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Crash(name)

    return stop


def test_whatever_moment_a_backup_stops_at_there_is_no_half_one(
    full: Owner, tmp_path: Path
) -> None:
    out = tmp_path / "backup"
    names = points(lambda: back_up(full.database, out, now=NOW))
    assert {name for name in names if not name.startswith("migration.")} == {
        "backup.table_copied",
        "backup.rows_written",
        "backup.verified",
        "backup.file_synced",
        "backup.file_renamed",
    }
    for step in sorted({1, 7, *range(names.index("backup.rows_written"), len(names) + 1)}):
        out.unlink(missing_ok=True)
        with watched(stop_at(step)), pytest.raises(Crash):
            back_up(full.database, out, now=NOW)
        assert out.exists() == (names[step - 1] == "backup.file_renamed")
        assert not partial_of(out).exists()
    with BackupFile(out) as file:
        file.verify()


def test_whatever_moment_a_restore_stops_at_the_store_has_all_or_nothing(
    saved: Path, tmp_path: Path
) -> None:
    target = tmp_path / "restored.db"
    names = points(lambda: restored(saved, tmp_path).close())
    for step in sorted({1, 9, *range(names.index("restore.committed"), len(names) + 1)}):
        target.unlink()
        with watched(stop_at(step)), pytest.raises(Crash):
            restored(saved, tmp_path)
        assert target.exists() == (names[step - 1] == "backup.file_renamed")
        if not target.exists():
            target.touch()
    assert fsck.check(Database(url(tmp_path))) == []


def test_what_a_dead_process_has_left_is_in_nobodys_way(full: Owner, tmp_path: Path) -> None:
    out = tmp_path / "backup"
    partial_of(out).write_bytes(b"half")
    (tmp_path / "backup.partial-wal").write_bytes(b"half")
    back_up(full.database, out, now=NOW)
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup"]


def test_a_damaged_store_is_saved_as_it_is_and_restored_only_if_asked(
    full: Owner, tmp_path: Path
) -> None:
    with full.database.write() as tx:
        tx.execute(update(tables.dataset).values(file_count=99))
    made = back_up(full.database, tmp_path / "backup", now=NOW)
    assert any("dataset" in violation for violation in made.violations)
    with pytest.raises(StoreDamaged):
        restored(tmp_path / "backup", tmp_path)
    assert not (tmp_path / "restored.db").exists()
    database = restored(tmp_path / "backup", tmp_path, even_if_damaged=True)
    assert fsck.check(database) != []


def of_schema(backup: Path, revision: str) -> None:
    """Make of a backup one that an older version has made."""
    database = Database(f"sqlite:///{backup}")
    with database.write() as tx:
        config = migrate._config()
        config.attributes["connection"] = tx
        command.downgrade(config, revision)
    database.close()
    with BackupFile(backup) as file:
        old = {}
        for name, table in file.manifest.tables.items():
            with closing(sqlite3.connect(backup)) as connection:
                known = {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
            columns = tuple(column for column in table.columns if column in known)
            found = summed(file.rows(name, columns))
            old[name] = TableSum(columns, found.rows, found.hexdigest)
        body = json.loads(file.manifest.text())
    manifest = read_manifest_of(body, revision, old)
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("UPDATE backup_manifest SET manifest = ?", (manifest,))
        connection.commit()


def read_manifest_of(body: dict[str, Any], revision: str, old: dict[str, TableSum]) -> str:
    manifest = read_manifest(json.dumps(body))
    return type(manifest)(
        made_at=manifest.made_at, version="0.1", schema=revision, tables=old
    ).text()


def test_a_backup_of_an_older_version_is_brought_to_this_schema(
    full: Owner, saved: Path, tmp_path: Path
) -> None:
    before = contents(full.database, *CHANGED, tables.task)
    of_schema(saved, "0007")  # which does not count the attempts at a task
    content = saved.read_bytes()
    database = restored(saved, tmp_path)
    assert contents(database, *CHANGED, tables.task) == before
    assert saved.read_bytes() == content


def test_a_backup_of_a_newer_version_is_refused(saved: Path, tmp_path: Path) -> None:
    with BackupFile(saved) as file:
        manifest = file.manifest
    newer = read_manifest_of(json.loads(manifest.text()), "9999", dict(manifest.tables))
    with closing(sqlite3.connect(saved)) as connection:
        connection.execute("UPDATE backup_manifest SET manifest = ?", (newer,))
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(migrate.WrongSchema, match="newer than this imm-ray"):
        restored(saved, tmp_path)


def test_a_store_of_another_schema_is_not_saved(full: Owner, tmp_path: Path) -> None:
    with full.database.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0007'")
    with pytest.raises(migrate.WrongSchema):
        back_up(full.database, tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup").exists()


def test_messages_keep_their_ids(full: Owner, saved: Path, tmp_path: Path) -> None:
    with full.database.read() as tx:
        ids = sorted(tx.scalars(select(tables.outbox.c.message_id)))
    assert ids
    database = restored(saved, tmp_path)
    with database.read() as tx:
        assert sorted(tx.scalars(select(tables.outbox.c.message_id))) == ids
        assert constants.signed_from(tx) == NOW
    with database.write() as tx:
        tx.execute(delete(tables.outbox))
