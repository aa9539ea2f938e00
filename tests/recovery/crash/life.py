"""One life of the whole service in one process, without Ray and HTTP; the next one goes on."""

import asyncio
import json
from collections.abc import Callable, Sequence
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
from imm_ray.dataset.engine import DatasetEngine, Notices
from imm_ray.dataset.opening import Opening
from imm_ray.dataset.ports import EmbedderDied
from imm_ray.dataset.purge import purge_datasets
from imm_ray.media.thumbnails import open_thumbnails
from imm_ray.model import Source
from imm_ray.runtime.dispatcher import Dispatcher
from imm_ray.runtime.purge import Purge
from imm_ray.settings import Settings, load_settings
from imm_ray.store import constants, migrate, purge, work
from imm_ray.store.blobs import open_blobs
from imm_ray.store.database import Database
from imm_ray.store.nonce_memory import NonceMemory, open_relaxed
from imm_ray.store.ownership import Lease
from imm_ray.store.trouble import Patience
from imm_ray.store.writer import GroupWriter
from imm_ray.testing import FakeEmbedder
from tests.recovery.crash.owners import Owners

KEY = {"access_key_id": "testak", "access_key_secret": "testsecret"}
HOST = "127.0.0.1:8000"
START = datetime(2026, 11, 21, 22, 7, tzinfo=UTC)
TOPIC, LATE = "told", "late"
ATTEMPTS = 4
"""After so many a task or a dataset is given up: more than two deaths can cost."""
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
        snapshots={"least_items": 1},
        owners={"give_up_attempts": ATTEMPTS, "give_up_after_s": 0},
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
            generation = constants.next_generation(tx)
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
        self._owners = Owners(
            self.database,
            lambda opened: self._opening(generation, opened),
            self._open_engine,
            embedder,
        )
        self._stack.callback(self._owners.leave)

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
        """Let owners and the janitor do all that there is to do; each round takes a second."""
        for _ in range(_ROUNDS):
            with self.database.read() as tx:
                waiting, marked = work.datasets_with_work(tx), purge.waiting(tx)
            waiting = [each for each in waiting if each not in self._owners.given_up]
            if not waiting and not marked:
                return
            for dataset_id in waiting:
                self._owners.serve(dataset_id)
            purge_datasets(
                self.database,
                notices=self._notices,
                clock=self.now,
                thumbnails=open_thumbnails(self.settings),
                blobs=open_blobs(self.settings),
            )
            self.wait(self.now() - START + timedelta(seconds=1))
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

    def _opening(self, generation: int, open_engine: Callable[[Lease], DatasetEngine]) -> Opening:
        owners = self.settings.owners
        return Opening(
            self.database,
            host="host",
            generation=generation,
            patience=Patience(attempts=owners.give_up_attempts, seconds=owners.give_up_after_s),
            open_engine=open_engine,
            notices=self._notices.task,
            clock=self.now,
        )

    def _open_engine(self, lease: Lease) -> DatasetEngine:
        return open_engine(
            self.database, lease, self.settings, notices=self._notices, clock=self.now
        )

    def _open(self) -> Database:
        database = Database(self.settings.store_url)
        self._stack.callback(database.close)
        return database

    def _writer(self, database: Database) -> GroupWriter:
        writer = GroupWriter(database)
        self._stack.callback(writer.close)
        return writer


def ill_at(folder: Path, *, once: str, always: str) -> Any:
    """Return a hook of an embedder that dies the first time it holds the file ``once``.

    At the file ``always`` it fails in a way that nobody has foreseen, whenever it is tried.
    """
    mark = folder / "embedder-died"

    def hook(sources: Sequence[Source]) -> None:
        held = {source.uri for source in sources}
        if not mark.exists() and once in held:
            mark.touch()
            raise EmbedderDied("the embedder was killed")
        if always in held:
            raise KeyError("nobody has foreseen this")

    return hook
