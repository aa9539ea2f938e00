"""Owns datasets: one engine each, one lease each."""

import asyncio
import os
import threading

import structlog

from imm_ray.api.notification import NotificationBuilder
from imm_ray.cluster.warmup import compile_kernels
from imm_ray.dataset.assembly import open_engine
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.host import EngineHost
from imm_ray.dataset.opening import Opening
from imm_ray.measure import OWNER_RESTARTS
from imm_ray.model import DatasetId, Explained, Found, Pair, Search
from imm_ray.runtime.clock import utc_now
from imm_ray.runtime.directory import Directory
from imm_ray.runtime.embedder_port import ServeEmbedder
from imm_ray.runtime.logging import configure_logging
from imm_ray.runtime.measures import RayMeasures, was_restarted
from imm_ray.runtime.placement import Placement
from imm_ray.settings import Settings
from imm_ray.store.database import Database
from imm_ray.store.ownership import Fenced, FencedByNewer
from imm_ray.store.trouble import Patience

FENCED_EXIT = 17
_ANSWER_S = 8.0  # who asked waits little longer
_PATIENCE_S = 60.0  # an owner has no client waiting: better late than a restart

_log = structlog.get_logger(__name__)


class OwnerHost:
    """Hosts the engines of many datasets.

    Notes
    -----
    When another owner has taken one of its datasets, the process exits: what it holds in memory may
    be old in ways that it can not see. When it is a newer cluster that has taken it, that will take
    the others too: they are let go in good order before. What the process holds after its restart
    is nothing, so it can not be fenced again and again.
    """

    def __init__(self, name: str, settings: Settings, generation: int) -> None:
        configure_logging()
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        database = Database(settings.store_url, busy_timeout_s=_PATIENCE_S)
        messages = NotificationBuilder(settings.server.region)
        notices = Notices(task=messages.task, request=messages.index_request)
        directory = Directory(database, settings, generation)
        owners = settings.owners
        measures = RayMeasures()
        if was_restarted():
            measures.count(OWNER_RESTARTS, host=name)
        opening = Opening(
            database,
            host=name,
            generation=generation,
            patience=Patience(attempts=owners.give_up_attempts, seconds=owners.give_up_after_s),
            open_engine=lambda lease: open_engine(
                database, lease, settings, notices=notices, clock=utc_now, measures=measures
            ),
            notices=notices.task,
            clock=utc_now,
            elsewhere=Placement(name, owners, generation).elsewhere,
        )
        self._host = EngineHost(
            database,
            opening,
            ServeEmbedder(),
            owners,
            fenced=self._fenced,
            elsewhere=directory.ring,
            consolidate_after_s=settings.clustering.consolidate_idle_s,
            measures=measures,
        )
        threading.Thread(target=compile_kernels, name="imm-ray-warmup", daemon=True).start()

    def ring(self, dataset_id: DatasetId, *, anew: bool) -> None:
        """Look for work of a dataset; ``anew`` when something new was asked of it."""
        self._loop = asyncio.get_running_loop()  # there is none yet when Ray makes the actor
        self._host.ring(dataset_id, anew=anew)

    def ping(self) -> int:
        """Return how many datasets are in hand: an answer shows that the event loop turns."""
        return len(self._host.at_work)

    async def search(self, dataset_id: DatasetId, wanted: Search) -> Found:
        """Return what is nearest among what is indexed; load the dataset if need be.

        Raises
        ------
        TimeoutError
            A long run is under way, or the dataset takes long to load.
        imm_ray.dataset.opening.Elsewhere
            Another host has the dataset.
        """
        self._loop = asyncio.get_running_loop()
        async with asyncio.timeout(_ANSWER_S):
            return await self._host.search(dataset_id, wanted)

    async def explain(self, dataset_id: DatasetId, pair: Pair) -> Explained | None:
        """Return why two items are in one cluster or not (raises as `search`)."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.timeout(_ANSWER_S):
            return await self._host.explain(dataset_id, pair)

    async def drain(self) -> None:
        """Let all datasets go, for any cluster to take at once; take none any more."""
        _log.info("draining", host=self._name, datasets=len(self._host.at_work))
        await self._host.drain()

    def _fenced(self, why: Fenced) -> None:
        _log.error("fenced", host=self._name, why=str(why))
        if not isinstance(why, FencedByNewer) or self._loop is None:
            os._exit(FENCED_EXIT)
        self._loop.call_soon_threadsafe(self._retire)

    def _retire(self) -> None:
        self._retiring = asyncio.create_task(self._leave())

    async def _leave(self) -> None:
        try:
            await self.drain()
        finally:
            os._exit(FENCED_EXIT)
