"""One dataset with files and figures in the store, and runs that put figures where a test says."""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, select, update

from imm_ray.model import (
    NO_CLUSTER,
    ClusterEvent,
    ClusterId,
    ClusterKind,
    Constraint,
    Dataset,
    DatasetId,
    Edit,
    EditKind,
    EditStatus,
    FigureCluster,
    FileId,
    Message,
    Project,
    Retirement,
    Task,
    TaskId,
    TaskStatus,
    TaskType,
)
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
    results,
    staging,
    tables,
    tasks,
)
from imm_ray.store.clusters import ClusterQuery
from imm_ray.store.database import Database, Tx
from imm_ray.store.edits import SettledEdit
from imm_ray.store.files import InputFile
from imm_ray.store.requests import FinishedRequest
from imm_ray.store.results import Result
from imm_ray.testing import ManualClock, face, picture, random_vector

FIGURE = ClusterKind.FIGURE


def tell_task(task: Task) -> list[Message]:
    return [Message(f"m-{task.task_id}", "topic", "task", task.status)]


def tell_request(finished: FinishedRequest) -> list[Message]:
    return []


def applied(edit: Edit, **effect: Any) -> SettledEdit:
    return SettledEdit(edit_id=edit.edit_id, status=EditStatus.APPLIED, reason="", effect=effect)


class Album:
    """A dataset ``p/d`` and its owner's lease; every file that is indexed has one face."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.clock = ManualClock()
        self.database = Database(url or f"sqlite:///{folder / 'imm.db'}")
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
            self.lease = ownership.take(tx, self.dataset_id, "host", 1)

    def index(self, *uris: str, left: int = 0) -> None:
        """Index files, new or again with other bytes; ``left`` is where their face is."""
        with self.database.write() as tx:
            dataset = datasets.get(tx, "a", "p", "d")
            files.index(tx, dataset, [InputFile(uri, {"URI": uri}) for uri in uris], self.clock())
            done = [
                Result(
                    file,
                    picture(
                        f"{file.uri}{file.revision}", face(random_vector(file.uri, 4), left=left)
                    ),
                )
                for file in results.pending(tx, self.dataset_id, limit=1000)
            ]
            results.commit(tx, self.lease, done, self.clock(), tell_request)

    def delete(self, *uris: str) -> None:
        with self.database.write() as tx:
            files.delete(tx, self.dataset_id, uris, self.clock(), tell_request)

    def figure(self, uri: str) -> str:
        with self.database.read() as tx:
            return files.get(tx, self.dataset_id, [uri])[0].figures[0].figure_id

    def file_id(self, uri: str) -> FileId:
        with self.database.read() as tx:
            return files.get(tx, self.dataset_id, [uri])[0].file_id

    def name(self, cluster_id: str, name: str) -> None:
        c = tables.cluster
        with self.database.write() as tx:
            tx.execute(
                update(c)
                .where(c.c.cluster_id == cluster_id)
                .values(
                    name=name,
                    custom_id=f"id of {name}",
                    custom_labels={"is": name},
                    meta_lock_version=7,
                )
            )

    def edit(self, kind: EditKind, payload: dict[str, Any]) -> Edit:
        with self.database.write() as tx:
            return edits.add(tx, self.dataset_id, kind, payload, self.clock())

    def create_task(self) -> Task:
        with self.database.write() as tx:
            task = Task(
                task_id=TaskId(str(uuid.uuid4())),
                task_type=TaskType.FIGURE_CLUSTERING,
                account="a",
                project="p",
                dataset_id=self.dataset_id,
                dataset_name="d",
                event_id="e",
                request_id="r",
                status=TaskStatus.RUNNING,
                watermark=datasets.next_seq(tx, self.dataset_id),
                started_at=self.clock(),
            )
            tasks.create(tx, task)
        return task

    def discard(self) -> None:
        """Undo what is staged beyond the visible run."""
        visible = self.visible_run()
        left = True
        while left:
            with self.database.write() as tx:
                left = staging.discard(tx, self.lease, FIGURE, visible)

    def stage(
        self,
        groups: Mapping[str, Sequence[str]],
        *,
        retired: Mapping[str, str] | None = None,
        restored: Sequence[str] = (),
        events: Sequence[ClusterEvent] = (),
    ) -> int:
        """Stage the next run: cluster id to URIs; return its number."""
        self.discard()
        run = self.visible_run() + 1
        lease, now = self.lease, self.clock()
        moves = [
            staging.Move(self.figure(uri), self.file_id(uri), ClusterId(cluster_id), 0.9)
            for cluster_id, uris in groups.items()
            for uri in uris
        ]
        retirements = [Retirement(ClusterId(a), ClusterId(b)) for a, b in (retired or {}).items()]
        with self.database.write() as tx:
            lineage.restore(tx, lease, FIGURE, run, [ClusterId(i) for i in restored])
            known = set(tx.scalars(select(tables.cluster.c.cluster_id)))
            staging.stage_members(tx, lease, FIGURE, run, moves)
            touched = {*groups, *(retired or {}), *self._left(tx, [m.item_id for m in moves], run)}
            touched |= self._emptied(tx)
            peopled = self._peopled(tx)
            stated = [
                staging.StatedCluster(
                    ClusterId(i), "whoever is best" if i in peopled else "", i not in known
                )
                for i in sorted(touched - {NO_CLUSTER})
            ]
            staging.stage_states(tx, lease, FIGURE, run, stated, now)
            lineage.retire(tx, lease, FIGURE, run, retirements, now)
            lineage.stage(tx, lease, FIGURE, run, events, 0, now=now)
        return run

    def _left(self, tx: Tx, item_ids: Sequence[str], run: int) -> set[str]:
        """Return the clusters that items leave with a run."""
        m = tables.membership.c
        return set(tx.scalars(select(m.cluster_id).where(m.item_id.in_(item_ids), m.to_run == run)))

    def _emptied(self, tx: Tx) -> set[str]:
        """Return the clusters whose last figures were deleted."""
        s = tables.cluster_state.c
        return set(tx.scalars(select(s.cluster_id).where(s.item_count <= 0)))

    def _peopled(self, tx: Tx) -> set[str]:
        """Return the clusters that have figures when all that is staged is visible."""
        m = tables.membership.c
        return set(tx.scalars(select(m.cluster_id).where(m.to_run == tables.FOREVER)))

    def publish(self, run: int, **end: Any) -> bool:
        """Publish a staged run; what ``end`` does not say is as if nothing had come meanwhile."""
        with self.database.write() as tx:
            facts: dict[str, Any] = {
                "watermark": 0,
                "edits_until": datasets.acknowledged(tx, self.dataset_id),
                "at": self.clock(),
            }
            run_end = staging.RunEnd(**(facts | end))
            return staging.publish(tx, self.lease, FIGURE, run, run_end, tell_task)

    def sweep(self) -> None:
        visible = self.visible_run()
        left = True
        while left:
            with self.database.write() as tx:
                left = staging.sweep(tx, self.lease, FIGURE, visible)
        with self.database.write() as tx:
            suspects = staging.leftovers(tx, self.dataset_id, FIGURE, visible)
            staging.sweep_clusters(tx, self.lease, FIGURE, visible, sorted(suspects))

    def run(
        self,
        groups: Mapping[str, Sequence[str]],
        *,
        retired: Mapping[str, str] | None = None,
        restored: Sequence[str] = (),
        events: Sequence[ClusterEvent] = (),
        **end: Any,
    ) -> int:
        """Stage, publish and sweep a run."""
        run = self.stage(groups, retired=retired, restored=restored, events=events)
        assert self.publish(run, **end)
        self.sweep()
        return run

    def visible_run(self) -> int:
        with self.database.read() as tx:
            return datasets.visible_run(tx, self.dataset_id, FIGURE)

    def people(self) -> dict[str, FigureCluster]:
        with self.database.read() as tx:
            found = clusters.page_figure_clusters(tx, self.dataset_id, ClusterQuery(), limit=100)
        return {cluster.cluster_id: cluster for cluster in found}

    def resolve(self, cluster_id: str) -> str | None:
        with self.database.read() as tx:
            return lineage.resolve(tx, self.dataset_id, ClusterId(cluster_id))

    def constraints(self) -> set[Constraint]:
        return set(constraints.load(self.database, self.dataset_id))

    def add_constraints(self, *added: Constraint) -> None:
        with self.database.write() as tx:
            constraints.change(tx, self.lease, added=added, removed=())

    def rows(self, table: Table) -> int:
        with self.database.read() as tx:
            return tx.scalar(select(func.count()).select_from(table)) or 0
