"""Finds, or makes, the actor that owns a dataset, and rings its doorbell."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from imm_ray.errors import ImmError
from imm_ray.model import DatasetId
from imm_ray.runtime.actors import OwnerActor
from imm_ray.runtime.names import NAMESPACE, is_owner_of, owner_hosts
from imm_ray.settings import Settings
from imm_ray.store import ownership
from imm_ray.store.database import Database
from imm_ray.store.ownership import DatasetGone

_MAX_CALLS = 1000
_LOOKUPS = 4
_MOST_KNOWN = 10_000

_log = structlog.get_logger(__name__)


class Directory:
    """Maps datasets to owner actors through the ownership rows.

    Notes
    -----
    Doorbells have a thread of their own: one that waits for the database holds no question up.
    """

    def __init__(self, database: Database, settings: Settings, generation: int) -> None:
        self._database = database
        self._settings = settings
        self._generation = generation
        self._hosts = owner_hosts(settings.owners.hosts, generation)
        self._host_of: dict[DatasetId, str] = {}
        self._actors: dict[str, Any] = {}
        self._bell = ThreadPoolExecutor(1, thread_name_prefix="imm-ray-bell")
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="imm-ray-lookup")
        self._actor_class: Any = ray.remote(num_cpus=0, max_restarts=-1)(OwnerActor)

    def ring(self, dataset_id: DatasetId, *, anew: bool = True) -> None:
        """Tell the dataset's owner that there is work. Best effort: the steward rings again.

        ``anew`` says that it is new; an owner that failed then tries again at once.
        """
        self._bell.submit(self._ring, dataset_id, anew=anew)

    async def owner(self, dataset_id: DatasetId) -> Any:
        """Return the handle of the actor that owns a dataset."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._lookups, lambda: self._actor(self._host(dataset_id))
        )

    async def ping(self) -> None:
        """Return when every owner host has answered; one that is not there yet is made."""
        loop = asyncio.get_running_loop()
        try:
            for host in self._hosts:
                actor = await loop.run_in_executor(self._lookups, self._actor, host)
                await actor.ping.remote()
        except RayError:
            self._actors.clear()
            raise

    def forget(self) -> None:
        """Look actors up anew: one of them has died."""
        self._actors.clear()

    def drop(self, dataset_id: DatasetId) -> None:
        """Forget where a dataset lives: there is no such dataset any more."""
        self._host_of.pop(dataset_id, None)

    def _ring(self, dataset_id: DatasetId, *, anew: bool, again: bool = True) -> None:
        try:
            rung = self._actor(self._host(dataset_id)).ring.remote(dataset_id, anew)
        except DatasetGone:
            self.drop(dataset_id)
        except (RayError, ImmError) as error:
            self._lost(dataset_id, error)
        else:
            heard = partial(self._heard, dataset_id, anew=anew, again=again)
            rung.future().add_done_callback(heard)

    def _heard(
        self, dataset_id: DatasetId, rung: "Future[None]", *, anew: bool, again: bool
    ) -> None:
        """Ring once more, where the dataset is now, when nobody was there."""
        error = rung.exception()
        if error is None:
            return
        self._lost(dataset_id, error)
        if again:
            self._bell.submit(self._ring, dataset_id, anew=anew, again=False)

    def _lost(self, dataset_id: DatasetId, error: BaseException) -> None:
        self.forget()
        self.drop(dataset_id)
        _log.warning("doorbell lost", dataset_id=dataset_id, why=str(error))

    def _host(self, dataset_id: DatasetId) -> str:
        host = self._host_of.get(dataset_id)
        if host is None:
            host = self._find(dataset_id)
            if len(self._host_of) >= _MOST_KNOWN:
                self._host_of.clear()  # deleted datasets are among them; the others are looked up
            self._host_of[dataset_id] = host
        return host

    def _find(self, dataset_id: DatasetId) -> str:
        keeps = partial(is_owner_of, self._generation)
        with self._database.read() as tx:
            host = ownership.find(tx, dataset_id)
        if host is not None and keeps(host):
            return host
        with self._database.write() as tx:
            return ownership.place(
                tx, dataset_id, self._hosts, generation=self._generation, keeps=keeps
            )

    def _actor(self, host: str) -> Any:
        actor = self._actors.get(host)
        if actor is None:
            options = self._actor_class.options(
                name=host,
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                max_concurrency=_MAX_CALLS,
            )
            actor = self._actors[host] = options.remote(host, self._settings, self._generation)
        return actor
