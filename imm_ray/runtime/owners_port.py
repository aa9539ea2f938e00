"""How the ingress asks the owners of datasets."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError

from imm_ray.dataset.opening import Elsewhere
from imm_ray.errors import ResourceNotFound, ServiceUnavailable
from imm_ray.model import DatasetId, Explained, Found, Pair, Search
from imm_ray.runtime.directory import Directory
from imm_ray.store.ownership import DatasetGone

T = TypeVar("T")

_AGAIN_S = 0.2

_log = structlog.get_logger(__name__)


class OwnerActors:
    """Asks owner actors (implements ``api.ports.Owners``).

    An owner that dies is waited for until it is back; the request's own limit of time ends that.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def search(self, dataset_id: DatasetId, wanted: Search) -> Found:
        """Return what is nearest among what is indexed."""
        found: Found = await self._ask(
            dataset_id, lambda actor: actor.search.remote(dataset_id, wanted)
        )
        return found

    async def explain(self, dataset_id: DatasetId, pair: Pair) -> Explained | None:
        """Return why two items are in one cluster or not."""
        explained: Explained | None = await self._ask(
            dataset_id, lambda actor: actor.explain.remote(dataset_id, pair)
        )
        return explained

    async def _ask(self, dataset_id: DatasetId, ask: Callable[[Any], Any]) -> Any:
        while True:
            try:
                return await ask(await self._directory.owner(dataset_id))
            except (ActorDiedError, ActorUnavailableError) as error:
                self._directory.forget()
                _log.warning("owner away", dataset_id=dataset_id, why=str(error))
                await asyncio.sleep(_AGAIN_S)
            except RayTaskError as error:
                if isinstance(error.cause, DatasetGone | Elsewhere):
                    self._directory.drop(dataset_id)
                if isinstance(error.cause, Elsewhere):
                    continue
                raise _refusal(error) from error


def _refusal(error: RayTaskError) -> ResourceNotFound | ServiceUnavailable:
    if isinstance(error.cause, DatasetGone):
        return ResourceNotFound.of("dataset")
    if not isinstance(error.cause, TimeoutError):
        _log.error("owner failed", why=str(error))
    return ServiceUnavailable(
        "The owner of the dataset can not answer now: it runs a long task, loads the dataset, or "
        "has just failed and starts again. Nothing was changed; try again."
    )
