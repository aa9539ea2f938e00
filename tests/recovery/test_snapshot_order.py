"""A snapshot is recorded when all its files are stored, and not before."""

from pathlib import Path

from imm_ray.store.blobs import BlobError, LocalBlobs
from tests.recovery.keeping import Keeping
from tests.recovery.test_snapshots import album, run


class WithoutManifests(LocalBlobs):
    """Has room for segments, and none for what names them."""

    def put(self, key: str, data: bytes) -> None:
        if key.endswith(".json"):
            raise BlobError("there is no space left")
        super().put(key, data)


def test_a_snapshot_whose_manifest_is_not_stored_is_none(tmp_path: Path) -> None:
    owner = Keeping(tmp_path, blobs=WithoutManifests(tmp_path / "snapshots"))
    owner.index(album())
    run(owner)
    assert not owner.engine.save()
    assert owner.files(), "segments are there"
    assert owner.rows() == []
    owner.shelf.close()
    owner.database.close()
