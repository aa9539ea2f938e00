"""Hosts the engines of many datasets in one process. Plain asyncio: Ray only hosts it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from imm_ray.dataset.attempts import RunFailed
from imm_ray.dataset.lanes import Lanes
from imm_ray.dataset.leases import Leases
from imm_ray.dataset.opening import Elsewhere, Opening
from imm_ray.dataset.ports import UNMEASURED, Embedder, Measures
from imm_ray.dataset.reception import Reception
from imm_ray.dataset.resident import Resident
from imm_ray.dataset.service import DatasetService
from imm_ray.dataset.slots import Slots
from imm_ray.errors import ThrottledUser
from imm_ray.measure import ENGINE_FAILURES, ENGINES, TAKEN
from imm_ray.model import DatasetId, Explained, Found, Pair, Search
from imm_ray.settings import Owners
from imm_ray.store.database import Database
from imm_ray.store.outage import interruption_of
from imm_ray.store.ownership import DatasetGone, Fenced, HeldByNewer, Lease
from imm_ray.store.trouble import backoff_s

T = TypeVar("T")

GIVEN_UP_PAUSE_S = 300.0
"""Between two attempts at a dataset that was given up, if nobody asks for it."""
_LEAST_PAUSE_S = 1.0
_AWAY_S = 1.0

_log = structlog.get_logger(__name__)


class EngineHost:
    """Serves the datasets that are rung: takes each, loads it, works, and leaves it when it rests.

    Parameters
    ----------
    opening
        Takes datasets and counts failures.
    owners
        How many datasets may be in memory, compute and load at once, and for how long.
    fenced
        Called, from any thread, when another owner has taken a dataset that is held here.
    elsewhere
        Called when a dataset that was rung belongs to another host.
    gone
        Called when a dataset that was rung has been deleted or purged.
    failed
        Called with what has stopped an engine; it is tried again all the same.

    Notes
    -----
    Belongs to one event loop. An engine that fails is opened anew from the store after a pause that
    doubles; its failures are counted in the store, so that a restart of the process does not begin
    to count anew, and its tasks are failed when they are too many (`Opening.failed`).
    """

    def __init__(
        self,
        database: Database,
        opening: Opening,
        embedder: Embedder,
        owners: Owners,
        *,
        fenced: Callable[[Fenced], None],
        elsewhere: Callable[[DatasetId], None] = lambda dataset_id: None,
        gone: Callable[[DatasetId], None] = lambda dataset_id: None,
        failed: Callable[[Exception], None] = lambda error: None,
        consolidate_after_s: float = 30.0,
        measures: Measures = UNMEASURED,
    ) -> None:
        self._opening = opening
        self._embedder = embedder
        self._owners = owners
        self._fenced = fenced
        self._elsewhere = elsewhere
        self._gone = gone
        self._failed = failed
        self._consolidate_after_s = consolidate_after_s
        self._measures = measures
        self._lanes = Lanes(owners.threads)
        self._loading = asyncio.Semaphore(owners.loads_at_once)
        self._slots = Slots(owners.max_active, owners.max_bytes, owners.slice_s)
        self._services: dict[DatasetId, DatasetService] = {}
        self._residents: dict[DatasetId, Resident] = {}
        self._running: dict[DatasetId, asyncio.Task[None]] = {}
        self._rung_meanwhile: set[DatasetId] = set()
        self._pauses: dict[DatasetId, asyncio.Event] = {}
        self._cut_off: set[DatasetId] = set()
        self._is_leaving = False
        self._reception = Reception(self._services, self.ring)
        self._leases = Leases(database, fenced)
        self._leases.start()

    @property
    def active(self) -> int:
        """How many datasets are in memory, or on their way there."""
        return self._slots.active

    @property
    def waiting(self) -> int:
        """How many datasets wait for room."""
        return self._slots.waiting

    @property
    def used_bytes(self) -> int:
        """The memory that the datasets take, about."""
        return self._slots.used_bytes

    @property
    def at_work(self) -> list[DatasetId]:
        """The datasets that are served, wait to be, or pause after a failure."""
        return list(self._running)

    def ring(self, dataset_id: DatasetId, *, anew: bool = True) -> None:
        """Look for work of a dataset.

        ``anew`` says that something new was asked of it: one that pauses after failures is then
        tried again at once.
        """
        if self._is_leaving:
            return
        if (resident := self._residents.get(dataset_id)) is not None:
            resident.ring()
        elif dataset_id not in self._running:
            self._running[dataset_id] = asyncio.create_task(self._keep(dataset_id))
        else:
            self._rung_meanwhile.add(dataset_id)  # it is just starting, or just leaving
            if anew and (pause := self._pauses.get(dataset_id)) is not None:
                pause.set()

    async def search(self, dataset_id: DatasetId, wanted: Search) -> Found:
        """Return what is nearest among what is indexed; load the dataset if need be."""
        self._use(dataset_id)
        return await self._reception.search(dataset_id, wanted)

    async def explain(self, dataset_id: DatasetId, pair: Pair) -> Explained | None:
        """Return why two items are in one cluster or not."""
        self._use(dataset_id)
        return await self._reception.explain(dataset_id, pair)

    async def drain(self) -> None:
        """Let all datasets go for good; take none any more.

        An engine call under way may go on for ``owners.drain_s``; after that its dataset is given
        up nevertheless, and what it commits later is refused as soon as somebody has taken it.
        """
        self._is_leaving = True
        for dataset_id, task in self._running.items():
            if (resident := self._residents.get(dataset_id)) is not None:
                resident.part_for_good()
            else:
                task.cancel()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self._owners.drain_s)
        for lease in self._leases.held():
            self._leases.remove(lease)
            await self._let_go(lease)
        for task in [*self._running.values()]:
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _use(self, dataset_id: DatasetId) -> None:
        """Take note that a dataset in memory is in use: others leave before it."""
        if (resident := self._residents.get(dataset_id)) is not None:
            resident.ring()

    async def _let_go(self, lease: Lease) -> None:
        """Give a dataset up whose engine is still at work."""
        try:
            await asyncio.to_thread(self._opening.release, lease)
        except Fenced:
            return
        except Exception as error:  # noqa: BLE001 - the next owner waits for the lease, or is newer
            why = interruption_of(error) or repr(error)
            _log.warning("dataset not released", dataset_id=lease.dataset_id, why=why)

    def close(self) -> None:
        """Free the threads, after `drain`."""
        self._leases.close()
        self._lanes.close()

    async def _keep(self, dataset_id: DatasetId) -> None:
        """Serve a dataset until it has nothing to do, is gone, or belongs to somebody else."""
        bind_contextvars(dataset_id=dataset_id)  # this asyncio task is the dataset's alone
        failures = 0
        try:
            while True:
                left = await self._visit(dataset_id)
                if left is False or self._is_leaving:
                    return
                failures = failures + 1 if left is None else 0
                if left is None:
                    await self._pause(dataset_id, backoff_s(failures))
        except _GivenUp:
            await self._outlast(dataset_id)
        finally:
            del self._running[dataset_id]
            if dataset_id in self._rung_meanwhile:
                self._rung_meanwhile.remove(dataset_id)
                self.ring(dataset_id)

    async def _visit(self, dataset_id: DatasetId) -> bool | None:
        """Serve a dataset once; return whether work is left, None when the engine has failed."""
        try:
            size = await asyncio.to_thread(self._opening.size_bytes, dataset_id)
            async with self._slots.seat(dataset_id, size):
                return await self._serve(dataset_id, size)
        except DatasetGone:
            self._reception.gone(dataset_id)
            self._gone(dataset_id)
        except HeldByNewer as error:
            _log.info("left to a newer cluster", dataset_id=dataset_id)
            self._reception.refused(dataset_id, error)
        except Elsewhere as error:
            self._reception.refused(dataset_id, error)
            self._elsewhere(dataset_id)
        except Fenced as error:
            self._reception.refused(dataset_id, error)
            self._fenced(error)
        except _GivenUp:
            raise
        except Exception as error:  # noqa: BLE001 - the store has all that counts; start over from it
            if (why := interruption_of(error)) is not None:
                _log.warning("database away", dataset_id=dataset_id, why=why)
                self._cut_off.add(dataset_id)
                await asyncio.sleep(_AWAY_S)
                return True
            self._measures.count(ENGINE_FAILURES)
            _log.exception("engine failed", dataset_id=dataset_id)
            self._failed(error)
            return None
        return False

    async def _serve(self, dataset_id: DatasetId, size: int) -> bool:
        lease = await asyncio.to_thread(
            self._opening.take, dataset_id, size, forgiven=dataset_id in self._cut_off
        )
        self._cut_off.discard(dataset_id)
        self._measures.count(TAKEN)
        resident = Resident(asyncio.get_running_loop())
        self._leases.add(lease, resident)
        try:
            return await self._work(lease, resident)
        except Fenced:
            raise
        except (RunFailed, ThrottledUser) as error:
            if isinstance(error, ThrottledUser):  # the store is busy: not even the task's fault
                self._cut_off.add(dataset_id)
            await asyncio.to_thread(self._opening.excuse, lease)
            raise
        except Exception as error:
            if interruption_of(error) is not None:
                raise
            if await asyncio.to_thread(self._opening.failed, lease, error):
                self._failed(error)
                _log.exception("engine failed", dataset_id=dataset_id)
                self._reception.refused(dataset_id, error)
                raise _GivenUp from error
            raise
        finally:
            self._leases.remove(lease)

    async def _work(self, lease: Lease, resident: Resident) -> bool:
        dataset_id = lease.dataset_id
        engine = await asyncio.to_thread(self._opening.open, lease)
        service = DatasetService(
            engine,
            self._embedder,
            consolidate_after_s=self._consolidate_after_s,
            thread=self._lanes.lane(),
            settled=lambda: self._opening.settled(lease),
            rests=self._slots.look,
            measures=self._measures,
        )
        resident.move_in(service)
        self._services[dataset_id] = service
        self._count()
        self._residents[dataset_id] = resident
        self._rung_meanwhile.discard(dataset_id)
        self._slots.sit(dataset_id, resident)
        try:
            self._reception.arrived(dataset_id)  # who waits goes on after `run` has begun
            return await service.run(idle_s=self._owners.idle_s, loading=self._loading)
        finally:
            del self._services[dataset_id]  # a bell from now on starts a new service
            del self._residents[dataset_id]
            self._count()
            service.close()

    def _count(self) -> None:
        self._measures.set(ENGINES, len(self._services), host=self._opening.host)

    async def _outlast(self, dataset_id: DatasetId) -> None:
        """Wait long with a dataset that was given up, unless somebody asks for it."""
        self._rung_meanwhile.discard(dataset_id)
        try:
            has_work = await asyncio.to_thread(self._opening.has_work, dataset_id)
        except Exception as error:
            if interruption_of(error) is None:
                raise
            has_work = True
        if has_work:
            await self._pause(dataset_id, GIVEN_UP_PAUSE_S)
            self._rung_meanwhile.add(dataset_id)

    async def _pause(self, dataset_id: DatasetId, seconds: float) -> None:
        """Wait so long, or, if something new is asked of the dataset, for a short while."""
        asked = self._pauses[dataset_id] = asyncio.Event()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), seconds)
                await asyncio.sleep(min(seconds, _LEAST_PAUSE_S))
        finally:
            del self._pauses[dataset_id]


class _GivenUp(Exception):
    """The tasks of a dataset were failed."""
