"""Which host of a cluster has a dataset: small ones share, large ones have one of their own."""

from imm_ray.model import DatasetId
from imm_ray.runtime.names import is_owner_of, new_owner, owner_hosts
from imm_ray.settings import Owners
from imm_ray.store import ownership
from imm_ray.store.database import Tx


class Placement:
    """Says, for one host, whether a dataset may be served there.

    A host that others may still ring, because they do not know that a dataset has moved, must not
    take it back: the two would fence each other in turn.
    """

    def __init__(self, host: str, owners: Owners, generation: int) -> None:
        self._host = host
        self._large_bytes = owners.large_bytes
        self._generation = generation
        self._is_shared = host in owner_hosts(owners.hosts, generation)

    def elsewhere(self, tx: Tx, dataset_id: DatasetId, size_bytes: int) -> str | None:
        """Return the host that a dataset belongs to, None when it may be taken here.

        One that has grown too large to share this host is given another by that.
        """
        there = ownership.find(tx, dataset_id)
        if there is None:
            return None
        if there != self._host and is_owner_of(self._generation, there):
            return there
        if not self._is_shared or size_bytes < self._large_bytes:
            return None
        there = new_owner(self._generation)
        ownership.move(tx, dataset_id, there)
        return there
