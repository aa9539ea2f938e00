"""What has to go after deletes, in the background: ids in histories, and old pages of the log.

Deleting takes figures, vectors and labels away at once, and thumbnails as soon as the owner has
heard of it. The rest goes here. `COMPACT_S` is far below the 24 hours within which a deletion is
promised to be complete.
"""

from typing import Protocol

import structlog

from imm_ray.model import DatasetId
from imm_ray.store.database import Database
from imm_ray.store.erasure import compact, scrub

COMPACT_S = 3600.0
"""Seconds between two compactions."""

_PATIENCE_S = 10.0

_log = structlog.get_logger(__name__)


class KeptSnapshots(Protocol):
    """Snapshots of engines, which hold vectors."""

    def forget(self, dataset_id: DatasetId) -> None:
        """Throw those of a dataset away; a new one is made without what was deleted."""


def compact_store(database: Database, snapshots: KeptSnapshots | None = None) -> int:
    """Finish what deletes have begun; return in how many datasets something was to do.

    Snapshots go first and the log last: while something is left, whoever comes next tries again.
    """
    with database.read() as tx:
        disturbed = scrub.disturbed(tx)
    for dataset_id, seq in disturbed:
        if snapshots is not None:
            snapshots.forget(dataset_id)
        changed = scrub.scrub(database, dataset_id, seq)
        _log.info("dataset scrubbed", dataset_id=dataset_id, rows=changed)
    if not compact.cut_log(database, patience_s=_PATIENCE_S):
        _log.warning("the log of the database could not be cut; it is tried again")
    return len(disturbed)
