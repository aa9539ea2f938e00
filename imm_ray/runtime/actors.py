"""What Ray ships to its workers: classes that import their work where it is done.

The processes that only create an actor or a replica (the driver, the ingress, the steward) must not
load FAISS, numba, OpenCV or the models: seconds of start, and a hundred megabytes each.
"""

from collections.abc import Sequence

from imm_ray.model import DatasetId, Outcome, Source
from imm_ray.settings import Settings


class OwnerActor:
    """The actor around `runtime.owner.OwnerHost`."""

    def __init__(self, name: str, settings: Settings, generation: int) -> None:
        from imm_ray.runtime.owner import OwnerHost

        self._host = OwnerHost(name, settings, generation)

    async def ring(self, dataset_id: DatasetId) -> None:
        """Look for work of a dataset."""
        self._host.ring(dataset_id)


class Embedder:
    """The deployment around `runtime.embedder.Replica`."""

    def __init__(self, settings: Settings) -> None:
        from imm_ray.runtime.embedder import Replica

        self._replica = Replica.of(settings)

    async def embed(self, sources: Sequence[Source]) -> list[Outcome]:
        """Return one outcome for each source."""
        return await self._replica.embed(sources)

    def check_health(self) -> None:
        """Raise when the replica is to be replaced (Ray Serve asks every ten seconds)."""
        self._replica.check_health()
