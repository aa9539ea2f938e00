"""How an owner gives its dataset up: in the transaction that looks whether work is left."""

from imm_ray.crash_point import reached
from imm_ray.model import DatasetId
from imm_ray.store import ownership, work
from imm_ray.store.database import Database, Tx
from imm_ray.store.ownership import Lease


class Departure:
    """Gives one dataset up.

    Notes
    -----
    A request that commits before that transaction is seen by it. One that commits after it rings a
    host that has left, which comes back. So no doorbell can fall between the two.
    """

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._lease = lease

    def rest(self, mended_seq: int) -> bool:
        """Leave if nothing is left to do, knowing of deletes up to ``mended_seq``; return whether.

        Raises
        ------
        imm_ray.store.ownership.Fenced
        """
        with self._database.write() as tx:
            if has_work(tx, self._lease.dataset_id, mended_seq):
                return False
            ownership.rest(tx, self._lease)
            reached("owner.rest_written")
        reached("owner.rested")
        return True

    def stay(self) -> None:
        """Go on after `rest`: somebody has asked while it was written.

        Raises
        ------
        imm_ray.store.ownership.Fenced
        """
        with self._database.write() as tx:
            ownership.stay(tx, self._lease)
            reached("owner.stay_written")
        reached("owner.stayed")

    def part(self, mended_seq: int, *, for_good: bool) -> bool:
        """Leave; return whether work is left. ``for_good``: for any cluster to take at once.

        Raises
        ------
        imm_ray.store.ownership.Fenced
        """
        with self._database.write() as tx:
            left = has_work(tx, self._lease.dataset_id, mended_seq)
            (ownership.release if for_good else ownership.rest)(tx, self._lease)
            reached("owner.release_written")
        reached("owner.released")
        return left


def has_work(tx: Tx, dataset_id: DatasetId, mended_seq: int) -> bool:
    """Return whether an owner that knows of deletes up to ``mended_seq`` has anything to do."""
    return work.pending_of_dataset(tx, dataset_id) > 0 or bool(
        work.deleted_since(tx, dataset_id, mended_seq)
    )
