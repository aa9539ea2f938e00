"""Throws away thumbnails of files and datasets that are no more.

Who deletes throws away at once (`engine.mend`, `purge.purge_datasets`). What is left when a process
died in between, or when a thumbnail was made while its file was being deleted, is found here.
"""

from collections.abc import Iterable
from typing import Protocol

from imm_ray.model import DatasetId, FileId
from imm_ray.store import pictures
from imm_ray.store.database import Database

_AT_ONCE = 500


class KeptThumbnails(Protocol):
    """Thumbnails on disk."""

    def forget(self, dataset_id: DatasetId, file_ids: Iterable[FileId]) -> None:
        """Throw away those of files."""

    def forget_dataset(self, dataset_id: DatasetId) -> None:
        """Throw away those of all files of a dataset."""

    def datasets(self) -> list[DatasetId]:
        """Return whose there may be."""

    def files(self, dataset_id: DatasetId) -> list[FileId]:
        """Return of which files of a dataset there may be some."""


def sweep_thumbnails(database: Database, kept: KeptThumbnails) -> None:
    """Throw away the thumbnails of what is not in the database.

    Its cost follows how many files have thumbnails, and not how many there are.
    """
    for dataset_id in kept.datasets():
        file_ids = kept.files(dataset_id)
        left = False
        for start in range(0, len(file_ids), _AT_ONCE):
            some = file_ids[start : start + _AT_ONCE]
            with database.read() as tx:
                there = pictures.existing(tx, dataset_id, some)
            left = left or bool(there)
            kept.forget(dataset_id, [file_id for file_id in some if file_id not in there])
        if not left:
            kept.forget_dataset(dataset_id)
