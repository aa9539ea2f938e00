"""How the ingress asks the Embedder deployment for what a client waits for."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from ray import serve
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    RayActorError,
    WorkerCrashedError,
)
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from imm_ray.errors import ServiceUnavailable
from imm_ray.model import Outcome, Picture, Refused, Thumbnail
from imm_ray.runtime.names import APP, EMBEDDER

_ATTEMPTS = 2
"""A picture with which a replica dies so often may be why; it must not take all of them along."""

_AGAIN_S = 0.2

_log = structlog.get_logger(__name__)


class ServePictures:
    """Calls the Embedder deployment (implements ``api.ports.Pictures``)."""

    def __init__(self) -> None:
        self._handle: Any = None

    async def look(self, picture: Picture) -> Outcome:
        """Return what the models see in a picture."""
        outcome: Outcome = await self._ask(lambda handle: handle.look.remote(picture))
        return outcome

    async def thumbnail(self, wanted: Thumbnail) -> bytes | Refused:
        """Return a small JPEG."""
        made: bytes | Refused = await self._ask(lambda handle: handle.thumbnail.remote(wanted))
        return made

    async def _ask(self, ask: Callable[[Any], Any]) -> Any:
        deaths = 0
        while deaths < _ATTEMPTS:
            try:
                if self._handle is None:
                    self._handle = serve.get_deployment_handle(EMBEDDER, APP)
                return await ask(self._handle)
            except (ActorDiedError, WorkerCrashedError) as error:
                deaths += 1
                _log.warning("embedder died", why=str(error))
            except (
                ActorUnavailableError,
                BackPressureError,
                DeploymentUnavailableError,
                RayActorError,
            ) as error:
                self._handle = None
                _log.warning("embedder unavailable", why=str(error))
            await asyncio.sleep(_AGAIN_S)
        raise ServiceUnavailable("The analysis of the picture was stopped. Try again.")
