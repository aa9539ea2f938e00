"""Datasets: names are looked up, `DatasetId` is the identity."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy import delete as sql_delete

from imm_ray.errors import LimitExceeded, ResourceAlreadyExists, ResourceNotFound, StatusConflict
from imm_ray.model import ClusterKind, Dataset, DatasetId, Quotas
from imm_ray.store import projects, tables, tasks
from imm_ray.store.database import Tx


def create(tx: Tx, dataset: Dataset) -> None:
    """Store a new dataset.

    Raises
    ------
    ResourceNotFound
        Its project does not exist.
    ResourceAlreadyExists
        The project has a dataset of that name.
    LimitExceeded
        The project is full.
    """
    project = projects.get(tx, dataset.account, dataset.project)
    if _find(tx, dataset.account, dataset.project, dataset.name) is not None:
        raise ResourceAlreadyExists.of("dataset")
    if project.dataset_count >= project.max_dataset_count:
        raise LimitExceeded(f"The project may have {project.max_dataset_count} datasets.")
    tx.execute(
        insert(tables.dataset).values(
            dataset_id=dataset.dataset_id,
            account=dataset.account,
            project=dataset.project,
            name=dataset.name,
            template_id=dataset.template_id,
            description=dataset.description,
            quotas=asdict(dataset.quotas),
            workflow_parameters=list(dataset.workflow_parameters),
            face_model=dataset.face_model,
            image_model=dataset.image_model,
            created_at=dataset.created_at,
            updated_at=dataset.updated_at,
        )
    )


def get(tx: Tx, account: str, project: str, name: str) -> Dataset:
    """Return a dataset by its names.

    Raises
    ------
    ResourceNotFound
        The project, or the dataset in it.
    """
    found = _find(tx, account, project, name)
    if found is None:
        projects.get(tx, account, project)
        raise ResourceNotFound.of("dataset")
    return found


def by_id(tx: Tx, dataset_id: DatasetId) -> Dataset | None:
    """Return a dataset by its identity, or None when it was deleted."""
    row = tx.execute(_query().where(tables.dataset.c.dataset_id == dataset_id)).mappings().first()
    return None if row is None else _dataset(row)


def page(
    tx: Tx, account: str, project: str, *, limit: int, after: str = "", prefix: str = ""
) -> list[Dataset]:
    """Return at most ``limit`` datasets in the order of their names, the first after ``after``."""
    projects.get(tx, account, project)
    d = tables.dataset.c
    query = _query().where(d.account == account, d.project == project, d.name > after)
    if prefix:
        query = query.where(func.substr(d.name, 1, len(prefix)) == prefix)
    rows = tx.execute(query.order_by(d.name).limit(limit)).mappings()
    return [_dataset(row) for row in rows]


def delete(
    tx: Tx, account: str, project: str, name: str, now: datetime, notices: tasks.Notices
) -> None:
    """Delete a dataset without files, with its clusters, their history, and all edits.

    Its tasks stay readable until they expire; one that still runs ends Failed.

    Raises
    ------
    ResourceNotFound
    StatusConflict
        It still has files.
    """
    dataset = get(tx, account, project, name)
    if dataset.file_count:
        raise StatusConflict("cannot delete when sub resoures exist")  # IMM's own spelling
    gone = ResourceNotFound.of("dataset")
    while (task := tasks.oldest_running(tx, dataset.dataset_id)) is not None:
        tasks.fail(tx, task, gone.code, gone.message, now, notices)
    for table in (
        tables.membership,
        tables.cluster_state,
        tables.cluster,
        tables.tombstone,
        tables.figure_constraint,
        tables.retired_cluster,
        tables.cluster_event,
        tables.edit,
        tables.ownership,
        tables.dataset,
    ):
        tx.execute(sql_delete(table).where(table.c.dataset_id == dataset.dataset_id))


def next_seq(tx: Tx, dataset_id: DatasetId) -> int:
    """Raise the dataset's change number by one and return it.

    Raises
    ------
    ResourceNotFound
        The dataset was deleted.
    """
    d = tables.dataset
    tx.execute(update(d).where(d.c.dataset_id == dataset_id).values(seq=d.c.seq + 1))
    seq = tx.scalar(select(d.c.seq).where(d.c.dataset_id == dataset_id))
    if seq is None:
        raise ResourceNotFound.of("dataset")
    return int(seq)


def acknowledged(tx: Tx, dataset_id: DatasetId) -> int:
    """Return the change number of what was acknowledged last; 0 when there was nothing."""
    d = tables.dataset.c
    return int(tx.scalar(select(d.seq).where(d.dataset_id == dataset_id)) or 0)


def visible_run(tx: Tx, dataset_id: DatasetId, kind: ClusterKind) -> int:
    """Return the number of the dataset's visible run; 0 before the first."""
    d = tables.dataset.c
    column = d.figure_run if kind is ClusterKind.FIGURE else d.similar_run
    return int(tx.scalar(select(column).where(d.dataset_id == dataset_id)) or 0)


def disturb(tx: Tx, dataset_id: DatasetId, seq: int) -> None:
    """Record that the change ``seq`` took items away: the next runs must look at what they left."""
    d = tables.dataset
    tx.execute(
        update(d)
        .where(d.c.dataset_id == dataset_id, d.c.disturbed_seq < seq)
        .values(disturbed_seq=seq)
    )


def _find(tx: Tx, account: str, project: str, name: str) -> Dataset | None:
    d = tables.dataset.c
    query = _query().where(d.account == account, d.project == project, d.name == name)
    row = tx.execute(query).mappings().first()
    return None if row is None else _dataset(row)


def _query() -> Select[Any]:
    return select(tables.dataset)


def _dataset(row: Any) -> Dataset:
    return Dataset(
        dataset_id=DatasetId(row["dataset_id"]),
        account=row["account"],
        project=row["project"],
        name=row["name"],
        template_id=row["template_id"],
        description=row["description"],
        quotas=Quotas(**row["quotas"]),
        workflow_parameters=row["workflow_parameters"],
        face_model=row["face_model"],
        image_model=row["image_model"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        file_count=row["file_count"],
        total_file_size=row["total_file_size"],
    )
