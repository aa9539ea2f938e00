"""Nonces are kept as long as their request could be sent again, and no longer."""

from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

from imm_ray.runtime.purge import Purge
from imm_ray.store.database import Database
from imm_ray.store.nonce_memory import open_relaxed
from imm_ray.store.tables import nonce
from tests.wire.rig import Rig


def count(database: Database) -> int:
    with database.read() as tx:
        return tx.scalar(select(func.count()).select_from(nonce)) or 0


def test_old_nonces_of_reads_and_of_writes_are_thrown_away(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig, closing(open_relaxed(rig.database)) as relaxed:
        purge = Purge(rig.database, rig.clock, relaxed=relaxed, retention_days=7)
        rig.call("CreateProject", ProjectName="p")
        rig.call("GetProject", ProjectName="p")
        assert (count(rig.database), count(relaxed)) == (1, 1)
        rig.clock.move(minutes=31)
        purge.run()
        assert (count(rig.database), count(relaxed)) == (1, 1)
        rig.clock.move(seconds=1)
        purge.run()
        assert (count(rig.database), count(relaxed)) == (0, 0)
