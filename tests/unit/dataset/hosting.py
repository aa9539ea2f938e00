"""Many small datasets and hosts that serve them, without Ray."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from imm_ray.dataset.assembly import open_engine
from imm_ray.dataset.engine import DatasetEngine, Notices
from imm_ray.dataset.host import EngineHost
from imm_ray.dataset.opening import Opening
from imm_ray.embed.cards import load_card
from imm_ray.model import (
    Dataset,
    DatasetId,
    FileStatus,
    Outcome,
    Project,
    Source,
    Task,
    TaskId,
    TaskStatus,
    TaskType,
)
from imm_ray.settings import load_settings
from imm_ray.store import datasets, files, migrate, projects, tables, tasks
from imm_ray.store.database import Database, Tx
from imm_ray.store.files import InputFile
from imm_ray.store.ownership import Fenced, Lease
from imm_ray.store.trouble import Patience
from imm_ray.testing import FakeEmbedder, ManualClock, face, near, picture, random_vector
from tests.unit.dataset.owner import tell_request, tell_task

PATIENCE_S = 60.0


class FragileDatabase(Database):
    """Is away while it is told to be."""

    is_away = False

    @contextmanager
    def write(self) -> Iterator[Tx]:
        if self.is_away:
            raise OSError("the store is away")
        with super().write() as tx:
            yield tx


class GatedEmbedder(FakeEmbedder):
    """Lets a chunk through when ``gate`` returns."""

    async def gate(self, sources: Sequence[Source]) -> None:
        """Wait for what a test waits for."""

    async def embed(self, sources: Sequence[Source]) -> Sequence[Outcome]:
        await self.gate(sources)
        return await super().embed(sources)


class World:
    """A database with datasets of a project, what clients do to them, and hosts."""

    def __init__(self, folder: Path, **owners: Any) -> None:
        self.attach(folder, **owners)
        migrate.upgrade(self.database)
        now = self.clock()
        with self.database.write() as tx:
            projects.create(tx, Project(account="a", name="p", created_at=now, updated_at=now))

    def attach(self, folder: Path, **owners: Any) -> None:
        """Use what another process has made."""
        self.settings = load_settings(
            None,
            data=folder,
            index={"backend": "exact"},
            clustering={"min_entity_count": 2},
            owners={"drain_s": 5.0, **owners},
        )
        self.clock = ManualClock()
        self.embedder = GatedEmbedder()
        self.database = FragileDatabase(self.settings.store_url)
        self.spoil: Callable[[DatasetEngine], None] = lambda engine: None
        self.fenced: list[Fenced] = []
        self.failures: list[Exception] = []

    def make(self) -> DatasetId:
        """Make a dataset."""
        dataset_id = DatasetId(str(uuid.uuid4()))
        models, now = self.settings.models, self.clock()
        with self.database.write() as tx:
            datasets.create(
                tx,
                Dataset(
                    dataset_id=dataset_id,
                    account="a",
                    project="p",
                    name=dataset_id,
                    face_model=load_card(models.face).model_id,
                    image_model=load_card(models.image).model_id,
                    created_at=now,
                    updated_at=now,
                ),
            )
        return dataset_id

    def index(self, dataset_id: DatasetId, count: int) -> None:
        """Acknowledge files with a face of one person each."""
        uris = [f"oss://b/{dataset_id}/{i}" for i in range(count)]
        person = random_vector(dataset_id, 128)
        self.embedder.outcomes.update(
            {uri: picture(uri, face(near(person, uri, 0.99))) for uri in uris}
        )
        with self.database.write() as tx:
            dataset = datasets.by_id(tx, dataset_id)
            assert dataset is not None
            files.index(tx, dataset, [InputFile(u, {"URI": u}) for u in uris], self.clock())

    def ask(
        self, dataset_id: DatasetId, task_type: TaskType = TaskType.FIGURE_CLUSTERING
    ) -> TaskId:
        """Acknowledge a task."""
        task_id = TaskId(str(uuid.uuid4()))
        self.clock.advance(timedelta(seconds=1))
        with self.database.write() as tx:
            tasks.create(
                tx,
                Task(
                    task_id=task_id,
                    task_type=task_type,
                    account="a",
                    project="p",
                    dataset_id=dataset_id,
                    dataset_name="d",
                    event_id="e",
                    request_id="r",
                    status=TaskStatus.RUNNING,
                    watermark=datasets.next_seq(tx, dataset_id),
                    started_at=self.clock(),
                ),
            )
        return task_id

    def task(self, dataset_id: DatasetId, task_id: TaskId) -> Task:
        with self.database.read() as tx:
            found = tasks.of_dataset(tx, dataset_id, task_id)
        assert found is not None
        return found

    def has_ended(self, dataset_id: DatasetId, task_id: TaskId) -> bool:
        return self.task(dataset_id, task_id).status is not TaskStatus.RUNNING

    def pending(self, dataset_id: DatasetId) -> int:
        """Return how many files wait to be indexed."""
        f = tables.file.c
        query = select(f.file_id).where(f.dataset_id == dataset_id, f.status == FileStatus.PENDING)
        with self.database.read() as tx:
            return len(tx.execute(query).all())

    def owner(self, dataset_id: DatasetId) -> Any:
        """Return the ownership row."""
        o = tables.ownership
        with self.database.read() as tx:
            return tx.execute(select(o).where(o.c.dataset_id == dataset_id)).one()

    def told(self) -> list[str]:
        """Return the ids of the messages in the outbox."""
        with self.database.read() as tx:
            return list(tx.scalars(select(tables.outbox.c.message_id)))

    def opening(self, name: str = "host", generation: int = 1) -> Opening:
        owners = self.settings.owners
        return Opening(
            self.database,
            host=name,
            generation=generation,
            patience=Patience(attempts=owners.give_up_attempts, seconds=owners.give_up_after_s),
            open_engine=self._open,
            notices=tell_task,
            clock=self.clock,
        )

    def host(self, name: str = "host", generation: int = 1) -> EngineHost:
        return EngineHost(
            self.database,
            self.opening(name, generation),
            self.embedder,
            self.settings.owners,
            fenced=self.fenced.append,
            failed=self.failures.append,
        )

    def close(self) -> None:
        self.database.close()

    def _open(self, lease: Lease) -> DatasetEngine:
        engine = open_engine(
            self.database,
            lease,
            self.settings,
            notices=Notices(task=tell_task, request=tell_request),
            clock=self.clock,
        )
        self.spoil(engine)
        return engine


async def until(condition: Callable[[], bool]) -> None:
    """Return when ``condition`` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - it is told by the store
            await asyncio.sleep(0.01)


async def leave(host: EngineHost) -> None:
    """End a host in good order."""
    await host.drain()
    await asyncio.to_thread(host.close)


class Gate:
    """Holds an engine call up until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.opened.wait(PATIENCE_S)
