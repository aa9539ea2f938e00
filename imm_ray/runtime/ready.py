"""What must work before requests are sent to an ingress replica."""

import asyncio
from typing import Any

from ray import serve

from imm_ray.api.readiness import Readiness
from imm_ray.runtime.directory import Directory
from imm_ray.runtime.names import APP, EMBEDDER
from imm_ray.store.database import Database
from imm_ray.store.migrate import require_current


def open_readiness(database: Database, directory: Directory) -> Readiness:
    """Return what asks the store and its schema, the owner hosts, and the models.

    A replica of the Embedder answers when it has loaded its models.
    """
    embedder: Any = None

    async def models() -> None:
        nonlocal embedder
        if embedder is None:
            embedder = serve.get_deployment_handle(EMBEDDER, APP)
        await embedder.ping.remote()

    return Readiness(
        {
            "store": lambda: asyncio.to_thread(require_current, database),
            "owners": directory.ping,
            "models": models,
        }
    )
