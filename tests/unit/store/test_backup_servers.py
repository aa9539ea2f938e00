"""Backups from and into PostgreSQL: the way from an embedded service to a cluster, and back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from imm_ray.crash_point import watched
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.erasure import Surroundings, Wanted, erase
from imm_ray.media.thumbnails import DiskThumbnails
from imm_ray.store import constants, fsck, tables
from imm_ray.store.backup.make import LEFT_OUT, back_up
from imm_ray.store.backup.restore import NotEmpty, restore
from imm_ray.store.database import Database
from tests.postgres import Databases
from tests.recovery.test_crash import Crash
from tests.recovery.test_purge import full as full  # the fixture
from tests.unit.dataset.owner import Owner, tell_request, tell_task
from tests.unit.store.rows import contents, put, stores

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CHANGED = (*LEFT_OUT, tables.meta)


@given(stores())
@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_any_rows_go_from_a_server_to_a_file_and_back(
    tmp_path_factory: pytest.TempPathFactory, postgres: Databases, store: dict[str, list[Any]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with postgres.fresh() as url, postgres.fresh() as other:
        source = Database(url)
        put(source, store)
        expected = contents(source, *CHANGED)
        back_up(source, folder / "one", now=NOW)
        source.close()
        file = f"sqlite:///{folder / 'imm.db'}"
        restore(folder / "one", file, now=NOW, even_if_damaged=True)
        embedded = Database(file)
        assert contents(embedded, *CHANGED) == expected
        back_up(embedded, folder / "two", now=NOW)
        embedded.close()
        restore(folder / "two", other, now=NOW, even_if_damaged=True)
        target = Database(other)
        assert contents(target, *CHANGED) == expected
        target.close()


def test_an_embedded_service_becomes_a_cluster(
    full: Owner, tmp_path: Path, postgres: Databases
) -> None:
    back_up(full.database, tmp_path / "backup", now=NOW)
    with postgres.fresh() as url:
        restore(tmp_path / "backup", url, now=NOW)
        database = Database(url)
        assert contents(database, *CHANGED) == contents(full.database, *CHANGED)
        assert fsck.check(database) == []
        with database.read() as tx:
            assert constants.signed_from(tx) == NOW
        with pytest.raises(NotEmpty):
            restore(tmp_path / "backup", url, now=NOW)
        full.database.close()
        full.database = full.engine_database = database
        full.restart()
        full.drain()
        assert fsck.check(database) == []
        database.close()


def test_a_server_has_all_rows_of_a_restore_or_none(
    full: Owner, tmp_path: Path, postgres: Databases
) -> None:
    back_up(full.database, tmp_path / "backup", now=NOW)

    def stop(name: str) -> None:
        if name == "restore.table_copied" and left.pop() == "":
            raise Crash(name)

    left = ["", *"..........."]
    with postgres.fresh() as url:
        with watched(stop), pytest.raises(Crash):
            restore(tmp_path / "backup", url, now=NOW)
        database = Database(url)
        assert not any(contents(database).values())
        restore(tmp_path / "backup", url, now=NOW)
        assert contents(database, *CHANGED) == contents(full.database, *CHANGED)
        database.close()


def test_an_erasure_writes_the_tables_of_a_server_anew(
    full: Owner, tmp_path: Path, postgres: Databases
) -> None:
    back_up(full.database, tmp_path / "backup", now=NOW)
    with postgres.fresh() as url:
        restore(tmp_path / "backup", url, now=NOW)
        database = Database(url)
        around = Surroundings(
            database=database,
            data=tmp_path / "data",
            thumbnails=DiskThumbnails(tmp_path / "thumbnails", 1000),
            notices=Notices(task=tell_task, request=tell_request),
            clock=full.clock,
        )
        wanted = Wanted(account="a", project="p", dataset="d", uris=("oss://b/ann0",))
        reached: list[str] = []
        with watched(reached.append):
            receipt = erase(wanted, around)
        assert receipt.is_complete
        assert receipt.counts["files"] == 1
        assert "erasure.rewritten" in reached
        assert any("database server's own files" in part for part in receipt.not_covered)
        assert fsck.check(database) == []
        database.close()
