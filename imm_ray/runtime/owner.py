"""Owns datasets: one engine each, one lease each."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterable

import structlog

from imm_ray.api.notification import NotificationBuilder
from imm_ray.cluster.warmup import compile_kernels
from imm_ray.dataset.assembly import open_engine
from imm_ray.dataset.engine import DatasetEngine, Notices
from imm_ray.dataset.reception import Reception
from imm_ray.dataset.service import DatasetService
from imm_ray.model import DatasetId, Explained, Found, Pair, Search
from imm_ray.runtime.clock import utc_now
from imm_ray.runtime.embedder_port import ServeEmbedder
from imm_ray.runtime.logging import configure_logging
from imm_ray.settings import Settings
from imm_ray.store import ownership
from imm_ray.store.database import Database
from imm_ray.store.failure import DatabaseAway, why_away
from imm_ray.store.outage import outage_of
from imm_ray.store.ownership import RENEW_S, DatasetGone, Fenced, Lease

FENCED_EXIT = 17
_ANSWER_S = 8.0  # who asked waits little longer
_PATIENCE_S = 60.0  # an owner has no client waiting: better late than a restart
_MAX_BACKOFF_S = 30.0
_AWAY_S = 1.0

_log = structlog.get_logger(__name__)


class OwnerHost:
    """Hosts the engines of many datasets.

    Notes
    -----
    When another owner has taken one of its datasets, the process exits: what it holds in memory may
    be old in ways that it can not see. An engine that fails for another reason is opened anew from
    the store, after a pause that doubles.
    """

    def __init__(self, name: str, settings: Settings, generation: int) -> None:
        configure_logging()
        self._name = name
        self._settings = settings
        self._generation = generation
        self._database = Database(settings.store_url, busy_timeout_s=_PATIENCE_S)
        messages = NotificationBuilder(settings.server.region)
        self._notices = Notices(task=messages.task, request=messages.index_request)
        self._embedder = ServeEmbedder()
        self._services: dict[DatasetId, DatasetService] = {}
        self._running: dict[DatasetId, asyncio.Task[None]] = {}
        self._rung_meanwhile: set[DatasetId] = set()
        self._reception = Reception(self._services, self.ring)
        self._leases = _Leases(self._database)
        threading.Thread(target=compile_kernels, name="imm-ray-warmup", daemon=True).start()

    def ring(self, dataset_id: DatasetId) -> None:
        """Look for work of a dataset."""
        if (service := self._services.get(dataset_id)) is not None:
            service.ring()
        elif dataset_id in self._running:
            self._rung_meanwhile.add(dataset_id)  # it is just starting, or just leaving
        else:
            self._running[dataset_id] = asyncio.create_task(self._keep(dataset_id))

    async def search(self, dataset_id: DatasetId, wanted: Search) -> Found:
        """Return what is nearest among what is indexed; load the dataset if need be.

        Raises
        ------
        TimeoutError
            A long run is under way, or the dataset takes long to load.
        """
        async with asyncio.timeout(_ANSWER_S):
            return await self._reception.search(dataset_id, wanted)

    async def explain(self, dataset_id: DatasetId, pair: Pair) -> Explained | None:
        """Return why two items are in one cluster or not (raises as `search`)."""
        async with asyncio.timeout(_ANSWER_S):
            return await self._reception.explain(dataset_id, pair)

    async def _keep(self, dataset_id: DatasetId) -> None:
        """Serve a dataset until it rests for long or is gone."""
        backoff_s = 1.0
        try:
            while True:
                try:
                    return await self._serve(dataset_id)
                except DatasetGone:
                    self._reception.gone(dataset_id)
                    return None
                except Fenced as error:
                    _log.error("fenced", host=self._name, why=str(error))
                    os._exit(FENCED_EXIT)
                except DatabaseAway as error:  # the engine did nothing wrong: it is opened anew
                    _log.warning("database away", dataset_id=dataset_id, why=why_away(error))
                    await asyncio.sleep(_AWAY_S)
                except Exception as error:  # noqa: BLE001 - the store has all that counts; start over
                    if (why := outage_of(error)) is not None:
                        _log.error("store unavailable", dataset_id=dataset_id, why=why)
                    else:
                        _log.exception("engine failed", dataset_id=dataset_id, pause_s=backoff_s)
                    await asyncio.sleep(backoff_s)
                    backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)
        finally:
            del self._running[dataset_id]
            if dataset_id in self._rung_meanwhile:
                self._rung_meanwhile.remove(dataset_id)
                self.ring(dataset_id)

    async def _serve(self, dataset_id: DatasetId) -> None:
        lease, engine = await asyncio.to_thread(self._take, dataset_id)
        service = DatasetService(
            engine,
            self._embedder,
            consolidate_after_s=self._settings.clustering.consolidate_idle_s,
        )
        self._services[dataset_id] = service
        self._rung_meanwhile.discard(dataset_id)
        loop = asyncio.get_running_loop()
        self._leases.add(lease, lambda: loop.call_soon_threadsafe(service.ring))
        try:
            try:
                self._reception.arrived(dataset_id)  # who waits goes on after `run` has begun
                await service.run(idle_s=self._settings.owners.idle_s)
            finally:
                del self._services[dataset_id]  # a bell from now on starts a new service
            await asyncio.to_thread(self._release, lease)
        finally:
            self._leases.remove(lease)
            service.close()

    def _take(self, dataset_id: DatasetId) -> tuple[Lease, DatasetEngine]:
        with self._database.write() as tx:
            lease = ownership.take(tx, dataset_id, self._name, self._generation)
        engine = open_engine(
            self._database, lease, self._settings, notices=self._notices, clock=utc_now
        )
        _log.info("dataset taken", dataset_id=dataset_id, epoch=lease.epoch, host=self._name)
        return lease, engine

    def _release(self, lease: Lease) -> None:
        with self._database.write() as tx:
            ownership.release(tx, lease)


class _Leases:
    """Renews leases from a thread of its own, which nothing else can hold up."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[DatasetId, tuple[Lease, Callable[[], object]]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._loop, name="imm-ray-leases", daemon=True).start()

    def add(self, lease: Lease, gone: Callable[[], object]) -> None:
        """Renew the lease from now on; call ``gone`` when its dataset was deleted."""
        with self._lock:
            self._held[lease.dataset_id] = (lease, gone)

    def remove(self, lease: Lease) -> None:
        """Renew it no more."""
        with self._lock:
            if self._is_held(lease):
                del self._held[lease.dataset_id]

    def _loop(self) -> None:
        ticker = threading.Event()
        while not ticker.wait(RENEW_S):
            with self._lock:
                held = list(self._held.values())
            self._renew(held)

    def _renew(self, held: Iterable[tuple[Lease, Callable[[], object]]]) -> None:
        for lease, gone in held:
            try:
                with self._database.write() as tx:
                    ownership.renew(tx, lease)
            except DatasetGone:
                self.remove(lease)
                gone()
            except Fenced as error:
                if self._holds(lease):  # else it was given back while this loop ran
                    _log.error("fenced", why=str(error))
                    os._exit(FENCED_EXIT)
            except DatabaseAway as error:
                _log.warning("leases not renewed", why=why_away(error))
                return
            except Exception as error:  # noqa: BLE001 - the epoch protects; a lapsed lease costs only time
                why = outage_of(error) or repr(error)
                _log.error("lease not renewed", dataset_id=lease.dataset_id, why=why)

    def _holds(self, lease: Lease) -> bool:
        with self._lock:
            return self._is_held(lease)

    def _is_held(self, lease: Lease) -> bool:
        held = self._held.get(lease.dataset_id)
        return held is not None and held[0] is lease
