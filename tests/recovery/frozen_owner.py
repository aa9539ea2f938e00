"""A process that owns a dataset: ``python -m tests.recovery.frozen_owner FOLDER DATASET``.

Its embedder says with a file that it has a chunk in hand, and waits for another file.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from imm_ray.dataset.host import EngineHost
from imm_ray.model import DatasetId, Source
from imm_ray.store.database import Database
from imm_ray.store.ownership import Fenced
from imm_ray.testing import face, picture, random_vector
from tests.unit.dataset.hosting import GatedEmbedder, World

FENCED = 17


class Embedder(GatedEmbedder):
    """Knows every picture, and holds the second chunk."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    async def gate(self, sources: Sequence[Source]) -> None:
        for source in sources:
            self.outcomes[source.uri] = picture(source.uri, face(random_vector(source.uri, 128)))
        if len(self.calls) > 0:
            (self._folder / "held").touch()
            while not (self._folder / "let-go").exists():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)


def leave(why: Fenced) -> None:
    os._exit(FENCED)


async def own(folder: Path, dataset_id: DatasetId) -> None:
    world = World.__new__(World)
    world.attach(folder)
    host = EngineHost(
        Database(world.settings.store_url),
        world.opening("frozen", 1),
        Embedder(folder),
        world.settings.owners,
        fenced=leave,
    )
    host.ring(dataset_id)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(own(Path(sys.argv[1]), DatasetId(sys.argv[2])))
