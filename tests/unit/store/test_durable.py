"""What SQLite is told: to wait for the disk, and to overwrite what is deleted."""

from contextlib import closing
from pathlib import Path

import pytest

from imm_ray.store.database import Database


@pytest.mark.parametrize(("relaxed", "level"), [(False, 2), (True, 1)])
def test_a_commit_waits_for_the_disk_unless_relaxed(
    tmp_path: Path, relaxed: bool, level: int
) -> None:
    with (
        closing(Database(f"sqlite:///{tmp_path / 'imm.db'}", relaxed=relaxed)) as database,
        database.read() as tx,
    ):
        asked = ("synchronous", "journal_mode", "foreign_keys", "secure_delete")
        told = [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    assert told == [level, "wal", 1, 1]
