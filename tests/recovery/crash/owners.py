"""The owner's side of one life: datasets are taken, served, tried again, given up and left."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NoReturn

from imm_ray.dataset.attempts import RunFailed
from imm_ray.dataset.engine import DatasetEngine
from imm_ray.dataset.leases import Leases
from imm_ray.dataset.opening import Opening
from imm_ray.dataset.ports import Embedder
from imm_ray.dataset.service import DatasetService
from imm_ray.model import DatasetId, Task
from imm_ray.store import datasets
from imm_ray.store.database import Database
from imm_ray.store.ownership import DatasetGone, Fenced, Lease

DOOMED = "doomed"
"""The name of a dataset of which no run ends well."""


class PoisonedRun(Exception):
    """What a run of `DOOMED` ends with."""


@dataclass(slots=True)
class _Owned:
    lease: Lease
    engine: DatasetEngine
    service: DatasetService
    thread: ThreadPoolExecutor
    is_gone: bool = False

    def gone(self) -> None:
        self.is_gone = True

    def pause(self) -> None:
        self.service.pause()

    def resume(self) -> None:
        self.service.resume()

    def close(self) -> None:
        self.service.close()
        self.engine.close()


class Owners:
    """Serves datasets as `EngineHost` does, one after the other and without waiting for anything.

    So the moments of a life come in one order, and leases are renewed at each look.
    """

    def __init__(
        self,
        database: Database,
        opening: Callable[[Callable[[Lease], DatasetEngine]], Opening],
        open_engine: Callable[[Lease], DatasetEngine],
        embedder: Embedder,
    ) -> None:
        self._database = database
        self._open_engine = open_engine
        self._opening = opening(self._opened)
        self._embedder = embedder
        self._leases = Leases(database, _fenced)
        self._owned: dict[DatasetId, _Owned] = {}
        self.given_up: set[DatasetId] = set()
        """Datasets that fail and that nothing is expected of any more."""

    def serve(self, dataset_id: DatasetId) -> None:
        """Do what there is to do for a dataset, take a snapshot; count what fails."""
        asyncio.run(self._serve(dataset_id))

    def leave(self) -> None:
        """Rest, come back once more, and leave for good; then once more as if that took long."""
        for owned in self._owned.values():
            if owned.engine.leave():
                owned.engine.stay()
            owned.engine.part(for_good=True)
            self._opening.release(owned.lease)
            owned.close()

    async def _serve(self, dataset_id: DatasetId) -> None:
        self._leases.renew()
        if dataset_id not in self._owned:
            self._take(dataset_id)
        owned = self._owned[dataset_id]
        try:
            if not owned.is_gone:
                await owned.service.drain()
                await owned.service.save()
                return
        except DatasetGone:
            pass
        except RunFailed:
            self._opening.excuse(owned.lease)
        except Exception as error:  # noqa: BLE001 - as a host does: counted, and tried again
            if self._opening.failed(owned.lease, error):
                self.given_up.add(dataset_id)
        self._leases.remove(owned.lease)
        del self._owned[dataset_id]
        owned.close()

    def _take(self, dataset_id: DatasetId) -> None:
        lease = self._opening.take(dataset_id, self._opening.size_bytes(dataset_id))
        engine = self._opening.open(lease)
        engine.load()
        thread = ThreadPoolExecutor(1)
        service = DatasetService(
            engine,
            self._embedder,
            retry_s=0,
            thread=thread,
            settled=lambda: self._opening.settled(lease),
        )
        self._owned[dataset_id] = owned = _Owned(lease, engine, service, thread)
        self._leases.add(lease, owned)

    def _opened(self, lease: Lease) -> DatasetEngine:
        engine = self._open_engine(lease)
        with self._database.read() as tx:
            dataset = datasets.by_id(tx, lease.dataset_id)
        if dataset is not None and dataset.name == DOOMED:
            engine._runs.run_task = _poisoned  # type: ignore[method-assign]  # a run that fails
        return engine


def _poisoned(task: Task) -> NoReturn:
    raise PoisonedRun(task.task_id)


def _fenced(why: Fenced) -> NoReturn:
    raise AssertionError(f"nobody else owns anything: {why}")
