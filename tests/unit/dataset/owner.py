"""One dataset with its engine and a fake embedder, driven step by step in the test's thread."""

import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, update

from imm_ray.cluster.base_clusterer import EXACT_ITEMS
from imm_ray.cluster.duplicates import Duplicates
from imm_ray.cluster.figures import FigureClusterer
from imm_ray.cluster.fixed import fixed_of, to_fixed
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.similar import SimilarClusterer
from imm_ray.dataset.book import Book
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.engine import DatasetEngine, Notices
from imm_ray.dataset.places import GroupRule
from imm_ray.dataset.representatives import Themselves
from imm_ray.dataset.rules import DatasetRules
from imm_ray.dataset.service import DatasetService
from imm_ray.index.exact import ExactIndex
from imm_ray.media.thumbnails import DiskThumbnails
from imm_ray.model import (
    ClusterId,
    ClusterKind,
    Constraint,
    Dataset,
    DatasetId,
    Edit,
    EditKind,
    EditStatus,
    Figure,
    FigureCluster,
    File,
    JsonObject,
    Message,
    Outcome,
    Project,
    RecordedEvent,
    Task,
    TaskId,
    TaskStatus,
    TaskType,
)
from imm_ray.settings import Clustering
from imm_ray.store import (
    clusters,
    constraints,
    datasets,
    edits,
    files,
    lineage,
    migrate,
    ownership,
    projects,
    tables,
    tasks,
)
from imm_ray.store.clusters import ClusterQuery
from imm_ray.store.database import Database, Tx
from imm_ray.store.files import InputFile
from imm_ray.store.requests import FinishedRequest, IndexRequest
from imm_ray.testing import FakeEmbedder, ManualClock

DIMENSION = 32
FACE_LIMIT = 0.6
FACE_LIMITS = FigureLimits(
    threshold=to_fixed(FACE_LIMIT),
    margin=to_fixed(0.05),
    same_photo=to_fixed(0.999),
    strong=to_fixed(0.75),
    strong_share=0.5,
    second_mean=to_fixed(0.55),
    second_smallest=2,
)
IMAGE_LIMIT = 0.7


def tell_task(task: Task) -> list[Message]:
    return [Message(f"m-{task.task_id}", "topic", "task", task.status)]


def tell_request(finished: FinishedRequest) -> list[Message]:
    return [Message(f"m-{finished.request.event_id}", "topic", "index", repr(finished.files))]


class InterruptedDatabase(Database):
    """Lets somebody else write before write transaction number ``step``."""

    step = 0
    interrupted = False

    def interrupt(self, step: int, what: Callable[[], object]) -> None:
        self.step, self.what, self.interrupted = step, what, False

    @contextmanager
    def write(self) -> Iterator[Tx]:
        self.step -= 1
        if self.step == 0:
            self.what()
            self.interrupted = True
        with super().write() as tx:
            yield tx


class Owner:
    """A dataset ``p/d`` and whoever owns it; `restart` is a crash and a new owner."""

    def __init__(
        self,
        folder: Path,
        *,
        url: str = "",
        minimum: int = 2,
        rules: Clustering | None = None,
        exact_items: int = EXACT_ITEMS,
    ) -> None:
        self.clock = ManualClock()
        self.embedder = FakeEmbedder()
        self.rules = rules or Clustering(min_entity_count=minimum)
        self.exact_items = exact_items
        self.holding: DatasetRules | None = None
        self.thumbnails = DiskThumbnails(folder / "thumbnails", 1_000_000)
        self.url = url or f"sqlite:///{folder / 'imm.db'}"
        self.database = Database(self.url)
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
        self.figures, self.images = self._figures(), self._images()
        self.book = Book(self.figures, self.clusterer)
        self.engine = DatasetEngine(
            self.engine_database,
            lease,
            account="a",
            thumbnails=self.thumbnails,
            collections={ClusterKind.FIGURE: self.figures, ClusterKind.SIMILAR: self.images},
            book=self.book,
            rules=self.rules,
            notices=Notices(task=tell_task, request=tell_request),
            clock=self.clock,
            rules_now=None if self.holding is None else self._rules_now,
        )
        self.engine.load()

    def _rules_now(self, tx: Tx) -> DatasetRules:
        assert self.holding is not None
        return self.holding

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

    def ask(self, kind: EditKind, payload: JsonObject) -> str:
        """Acknowledge an edit; return its id."""
        with self.database.write() as tx:
            return edits.add(tx, self.dataset_id, kind, payload, self.clock()).edit_id

    def apply(self, kind: EditKind, payload: JsonObject) -> Edit:
        """Bring an edit to its end."""
        edit_id = self.ask(kind, payload)
        self.drain()
        return self.edit(edit_id)

    def applied(self, kind: EditKind, payload: JsonObject) -> str:
        """Bring an edit to a good end; return its id."""
        edit = self.apply(kind, payload)
        assert edit.status is EditStatus.APPLIED, edit.reason
        return edit.edit_id

    def undo(self, edit_id: str) -> Edit:
        """Take an edit back."""
        return self.apply(EditKind.UNDO, {"edit_id": edit_id})

    def ask_name(self, cluster_id: ClusterId, name: str) -> str:
        """Acknowledge a name as an ingress does: the name stands at once; return the edit's id."""
        with self.database.write() as tx:
            current = lineage.resolve(tx, self.dataset_id, cluster_id)
            assert current is not None
            c = tables.cluster
            tx.execute(update(c).where(c.c.cluster_id == current).values(name=name))
            payload = {"cluster_id": current}
            return edits.add(tx, self.dataset_id, EditKind.NAME, payload, self.clock()).edit_id

    def name(self, cluster_id: ClusterId, name: str) -> None:
        """Give a person a name."""
        edit_id = self.ask_name(cluster_id, name)
        self.drain()
        assert self.edit(edit_id).status is EditStatus.APPLIED

    def edit(self, edit_id: str) -> Edit:
        with self.database.read() as tx:
            return edits.get(tx, self.dataset_id, edit_id)

    def edits(self) -> list[Edit]:
        """Return all edits in the order in which they were acknowledged."""
        with self.database.read() as tx:
            return edits.list_edits(tx, self.dataset_id, limit=1000)[::-1]

    def resolve(self, cluster_id: ClusterId) -> ClusterId | None:
        with self.database.read() as tx:
            return lineage.resolve(tx, self.dataset_id, cluster_id)

    def events(self) -> list[RecordedEvent]:
        """Return the whole lineage of figure clusters in the order in which it happened."""
        v = tables.cluster_event.c
        ids = select(v.cluster_id).where(v.kind == ClusterKind.FIGURE).distinct()
        with self.database.read() as tx:
            found = [
                event
                for cluster_id in tx.scalars(ids).all()
                for event in lineage.history(
                    tx, self.dataset_id, ClusterId(cluster_id), limit=10_000
                )
            ]
        return sorted(found, key=lambda event: (event.run, event.position))

    def constraints(self) -> list[Constraint]:
        """Return the stored pins and bans."""
        return list(constraints.load(self.database, self.dataset_id))

    def figure(self, uri: str, place: int = 0) -> Figure:
        """Return a figure of a file, counted from the left."""
        return sorted(self.file(uri).figures, key=lambda figure: figure.box.left)[place]

    def cluster_of(self, uri: str, place: int = 0) -> ClusterId:
        """Return the cluster of a figure that a run has seen."""
        cluster_id = self.figure(uri, place).cluster_id
        assert cluster_id is not None
        return cluster_id

    def names(self) -> dict[ClusterId, str]:
        """Return the names of the people who have one."""
        return {c.cluster_id: c.name for c in self.figure_clusters() if c.name}

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
        index = ExactIndex(DIMENSION)
        self.clusterer = FigureClusterer(
            FACE_LIMITS,
            dimension=DIMENSION,
            fixed=lambda slots: fixed_of(index.wide(slots)),
            exact_items=self.exact_items,
        )
        rule = GroupRule(
            mint=lambda: ClusterId(f"Cluster-{uuid.uuid4()}"),
            smallest=1,
            good_to_found=self.rules.min_entity_count,
            confidence=lambda cosine: cosine,
        )
        return Collection(index, self.clusterer, Themselves(), rule)

    def _images(self) -> Collection:
        index = ExactIndex(DIMENSION)
        self.similar = SimilarClusterer(
            to_fixed(IMAGE_LIMIT),
            dimension=DIMENSION,
            fixed=lambda slots: fixed_of(index.wide(slots)),
        )
        rule = GroupRule(
            mint=lambda: ClusterId(f"SimilarImageCluster-{uuid.uuid4()}"),
            smallest=2,
            good_to_found=2,
            confidence=lambda cosine: cosine,
        )
        return Collection(index, self.similar, Duplicates(), rule)
