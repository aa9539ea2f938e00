"""The steward: delivers notifications, rings forgotten doorbells, throws away what is old."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import ray
import structlog

from imm_ray.api.notification import NotificationBuilder
from imm_ray.dataset.compaction import COMPACT_S, compact_store, with_old_snapshots
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.purge import purge_datasets
from imm_ray.dataset.snapshot.erasure import sweep_snapshots
from imm_ray.dataset.thumbnail_sweep import sweep_thumbnails
from imm_ray.media.thumbnails import open_thumbnails
from imm_ray.runtime.clock import utc_now
from imm_ray.runtime.directory import Directory
from imm_ray.runtime.dispatcher import Dispatcher
from imm_ray.runtime.handover import RayActors
from imm_ray.runtime.logging import configure_logging
from imm_ray.runtime.measures import RayMeasures
from imm_ray.runtime.names import NAMESPACE, steward
from imm_ray.runtime.purge import Purge
from imm_ray.runtime.steady_clock import SteadyClock
from imm_ray.runtime.store_measures import measure_store
from imm_ray.runtime.watch import Watch
from imm_ray.settings import Settings
from imm_ray.store import work
from imm_ray.store.blobs import open_blobs
from imm_ray.store.database import Database
from imm_ray.store.failure import DatabaseAway, why_away
from imm_ray.store.nonce_memory import open_relaxed
from imm_ray.store.outage import outage_of

_DELIVER_S = 0.5
_RING_S = 5.0
_PURGE_S = 60.0
_ERASE_S = 2.0
_SWEEP_S = 60.0
_MEASURE_S = 5.0
_WATCH_S = 2.0
_DRAINING_S = 5.0
"""For the answer, beyond what an owner takes to drain."""

_log = structlog.get_logger(__name__)


class Steward:
    """Does the chores of a cluster; one actor, safe to run twice.

    Each chore runs on a thread of its own, so that a slow notification endpoint delays no doorbell.
    """

    def __init__(self, settings: Settings, generation: int) -> None:
        configure_logging()
        self._settings = settings
        self._database = Database(settings.store_url)
        self._thumbnails = open_thumbnails(settings)
        self._blobs = open_blobs(settings)
        self._directory = Directory(self._database, settings, generation)
        messages = NotificationBuilder(settings.server.region)
        self._notices = Notices(task=messages.task, request=messages.index_request)
        self._measures = RayMeasures()
        self._dispatcher = Dispatcher(
            self._database,
            settings.notifications,
            utc_now,
            generation=generation,
            measures=self._measures,
        )
        steady = SteadyClock(utc_now)
        purge = Purge(
            self._database,
            steady,
            relaxed=open_relaxed(self._database),
            retention_days=settings.tasks.retention_days,
            uptime=lambda: steady.uptime,
        )
        watch = Watch(
            RayActors(settings.owners.drain_s + _DRAINING_S),
            hosts=settings.owners.hosts,
            generation=generation,
            answer_s=settings.owners.answer_s,
        )
        for name, chore, every_s in (
            ("watch", watch.look, _WATCH_S),
            ("deliver", self._deliver, _DELIVER_S),
            ("ring", self._ring, _RING_S),
            ("purge", purge.run, _PURGE_S),
            ("erase", self._erase, _ERASE_S),
            ("sweep", self._sweep, _SWEEP_S),
            ("measure", self._measure, _MEASURE_S),
            ("compact", self._compact, COMPACT_S),
        ):
            threading.Thread(
                target=_repeat, args=(name, chore, every_s), name=f"imm-ray-{name}", daemon=True
            ).start()

    def _deliver(self) -> None:
        """Deliver notifications, and never come back."""
        asyncio.run(self._dispatcher.run())

    def _ring(self) -> None:
        with self._database.read() as tx:
            waiting = work.datasets_with_work(tx, auto=self._settings.clustering.auto)
        for dataset_id in waiting:
            self._directory.drop(dataset_id)  # it may have moved, or its host be another's
            self._directory.ring(dataset_id, anew=False)

    def _erase(self) -> None:
        """Delete what is left of purged datasets."""
        purge_datasets(
            self._database,
            notices=self._notices,
            clock=utc_now,
            thumbnails=self._thumbnails,
            blobs=self._blobs,
        )

    def _measure(self) -> None:
        measure_store(self._database, self._measures, utc_now)

    def _sweep(self) -> None:
        """Throw away thumbnails and snapshots that a crash or a race has left."""
        sweep_thumbnails(self._database, self._thumbnails)
        sweep_snapshots(self._database, self._blobs)

    def _compact(self) -> None:
        """Finish what deletes have begun."""
        for dataset_id in with_old_snapshots(self._database):
            self._directory.ring(dataset_id, anew=False)
        compact_store(self._database)


def start_steward(settings: Settings, generation: int) -> None:
    """Make sure that the cluster's steward runs."""
    actor_class: Any = ray.remote(num_cpus=0, max_restarts=-1)(Steward)
    actor_class.options(
        name=steward(generation), namespace=NAMESPACE, lifetime="detached", get_if_exists=True
    ).remote(settings, generation)


def _repeat(name: str, chore: Callable[[], None], every_s: float) -> None:
    ticker = threading.Event()
    while True:
        try:
            chore()
        except DatabaseAway as error:
            _log.warning("database away", chore=name, why=why_away(error))
        except Exception as error:  # noqa: BLE001 - a chore that failed is done again; its work is in the store
            if (why := outage_of(error)) is not None:
                _log.error("store unavailable", chore=name, why=why)
            else:
                _log.exception("chore failed", chore=name)
        ticker.wait(every_s)
