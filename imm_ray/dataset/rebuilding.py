"""Bringing back the graph that a restart without a snapshot has lost, before a run needs it."""

from collections.abc import Mapping

import structlog

from imm_ray.crash_point import reached
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.entrance import AT_ONCE
from imm_ray.model import ClusterKind
from imm_ray.store import datasets, snapshots
from imm_ray.store.database import Database
from imm_ray.store.ownership import Lease

_log = structlog.get_logger(__name__)


class Rebuilding:
    """Brings absent items into the graph for a second at a time, and shows how far it is.

    What waits for it (tasks, edits) stays as it is; reads, indexing, searches and snapshots go on
    between two portions. A snapshot keeps what has been done, so a crash does not begin again.
    """

    def __init__(
        self, database: Database, lease: Lease, collections: Mapping[ClusterKind, Collection]
    ) -> None:
        self._database = database
        self._lease = lease
        self._collections = collections
        self._totals: dict[ClusterKind, int] = {}

    def begin(self) -> None:
        """Take back what an owner before has shown."""
        with self._database.read() as tx:
            dataset = datasets.by_id(tx, self._lease.dataset_id)
        if dataset is not None and dataset.rebuild_total:
            self._show(left=0, total=0)

    def is_needed(self, kind: ClusterKind) -> bool:
        """Return whether more is absent than a run brings in by itself."""
        return kind in self._totals or self._collections[kind].entrance.absent_count > AT_ONCE

    def step(self, kind: ClusterKind) -> bool:
        """Bring some in, if many are absent; return whether a run has to wait."""
        if not self.is_needed(kind):
            return False
        entrance = self._collections[kind].entrance
        if kind not in self._totals:
            self._totals[kind] = len(self._collections[kind].items)
            _log.info("rebuilding", dataset_id=self._lease.dataset_id, kind=str(kind))
        left = self._collections[kind].rebuild()
        reached("rebuild.portion_entered")
        total = self._totals[kind]
        if not left:
            del self._totals[kind]
            total = 0
            _log.info("rebuilt", dataset_id=self._lease.dataset_id, kind=str(kind))
        self._show(left=entrance.absent_count, total=total)
        return left

    def _show(self, *, left: int, total: int) -> None:
        with self._database.write() as tx:
            snapshots.show_rebuild(tx, self._lease, left=left, total=total)
