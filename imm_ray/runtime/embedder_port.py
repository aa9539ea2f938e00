"""How owners call the Embedder deployment. Apart from it: owners load no models."""

from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from imm_ray.dataset.ports import EmbedderDied, EmbedderUnavailable
from imm_ray.model import Outcome, Source
from imm_ray.runtime.names import APP, EMBEDDER


class ServeEmbedder:
    """Calls the Embedder deployment (implements ``dataset.ports.Embedder``)."""

    def __init__(self) -> None:
        self._handle: Any = None

    async def embed(self, sources: Sequence[Source]) -> Sequence[Outcome]:
        """Return one outcome for each source."""
        try:
            if self._handle is None:
                self._handle = serve.get_deployment_handle(EMBEDDER, APP)
            outcomes: Sequence[Outcome] = await self._handle.embed.remote(list(sources))
        except (ActorDiedError, WorkerCrashedError, RayTaskError) as error:
            raise EmbedderDied(str(error)) from error
        except (
            ActorUnavailableError,
            BackPressureError,
            DeploymentUnavailableError,
            RayActorError,
        ) as error:
            self._handle = None
            raise EmbedderUnavailable(str(error)) from error
        return outcomes
