"""What happens while a snapshot is written, or after it, is not lost, nor kept, by it."""

import threading
from pathlib import Path

from imm_ray.crash_point import watched
from imm_ray.dataset.compaction import compact_store, with_old_snapshots
from imm_ray.dataset.snapshot.shelf import Shelf
from imm_ray.settings import Snapshots
from imm_ray.store import work
from imm_ray.store.blobs import LocalBlobs
from tests.recovery.keeping import Keeping
from tests.recovery.test_snapshots import album, run, vectors_of

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
            Shelf.step(owner.shelf)  # `Keeping` writes nothing by itself
    owner.figures.found_with(3)
    run(owner)
    assert not owner.rows()
    disk.goes_on.set()
    while not owner.rows():
        Shelf.step(owner.shelf)  # `Keeping` writes nothing by itself
    assert owner.rows()[0].outdated
    owner.restart()
    assert owner.figures.entrance.must_consolidate
    owner.shelf.close()
    owner.database.close()


def test_an_owner_that_dies_after_a_delete_has_a_successor_who_writes_it_away(
    tmp_path: Path,
) -> None:
    owner = Keeping(tmp_path)
    owner.index(album())
    run(owner)
    owner.save()
    compact_store(owner.database)
    assert with_old_snapshots(owner.database) == []
    vectors = vectors_of(album()["oss://b/ann0"])
    owner.delete("oss://b/ann0")
    owner.drain()  # and dies before the next snapshot is due
    with owner.database.read() as tx:
        assert work.datasets_with_work(tx) == [], "nothing else would wake anybody"
    assert all(any(v in data for data in owner.files().values()) for v in vectors)
    assert with_old_snapshots(owner.database) == [owner.dataset_id]
    owner.restart()
    assert owner.engine.save()
    assert not any(v in data for data in owner.files().values() for v in vectors)
    owner.shelf.close()
    owner.database.close()
