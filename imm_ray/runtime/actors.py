"""What Ray ships to its workers: classes that import their work where it is done.

The processes that only create an actor or a replica (the driver, the ingress, the steward) must not
load FAISS, numba, OpenCV or the models: seconds of start, and a hundred megabytes each.
"""

from collections.abc import Sequence

from imm_ray.model import (
    DatasetId,
    Explained,
    Found,
    Outcome,
    Pair,
    Picture,
    Refused,
    Search,
    Source,
    Thumbnail,
)
from imm_ray.settings import Settings


class OwnerActor:
    """The actor around `runtime.owner.OwnerHost`."""

    def __init__(self, name: str, settings: Settings, generation: int) -> None:
        from imm_ray.runtime.owner import OwnerHost

        self._host = OwnerHost(name, settings, generation)

    async def ring(self, dataset_id: DatasetId, anew: bool) -> None:
        """Look for work of a dataset; ``anew`` when something new was asked of it."""
        self._host.ring(dataset_id, anew=anew)

    async def ping(self) -> int:
        """Return how many datasets are in hand."""
        return self._host.ping()

    async def drain(self) -> None:
        """Let all datasets go, for any cluster to take at once; take none any more."""
        await self._host.drain()

    async def search(self, dataset_id: DatasetId, wanted: Search) -> Found:
        """Return what is nearest among what a dataset has indexed."""
        return await self._host.search(dataset_id, wanted)

    async def explain(self, dataset_id: DatasetId, pair: Pair) -> Explained | None:
        """Return why two items of a dataset are in one cluster or not."""
        return await self._host.explain(dataset_id, pair)


class Embedder:
    """The deployment around `runtime.embedder.Replica`."""

    def __init__(self, settings: Settings) -> None:
        from imm_ray.runtime.embedder import Replica

        self._replica = Replica.of(settings)

    async def embed(self, sources: Sequence[Source]) -> list[Outcome]:
        """Return one outcome for each source."""
        return await self._replica.embed(sources)

    async def look(self, picture: Picture) -> Outcome:
        """Return what is in a picture that a client waits for."""
        return await self._replica.look(picture)

    async def thumbnail(self, wanted: Thumbnail) -> bytes | Refused:
        """Return a small JPEG that a client waits for."""
        return await self._replica.thumbnail(wanted)

    async def ping(self) -> None:
        """Return: the models are loaded, and the event loop is free."""

    def check_health(self) -> None:
        """Raise when the replica is to be replaced (Ray Serve asks every two seconds)."""
        self._replica.check_health()
