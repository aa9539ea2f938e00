"""Taking away all snapshots of a dataset, whoever owns it."""

from collections.abc import Iterable

from imm_ray.crash_point import reached
from imm_ray.model import DatasetId
from imm_ray.store import datasets, snapshots
from imm_ray.store.blobs import Blobs
from imm_ray.store.database import Database


def forget(database: Database, blobs: Blobs, dataset_id: DatasetId) -> int:
    """Delete every file and row of a dataset's snapshots; return how many files there were.

    A restart rebuilds from the database then. An owner that is at work writes a new snapshot when
    one is due; it holds nothing that the database has not.

    Raises
    ------
    BlobError
        Some files may be left: do it again.
    """
    with database.write() as tx:
        snapshots.forget(tx, dataset_id)
    reached("snapshot.forgotten")
    keys = blobs.keys(dataset_id)
    for key in keys:
        blobs.delete(key)
    reached("snapshot.files_deleted")
    return len(keys)


class StoredSnapshots:
    """The snapshots of all datasets of a database, for who erases."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def forget(self, dataset_id: DatasetId) -> None:
        """Delete the snapshots of a dataset (raises as the function)."""
        forget(self._database, self._blobs, dataset_id)


def sweep_snapshots(database: Database, blobs: Blobs) -> None:
    """Delete the files of datasets that are no more: what a crash or a late owner has left."""
    for dataset_id in map(DatasetId, blobs.folders()):
        with database.read() as tx:
            dataset = datasets.by_id(tx, dataset_id)
        if dataset is None:
            _delete(blobs, blobs.keys(dataset_id))


def _delete(blobs: Blobs, keys: Iterable[str]) -> None:
    for key in keys:
        blobs.delete(key)
