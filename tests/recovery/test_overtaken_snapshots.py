"""A snapshot is written while the engine works: what happens meanwhile is not lost with it."""

import threading
from pathlib import Path

from imm_ray.crash_point import watched
from imm_ray.settings import Snapshots
from imm_ray.store.blobs import LocalBlobs
from tests.recovery.keeping import Keeping
from tests.recovery.test_snapshots import album, run

PATIENCE_S = 60.0


class SlowDisk(LocalBlobs):
    """Stores no manifest before it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.goes_on = threading.Event()

    def put(self, key: str, data: bytes) -> None:
        if key.endswith(".json"):
            assert self.goes_on.wait(PATIENCE_S)
        super().put(key, data)


def test_a_consolidation_while_a_snapshot_is_written_is_made_again(tmp_path: Path) -> None:
    disk = SlowDisk(tmp_path / "snapshots")
    owner = Keeping(tmp_path, blobs=disk, settings=Snapshots(least_items=0, every_s=1e-9))
    seen: list[str] = []
    with watched(seen.append):
        owner.index(album())
        run(owner)
        while seen.count("snapshot.cut_taken") < 2:
            owner.engine.checkpoint()
    owner.figures.found_with(3)
    run(owner)
    assert not owner.rows()
    disk.goes_on.set()
    while not owner.rows():
        owner.engine.checkpoint()
    assert owner.rows()[0].outdated
    owner.restart()
    assert owner.figures.entrance.must_consolidate
    owner.shelf.close()
    owner.database.close()
