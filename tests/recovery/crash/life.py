"""One life of the whole service in one process, without Ray and HTTP; the next one goes on."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from imm_ray.api.keyring import KeyRing
from imm_ray.api.notification import NotificationBuilder
from imm_ray.api.rpc import HttpRequest
from imm_ray.api.service import ImmService
from imm_ray.api.signature import sign
from imm_ray.dataset.assembly import open_engine
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.ports import EmbedderDied
from imm_ray.dataset.purge import purge_datasets
from imm_ray.dataset.service import DatasetService
from imm_ray.media.thumbnails import open_thumbnails
from imm_ray.model import DatasetId, Source
from imm_ray.runtime.dispatcher import Dispatcher
from imm_ray.runtime.purge import Purge
from imm_ray.settings import Settings, load_settings
from imm_ray.store import constants, migrate, ownership, purge, work
from imm_ray.store.database import Database
from imm_ray.store.nonce_memory import NonceMemory, open_relaxed
from imm_ray.store.ownership import DatasetGone, Lease
from imm_ray.store.writer import GroupWriter
from imm_ray.testing import FakeEmbedder

KEY = {"access_key_id": "testak", "access_key_secret": "testsecret"}
HOST = "127.0.0.1:8000"
START = datetime(2026, 11, 21, 22, 7, tzinfo=UTC)
TOPIC, LATE = "told", "late"
_ROUNDS = 50


def settings_of(folder: Path) -> Settings:
    """Return the settings of every life in a folder; LATE can not be written at first."""
    topics = {
        TOPIC: {"target": str(folder / "told.jsonl"), "accounts": ["*"]},
        LATE: {"target": str(folder / "late" / "told.jsonl"), "accounts": ["*"]},
    }
    return load_settings(
        None,
        data=folder / "data",
        auth={"users": [KEY]},
        notifications={"topics": topics, "first_retry_s": 1},
        clustering={"min_entity_count": 2},
        index={"backend": "exact"},
    )


class Life:
    """The service from its start to its end or its death.

    The clock stands at the time that the folder's file ``now`` says: it goes on in the next life.
    """

    def __init__(self, folder: Path, embedder: FakeEmbedder) -> None:
        self.folder = folder
        self.settings = settings_of(folder)
        self.settings.data.mkdir(parents=True, exist_ok=True)
        self.embedder = embedder
        self._stack = ExitStack()
        self.database = self._open()
        migrate.upgrade(self.database)
        with self.database.write() as tx:
            self._generation = constants.next_generation(tx)
            secret = constants.secret(tx)
        builder = NotificationBuilder(self.settings.server.region)
        self._notices = Notices(task=builder.task, request=builder.index_request)
        nonces = NonceMemory(self.database)
        self._stack.callback(nonces.close)
        self._service = ImmService(
            self.settings,
            KeyRing.of_users(self.settings.auth.users),
            database=self.database,
            writer=self._writer(self.database),
            nonces=nonces,
            secret=secret,
            clock=self.now,
            ring=lambda dataset_id: None,
        )
        self._stack.callback(self._service.close)
        self._owned: dict[DatasetId, tuple[Lease, DatasetService]] = {}
        self._stack.callback(self._leave)

    def close(self) -> None:
        """End as a service does that was told to stop."""
        self._stack.close()

    def now(self) -> datetime:
        """Return the time."""
        path = self.folder / "now"
        return START + timedelta(seconds=float(path.read_text()) if path.exists() else 0)

    def wait(self, until: timedelta) -> None:
        """Let it be so long after the start, if it is not yet."""
        if self.now() < START + until:
            (self.folder / "now").write_text(str(until.total_seconds()))

    def call(self, action: str, **given: Any) -> tuple[int, dict[str, Any]]:
        """Return status and body of an action; parameters that are no text are sent as JSON."""
        parameters = {k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()}
        headers = sign(
            parameters,
            action=action,
            host=HOST,
            access_key_id=KEY["access_key_id"],
            secret=KEY["access_key_secret"],
            method="POST",
            now=self.now(),
        )
        query = urlencode(parameters, quote_via=quote).encode()
        http = HttpRequest(method="POST", query=query, headers=tuple(headers.items()))
        answer = asyncio.run(self._service.handle(http))
        return answer.status, json.loads(answer.body)

    def settle(self) -> None:
        """Let owners and the janitor do all that there is to do."""
        for _ in range(_ROUNDS):
            with self.database.read() as tx:
                waiting, marked = work.datasets_with_work(tx), purge.waiting(tx)
            if not waiting and not marked:
                return
            for dataset_id in waiting:
                asyncio.run(self._own(dataset_id))
            purge_datasets(
                self.database,
                notices=self._notices,
                clock=self.now,
                thumbnails=open_thumbnails(self.settings),
            )
        raise AssertionError(f"work is left after {_ROUNDS} rounds: {waiting}, {marked}")

    def deliver(self) -> None:
        """Send every message that is due."""
        dispatcher = Dispatcher(self.database, self.settings.notifications, self.now)
        asyncio.run(dispatcher.deliver_due())

    def expire(self) -> None:
        """Delete what is too old."""
        retention = self.settings.tasks.retention_days
        with closing(open_relaxed(self.database)) as relaxed:
            Purge(self.database, self.now, relaxed=relaxed, retention_days=retention).run()

    async def _own(self, dataset_id: DatasetId) -> None:
        if dataset_id not in self._owned:
            await self._take(dataset_id)
        lease, service = self._owned[dataset_id]
        try:
            with self.database.write() as tx:
                ownership.renew(tx, lease)
            await service.drain()
        except DatasetGone:
            del self._owned[dataset_id]
            service.close()

    async def _take(self, dataset_id: DatasetId) -> None:
        with self.database.write() as tx:
            lease = ownership.take(tx, dataset_id, "host", self._generation)
        engine = open_engine(
            self.database, lease, self.settings, notices=self._notices, clock=self.now
        )
        await asyncio.to_thread(engine.load)
        self._owned[dataset_id] = lease, DatasetService(engine, self.embedder, retry_s=0)

    def _leave(self) -> None:
        for lease, service in self._owned.values():
            with self.database.write() as tx:
                ownership.release(tx, lease)
            service.close()

    def _open(self) -> Database:
        database = Database(self.settings.store_url)
        self._stack.callback(database.close)
        return database

    def _writer(self, database: Database) -> GroupWriter:
        writer = GroupWriter(database)
        self._stack.callback(writer.close)
        return writer


def dies_once_of(folder: Path, poison: str) -> Any:
    """Return a hook of an embedder that dies the first time it holds the file ``poison``."""
    mark = folder / "embedder-died"

    def hook(sources: Sequence[Source]) -> None:
        if not mark.exists() and any(source.uri == poison for source in sources):
            mark.touch()
            raise EmbedderDied("the embedder was killed")

    return hook
