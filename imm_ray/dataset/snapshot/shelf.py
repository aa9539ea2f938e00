"""The snapshots of one engine: one keeper for the figures, one for the pictures."""

from collections.abc import Mapping

import structlog

from imm_ray.dataset.collection import Collection
from imm_ray.dataset.ports import Clock
from imm_ray.dataset.snapshot.keeper import SnapshotKeeper, Surroundings
from imm_ray.dataset.snapshot.loader import Fetch
from imm_ray.model import ClusterKind, JsonObject
from imm_ray.settings import Snapshots
from imm_ray.store.blobs import BlobError, Blobs
from imm_ray.store.database import Database
from imm_ray.store.loading import Progress
from imm_ray.store.ownership import Lease

_log = structlog.get_logger(__name__)


class Shelf:
    """Writes and reads the snapshots of an engine.

    Parameters
    ----------
    bindings
        By kind, what a snapshot must have been made with: model, dimension, limits, rules.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        *,
        blobs: Blobs,
        settings: Snapshots,
        collections: Mapping[ClusterKind, Collection],
        bindings: Mapping[ClusterKind, JsonObject],
        clock: Clock,
    ) -> None:
        around = Surroundings(
            database=database,
            lease=lease,
            blobs=blobs,
            settings=settings,
            clock=clock,
        )
        self._keepers = {
            kind: SnapshotKeeper(kind, collection, bindings[kind], around)
            for kind, collection in collections.items()
        }

    def restore(self, kind: ClusterKind, at: Progress, fetch: Fetch) -> bool:
        """Fill the collection of a kind from a snapshot and the database; return whether it is."""
        return self._keepers[kind].restore(at, fetch)

    def begin(self, kind: ClusterKind) -> None:
        """Take note that a collection was filled from the database alone."""
        self._keepers[kind].begin()

    def step(self) -> bool:
        """Write a portion of what is due; return whether more can be done now."""
        more = [keeper.step() for keeper in self._keepers.values()]
        return any(more)

    def save(self, *, anew: bool = False) -> bool:
        """Write all that has changed; return False, with the reason logged, if that failed.

        With ``anew`` everything is written again, and nothing of what was there before is kept.
        """
        try:
            for keeper in self._keepers.values():
                keeper.save(anew=anew)
        except BlobError as error:
            _log.error("snapshot not written", why=str(error))
            return False
        return True

    def close(self) -> None:
        """End the threads, after what they have in hand."""
        for keeper in self._keepers.values():
            keeper.close()
