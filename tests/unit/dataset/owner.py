"""One dataset with its engine and a fake embedder, driven step by step in the test's thread."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from imm_ray.cluster.duplicates import Duplicates
from imm_ray.cluster.incremental import figure_clusterer, similar_clusterer
from imm_ray.dataset.collection import Collection, GroupRule
from imm_ray.dataset.engine import DatasetEngine, Notices
from imm_ray.dataset.representatives import Themselves
from imm_ray.dataset.service import DatasetService
from imm_ray.index.open import open_index
from imm_ray.model import (
    ClusterId,
    ClusterKind,
    Dataset,
    DatasetId,
    FigureCluster,
    File,
    Message,
    Outcome,
    Project,
    Task,
    TaskId,
    TaskStatus,
    TaskType,
)
from imm_ray.settings import Clustering
from imm_ray.store import clusters, datasets, files, migrate, ownership, projects, tasks
from imm_ray.store.clusters import ClusterQuery
from imm_ray.store.database import Database
from imm_ray.store.files import InputFile
from imm_ray.store.requests import FinishedRequest, IndexRequest
from imm_ray.testing import FakeEmbedder, ManualClock

DIMENSION = 32
FACE_LIMIT = 0.6
IMAGE_LIMIT = 0.7


def tell_task(task: Task) -> list[Message]:
    return [Message(f"m-{task.task_id}", "topic", "task", task.status)]


def tell_request(finished: FinishedRequest) -> list[Message]:
    return [Message(f"m-{finished.request.event_id}", "topic", "index", repr(finished.files))]


class Owner:
    """A dataset ``p/d`` and whoever owns it; `restart` is a crash and a new owner."""

    def __init__(self, folder: Path, *, minimum: int = 2) -> None:
        self.clock = ManualClock()
        self.embedder = FakeEmbedder()
        self.minimum = minimum
        self.database = Database(f"sqlite:///{folder / 'imm.db'}")
        self.engine_database = self.database
        migrate.upgrade(self.database)
        self.dataset_id = DatasetId(str(uuid.uuid4()))
        now = self.clock()
        with self.database.write() as tx:
            projects.create(tx, Project(account="a", name="p", created_at=now, updated_at=now))
            datasets.create(
                tx,
                Dataset(
                    dataset_id=self.dataset_id,
                    account="a",
                    project="p",
                    name="d",
                    face_model="f",
                    image_model="i",
                    created_at=now,
                    updated_at=now,
                ),
            )
        self.restart()

    def restart(self) -> None:
        """Forget everything in memory and take the dataset again."""
        with self.engine_database.write() as tx:
            lease = ownership.take(tx, self.dataset_id, "host", 1)
        self.engine = DatasetEngine(
            self.engine_database,
            lease,
            collections={ClusterKind.FIGURE: self._figures(), ClusterKind.SIMILAR: self._images()},
            rules=Clustering(min_entity_count=self.minimum),
            notices=Notices(task=tell_task, request=tell_request),
            clock=self.clock,
        )
        self.engine.load()

    def index(self, outcomes: dict[str, Outcome], *, request: IndexRequest | None = None) -> None:
        """Acknowledge files; they are indexed when the owner drains."""
        self.embedder.outcomes.update(outcomes)
        with self.database.write() as tx:
            dataset = datasets.get(tx, "a", "p", "d")
            inputs = [InputFile(uri, {"URI": uri}) for uri in outcomes]
            files.index(tx, dataset, inputs, self.clock(), request)

    def delete(self, *uris: str) -> int:
        """Delete files."""
        with self.database.write() as tx:
            return files.delete(tx, self.dataset_id, uris, self.clock(), tell_request)

    def create_task(self, task_type: TaskType = TaskType.FIGURE_CLUSTERING) -> TaskId:
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
                    dataset_id=self.dataset_id,
                    dataset_name="d",
                    event_id="e",
                    request_id="r",
                    status=TaskStatus.RUNNING,
                    watermark=datasets.next_seq(tx, self.dataset_id),
                    started_at=self.clock(),
                ),
            )
        return task_id

    def drain(self) -> None:
        """Let the owner do everything that there is to do."""

        async def work() -> None:
            service = DatasetService(self.engine, self.embedder, retry_s=0)
            await service.drain()
            service.close()

        asyncio.run(work())

    def cluster(self, task_type: TaskType = TaskType.FIGURE_CLUSTERING) -> Task:
        """Run a task to its end."""
        task_id = self.create_task(task_type)
        self.drain()
        return self.task(task_id)

    def task(self, task_id: TaskId) -> Task:
        since = self.clock() - timedelta(days=7)
        with self.database.read() as tx:
            return tasks.get(tx, "a", "p", task_id, alive_since=since)

    def file(self, uri: str) -> File:
        with self.database.read() as tx:
            return files.get(tx, self.dataset_id, [uri])[0]

    def people(self) -> dict[ClusterId, frozenset[str]]:
        """Return the URIs of each figure cluster, from the figures' side."""
        found: dict[ClusterId, set[str]] = {}
        with self.database.read() as tx:
            listed = clusters.page_figure_clusters(tx, self.dataset_id, ClusterQuery(), limit=1000)
            for uri in self.uris():
                for figure in files.get(tx, self.dataset_id, [uri])[0].figures:
                    if figure.cluster_id:
                        found.setdefault(figure.cluster_id, set()).add(uri)
        assert {c.cluster_id: c.image_count for c in listed} == {
            cluster_id: len(members) for cluster_id, members in found.items()
        }
        return {cluster_id: frozenset(members) for cluster_id, members in found.items()}

    def figure_clusters(self) -> list[FigureCluster]:
        with self.database.read() as tx:
            return clusters.page_figure_clusters(tx, self.dataset_id, ClusterQuery(), limit=1000)

    def groups(self) -> dict[ClusterId, list[str]]:
        """Return the URIs of each similar-image cluster, the best first."""
        with self.database.read() as tx:
            found = clusters.page_similar_clusters(tx, self.dataset_id, ClusterQuery(), limit=1000)
        return {c.cluster_id: [image.uri for image in c.images] for c in found}

    def uris(self) -> Sequence[str]:
        return [uri for uri in self.embedder.outcomes if self._exists(uri)]

    def _exists(self, uri: str) -> bool:
        with self.database.read() as tx:
            return bool(files.get(tx, self.dataset_id, [uri]))

    def _figures(self) -> Collection:
        index = open_index("exact", DIMENSION)
        clusterer = figure_clusterer(threshold=FACE_LIMIT, same_photo=0.999, vectors=index.vectors)
        rule = GroupRule(
            mint=lambda: ClusterId(f"Cluster-{uuid.uuid4()}"),
            smallest=1,
            good_to_found=self.minimum,
            confidence=lambda cosine: cosine,
        )
        return Collection(index, clusterer, Themselves(), rule, dimension=DIMENSION)

    def _images(self) -> Collection:
        index = open_index("exact", DIMENSION)
        clusterer = similar_clusterer(threshold=IMAGE_LIMIT, vectors=index.vectors)
        rule = GroupRule(
            mint=lambda: ClusterId(f"SimilarImageCluster-{uuid.uuid4()}"),
            smallest=2,
            good_to_found=2,
            confidence=lambda cosine: cosine,
        )
        return Collection(index, clusterer, Duplicates(), rule, dimension=DIMENSION)
