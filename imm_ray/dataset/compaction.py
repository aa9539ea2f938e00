"""What has to go after deletes, in the background: ids in histories, and old pages of the log.

Deleting takes figures, vectors and labels away at once, and thumbnails as soon as the owner has
heard of it. The rest goes here. `COMPACT_S` is far below the 24 hours within which a deletion is
promised to be complete.
"""

import structlog

from imm_ray.model import DatasetId
from imm_ray.store import snapshots
from imm_ray.store.database import Database
from imm_ray.store.erasure import compact, scrub

COMPACT_S = 3600.0
"""Seconds between two compactions."""

_PATIENCE_S = 10.0

_log = structlog.get_logger(__name__)


def with_old_snapshots(database: Database) -> list[DatasetId]:
    """Return datasets whose snapshots may hold what was deleted since the last compaction.

    Ring for them: whoever takes such a dataset writes a new one, at the latest as it leaves.
    """
    with database.read() as tx:
        disturbed = [dataset_id for dataset_id, _ in scrub.disturbed(tx)]
        return [dataset_id for dataset_id in disturbed if snapshots.exist(tx, dataset_id)]


def compact_store(database: Database) -> int:
    """Finish what deletes have begun; return in how many datasets something was to do.

    The log goes last: while something is left, whoever comes next tries again. Snapshots are their
    owner's, who writes one without what was deleted when the next is due, and as it leaves; one
    that has died before that is followed by another (`with_old_snapshots`).
    """
    with database.read() as tx:
        disturbed = scrub.disturbed(tx)
    for dataset_id, seq in disturbed:
        changed = scrub.scrub(database, dataset_id, seq)
        _log.info("dataset scrubbed", dataset_id=dataset_id, rows=changed)
    if not compact.cut_log(database, patience_s=_PATIENCE_S):
        _log.warning("the log of the database could not be cut; it is tried again")
    return len(disturbed)
