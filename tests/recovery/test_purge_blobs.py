"""A storage of snapshots that refuses to delete holds up no other purge."""

from pathlib import Path

from imm_ray.dataset.engine import Notices
from imm_ray.dataset.purge import purge_datasets
from imm_ray.model import DatasetId
from imm_ray.store import purge
from imm_ray.store.blobs import BlobError, LocalBlobs
from tests.unit.dataset.hosting import World
from tests.unit.dataset.owner import tell_request, tell_task


class Stubborn(LocalBlobs):
    """Deletes nothing of one dataset."""

    keeps: DatasetId | None = None

    def delete(self, key: str) -> None:
        if key.startswith(str(self.keeps)):
            raise BlobError("this user may not write there")
        super().delete(key)


def test_a_dataset_whose_snapshots_can_not_be_deleted_keeps_no_other(tmp_path: Path) -> None:
    world = World(tmp_path)
    blobs = Stubborn(tmp_path / "snapshots")
    first, second = world.make(), world.make()
    for dataset_id in (first, second):
        blobs.put(f"{dataset_id}/figure-1-ab", b"x")
        with world.database.write() as tx:
            purge.mark(tx, "a", "p", dataset_id, world.clock())

    def purged() -> int:
        notices = Notices(task=tell_task, request=tell_request)
        return purge_datasets(world.database, notices=notices, clock=world.clock, blobs=blobs)

    blobs.keeps = first
    assert purged() == 1
    with world.database.read() as tx:
        assert purge.waiting(tx) == [first], "its rows stay, so that it is tried again"
    assert blobs.folders() == [first]
    blobs.keeps = None
    assert purged() == 1
    assert blobs.folders() == []
    world.close()
