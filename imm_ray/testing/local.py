"""The whole service in one process, without Ray."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context
from datetime import datetime
from pathlib import Path
from types import TracebackType

import uvicorn

from imm_ray.api.asgi import accepted_hosts, build_asgi
from imm_ray.api.key_rotation import open_key_ring
from imm_ray.api.notification import NotificationBuilder
from imm_ray.api.ports import Pictures, Ports
from imm_ray.api.service import ImmService
from imm_ray.dataset.assembly import open_engine
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.host import EngineHost
from imm_ray.dataset.opening import Opening
from imm_ray.dataset.ports import Embedder
from imm_ray.dataset.purge import purge_datasets
from imm_ray.dataset.thumbnails import Thumbnailer
from imm_ray.errors import ResourceNotFound
from imm_ray.measure import UNMEASURED, Measures
from imm_ray.media.buckets import Buckets
from imm_ray.media.decoder import Decoder
from imm_ray.media.thumbnails import open_thumbnails
from imm_ray.model import (
    DatasetId,
    Explained,
    Found,
    Outcome,
    Pair,
    Picture,
    Refused,
    Search,
    Source,
    Thumbnail,
)
from imm_ray.settings import Settings, load_settings
from imm_ray.store import constants, migrate, outbox, purge, work
from imm_ray.store.blobs import open_blobs
from imm_ray.store.database import Database
from imm_ray.store.nonce_memory import NonceMemory
from imm_ray.store.ownership import DatasetGone
from imm_ray.store.trouble import Patience
from imm_ray.store.writer import GroupWriter
from imm_ray.testing.doubles import upload_uri, wall_clock

ACCESS_KEY_ID = "testak"
ACCESS_KEY_SECRET = "testsecret"

_POLL_S = 0.005
_AWAY_S = 0.1


class LocalPictures:
    """Looks into pictures with an embedder, and makes thumbnails of real files.

    Parameters
    ----------
    embedder
        Is asked for pictures by URI, and for uploads by `upload_uri`.
    settings
        Whose buckets and limits hold.
    """

    def __init__(self, embedder: Embedder, settings: Settings) -> None:
        self._embedder = embedder
        self._decoder = Decoder(settings.limits)
        buckets = Buckets(settings.buckets, settings.file_roots, settings.limits)
        self._thumbnailer = Thumbnailer(buckets, self._decoder)

    async def look(self, picture: Picture) -> Outcome:
        """Return the embedder's outcome."""
        if isinstance(picture, bytes):
            picture = Source(uri=upload_uri(picture), media_type="image")
        return (await self._embedder.embed([picture]))[0]

    async def thumbnail(self, wanted: Thumbnail) -> bytes | Refused:
        """Return a small JPEG of a file in a bucket."""
        return await asyncio.to_thread(self._thumbnailer.make, wanted)

    def close(self) -> None:
        """End the decoder processes."""
        self._decoder.close()


class LocalOwners:
    """Asks services in this event loop."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    async def search(self, dataset_id: DatasetId, wanted: Search) -> Found:
        """Return what is nearest among what is indexed."""
        try:
            return await self._host.search(dataset_id, wanted)
        except DatasetGone as error:
            raise ResourceNotFound.of("dataset") from error

    async def explain(self, dataset_id: DatasetId, pair: Pair) -> Explained | None:
        """Return why two items are in one cluster or not."""
        try:
            return await self._host.explain(dataset_id, pair)
        except DatasetGone as error:
            raise ResourceNotFound.of("dataset") from error


class LocalImm:
    """The whole service in this process, without Ray: HTTP on loopback, engines on threads.

    Parameters
    ----------
    data
        The data folder; opening it again restores everything.
    embedder
        What turns files into vectors.
    settings
        Defaults to one root key, `ACCESS_KEY_ID` and `ACCESS_KEY_SECRET`, and the default models.
    clock
        What tells the time.
    pictures
        What looks into pictures for those who wait; defaults to `LocalPictures`.
    measures
        What takes the metrics; `RecordedMeasures` keeps them.

    Examples
    --------
    ``with LocalImm(tmp_path, FakeEmbedder()) as imm: client = Client(Config(endpoint=imm.address…``
    """

    def __init__(
        self,
        data: Path,
        embedder: Embedder,
        *,
        settings: Settings | None = None,
        clock: Callable[[], datetime] = wall_clock,
        pictures: Pictures | None = None,
        measures: Measures = UNMEASURED,
    ) -> None:
        key = {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET, "v1": True}
        self.settings = settings or load_settings(None, data=data, auth={"users": [key]})
        self.clock = clock
        self.port = 0
        self._measures = measures
        self._embedder = embedder
        self._loop = asyncio.new_event_loop()
        self._failures: list[BaseException] = []
        self._own_pictures = LocalPictures(embedder, self.settings)
        self._pictures = pictures or self._own_pictures

    @property
    def address(self) -> str:
        """HOST:PORT, as the official SDK's ``endpoint`` wants it."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> "LocalImm":
        self.settings.data.mkdir(parents=True, exist_ok=True)
        self.database = Database(self.settings.store_url)
        migrate.upgrade(self.database)
        with self.database.write() as tx:
            self._generation = constants.next_generation(tx)
            secret = constants.secret(tx)
            signed_from = constants.signed_from(tx)
        self.host = self._open_host()
        self._writer = GroupWriter(self.database)
        self._nonces = NonceMemory(self.database)
        self._api = ImmService(
            self.settings,
            open_key_ring(self.settings.auth),
            database=self.database,
            writer=self._writer,
            nonces=self._nonces,
            secret=secret,
            clock=self.clock,
            ring=self._ring_from_anywhere,
            ports=Ports(
                pictures=self._pictures,
                owners=LocalOwners(self.host),
                thumbnails=open_thumbnails(self.settings),
            ),
            measures=self._measures,
            signed_from=signed_from,
        )
        self._thread = threading.Thread(target=self._loop.run_forever, name="imm-ray-local")
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._api.close()
        self._own_pictures.close()
        for closing in (self._writer, self._nonces, self.database):
            closing.close()

    def settle(self) -> None:
        """Return when no dataset has anything left to do.

        Raises
        ------
        Exception
            What stopped an engine, if something did.
        """
        asyncio.run_coroutine_threadsafe(self._settled(), self._loop).result()

    def messages(self) -> list[str]:
        """Return the bodies of the notifications that wait for delivery."""
        with self.database.read() as tx:
            return [w.message.body for w in outbox.due(tx, self.clock(), limit=10_000)]

    async def _start(self) -> None:
        config = uvicorn.Config(
            app=self._asgi,
            interface="asgi3",
            host="127.0.0.1",
            port=0,
            log_config=None,
            lifespan="off",
            access_log=False,  # its lines hold what clients say
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve())
        while not self._server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_POLL_S)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self._app = build_asgi(self._api, accepted_hosts(self.settings.server, self.port))
        for dataset_id in self._with_work():
            self._ring(dataset_id)

    async def _asgi(self, scope: object, receive: object, send: object) -> None:
        await self._app(scope, receive, send)  # type: ignore[arg-type]  # uvicorn's own types

    async def _stop(self) -> None:
        self._server.should_exit = True
        await self._serving
        await self.host.drain()
        self.host.close()

    def _ring_from_anywhere(self, dataset_id: DatasetId) -> None:
        # A context of its own: the owner's work is not the request's, in the log as elsewhere.
        self._loop.call_soon_threadsafe(self._ring, dataset_id, context=Context())

    def _ring(self, dataset_id: DatasetId) -> None:
        self.host.ring(dataset_id)

    def _purge(self, dataset_id: DatasetId) -> None:
        """Have what is left of purged datasets deleted, ``dataset_id`` among them."""
        kept = open_thumbnails(self.settings)
        self._purging = self._loop.run_in_executor(
            None,
            lambda: purge_datasets(
                self.database,
                notices=self._notices(),
                clock=self.clock,
                thumbnails=kept,
                blobs=open_blobs(self.settings),
            ),
        )

    def _open_host(self) -> EngineHost:
        owners = self.settings.owners
        opening = Opening(
            self.database,
            host="local",
            generation=self._generation,
            patience=Patience(attempts=owners.give_up_attempts, seconds=owners.give_up_after_s),
            open_engine=lambda lease: open_engine(
                self.database,
                lease,
                self.settings,
                notices=self._notices(),
                clock=self.clock,
                measures=self._measures,
            ),
            notices=self._notices().task,
            clock=self.clock,
        )
        return EngineHost(
            self.database,
            opening,
            self._embedder,
            owners,
            fenced=self._failures.append,
            gone=self._purge,
            failed=self._failures.append,
            measures=self._measures,
        )

    def _notices(self) -> Notices:
        messages = NotificationBuilder(self.settings.server.region)
        return Notices(task=messages.task, request=messages.index_request)

    async def _settled(self) -> None:
        for dataset_id in self._with_work():
            self._ring(dataset_id)
        while left := self._with_work():
            if self._failures:
                raise self._failures.pop(0)
            for dataset_id in set(left).difference(self.host.at_work):
                self._ring(dataset_id)
            await asyncio.sleep(_POLL_S)

    def _with_work(self) -> list[DatasetId]:
        with self.database.read() as tx:
            auto = self.settings.clustering.auto
            return [*work.datasets_with_work(tx, auto=auto), *purge.waiting(tx)]
