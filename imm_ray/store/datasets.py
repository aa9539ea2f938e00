"""Datasets: names are looked up, `DatasetId` is the identity."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, literal, select, update
from sqlalchemy import delete as sql_delete

from imm_ray.errors import LimitExceeded, ResourceAlreadyExists, ResourceNotFound, StatusConflict
from imm_ray.model import ClusterKind, Dataset, DatasetId, JsonObject, Quotas
from imm_ray.store import extent, projects, tables, tasks
from imm_ray.store.database import Tx
from imm_ray.store.query.function import Begins


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
    projects.lock(tx, dataset.account, dataset.project)
    if _find(tx, dataset.account, dataset.project, dataset.name) is not None:
        raise ResourceAlreadyExists.of("dataset")
    _require_room(tx, dataset.account, dataset.project)
    tx.execute(
        insert(tables.dataset).values(
            dataset_id=dataset.dataset_id,
            account=dataset.account,
            project=dataset.project,
            name=dataset.name,
            face_model=dataset.face_model,
            image_model=dataset.image_model,
            created_at=dataset.created_at,
            **_changeable(dataset),
        )
    )


def update_row(tx: Tx, dataset: Dataset) -> None:
    """Store all of a dataset that may change; it must have been read under `lock`."""
    d = tables.dataset
    mine = d.c.dataset_id == dataset.dataset_id
    tx.execute(update(d).where(mine).values(**_changeable(dataset)))


def lock(tx: Tx, dataset_id: DatasetId) -> None:
    """Keep others from changing the dataset, its bindings and its files until the end of ``tx``.

    Raises
    ------
    ResourceNotFound
        The dataset was deleted.
    """
    d = tables.dataset.c
    query = select(d.seq).where(d.dataset_id == dataset_id, d.purged_at.is_(None))
    if tx.scalar(query.with_for_update()) is None:
        raise ResourceNotFound.of("dataset")


def get(tx: Tx, account: str, project: str, name: str) -> Dataset:
    """Return a dataset by its names.

    Raises
    ------
    ResourceNotFound
        The project, or the dataset in it.
    """
    found = _find(tx, account, project, name)
    if found is None:
        projects.require(tx, account, project)
        raise ResourceNotFound.of("dataset")
    return found


def by_id(tx: Tx, dataset_id: DatasetId) -> Dataset | None:
    """Return a dataset by its identity, or None when it was deleted."""
    row = tx.execute(_query().where(tables.dataset.c.dataset_id == dataset_id)).mappings().first()
    return None if row is None else _dataset(row)


def all_ids(tx: Tx) -> list[DatasetId]:
    """Return the identities of all datasets that there are, of all accounts."""
    d = tables.dataset.c
    query = select(d.dataset_id).where(d.purged_at.is_(None)).order_by(d.dataset_id)
    return [DatasetId(dataset_id) for dataset_id in tx.scalars(query)]


@dataclass(frozen=True, slots=True)
class Terms:
    """What clients have said of how a dataset is processed."""

    template_id: str
    """The dataset's own, or its project's, or ''."""
    configs: tuple[JsonObject, JsonObject]
    """``DatasetConfig`` of the dataset and of its project."""


def terms(tx: Tx, dataset_id: DatasetId) -> Terms | None:
    """Return what is said of a dataset, or None when it was deleted."""
    d, p = tables.dataset.c, tables.project.c
    query = (
        select(d.template_id, d.config, p.template_id, p.config)
        .join(tables.project, (p.account == d.account) & (p.name == d.project))
        .where(d.dataset_id == dataset_id, d.purged_at.is_(None))
    )
    row = tx.execute(query).first()
    return None if row is None else Terms(row[0] or row[2], (row[1], row[3]))


def page(
    tx: Tx, account: str, project: str, *, limit: int, after: str = "", prefix: str = ""
) -> list[Dataset]:
    """Return at most ``limit`` datasets in the order of their names, the first after ``after``."""
    projects.require(tx, account, project)
    d = tables.dataset.c
    query = _query().where(d.account == account, d.project == project)
    if after:  # before the prefix, which begins no later
        query = query.where(d.name > after)
    if prefix:
        query = query.where(Begins(d.name, literal(prefix)))
    rows = tx.execute(query.order_by(d.name).limit(limit)).mappings()
    return [_dataset(row) for row in rows]


def require_empty(tx: Tx, account: str, project: str, name: str) -> Dataset:
    """Return a dataset that has neither files nor bindings, with its row held.

    Raises
    ------
    ResourceNotFound
    StatusConflict
        It has some.
    """
    lock(tx, get(tx, account, project, name).dataset_id)
    dataset = get(tx, account, project, name)
    if dataset.file_count or dataset.bind_count:
        raise StatusConflict("cannot delete when sub resoures exist")  # IMM's own spelling
    return dataset


def delete(tx: Tx, dataset_id: DatasetId, now: datetime, notices: tasks.Notices) -> None:
    """Delete an empty dataset, with its clusters, their history, and all edits.

    Its tasks stay readable until they expire; one that still runs ends Failed.
    """
    gone = ResourceNotFound.of("dataset")
    while (task := tasks.oldest_running(tx, dataset_id)) is not None:
        tasks.fail(tx, task, gone.code, gone.message, now, notices)
    for table in (*extent.of_datasets(), tables.dataset):
        tx.execute(sql_delete(table).where(table.c.dataset_id == dataset_id))


def next_seq(tx: Tx, dataset_id: DatasetId, count: int = 1) -> int:
    """Raise the dataset's change number by ``count`` and return it: the last number of so many.

    Raises
    ------
    ResourceNotFound
        The dataset was deleted.
    """
    d = tables.dataset
    tx.execute(update(d).where(d.c.dataset_id == dataset_id).values(seq=d.c.seq + count))
    seq = tx.scalar(select(d.c.seq).where(d.c.dataset_id == dataset_id))
    if seq is None:
        raise ResourceNotFound.of("dataset")
    return int(seq)


def acknowledged(tx: Tx, dataset_id: DatasetId) -> int:
    """Return the change number of what was acknowledged last; 0 when there was nothing."""
    d = tables.dataset.c
    return int(tx.scalar(select(d.seq).where(d.dataset_id == dataset_id)) or 0)


def file_count(tx: Tx, dataset_id: DatasetId) -> int:
    """Return how many files a dataset has."""
    d = tables.dataset.c
    return int(tx.scalar(select(d.file_count).where(d.dataset_id == dataset_id)) or 0)


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


def reconsider(tx: Tx, dataset_id: DatasetId) -> None:
    """Have the next run look at every group again: the rule for founding them has changed."""
    disturb(tx, dataset_id, next_seq(tx, dataset_id))


def reconsider_all(tx: Tx, account: str, project: str) -> None:
    """Do as `reconsider` for the datasets of a project that have no ``MinEntityCount``."""
    d = tables.dataset
    own = d.c.config["SmartCluster", "Figure", "MinEntityCount"].as_integer()
    tx.execute(
        update(d)
        .where(d.c.account == account, d.c.project == project, own.is_(None))
        .values(seq=d.c.seq + 1, disturbed_seq=d.c.seq + 1)
    )


def _find(tx: Tx, account: str, project: str, name: str) -> Dataset | None:
    d = tables.dataset.c
    query = _query().where(d.account == account, d.project == project, d.name == name)
    row = tx.execute(query).mappings().first()
    return None if row is None else _dataset(row)


def _require_room(tx: Tx, account: str, project: str) -> None:
    d, p = tables.dataset.c, tables.project.c
    this = (p.account == account, p.name == project)
    most = int(tx.scalar(select(p.max_dataset_count).where(*this)) or 0)
    mine = (d.account == account, d.project == project, d.purged_at.is_(None))
    if (tx.scalar(select(func.count()).select_from(tables.dataset).where(*mine)) or 0) >= most:
        raise LimitExceeded(f"The project may have {most} datasets.")


def _query() -> Select[Any]:
    b, d = tables.binding, tables.dataset
    bound = select(func.count()).select_from(b).where(b.c.dataset_id == d.c.dataset_id)
    query = select(d, bound.correlate(d).scalar_subquery().label("bind_count"))
    return query.where(d.c.purged_at.is_(None))


def _changeable(dataset: Dataset) -> dict[str, Any]:
    return {
        "template_id": dataset.template_id,
        "description": dataset.description,
        "quotas": asdict(dataset.quotas),
        "workflow_parameters": list(dataset.workflow_parameters),
        "config": dict(dataset.config),
        "updated_at": dataset.updated_at,
    }


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
        config=row["config"],
        face_model=row["face_model"],
        image_model=row["image_model"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        bind_count=row["bind_count"],
        file_count=row["file_count"],
        total_file_size=row["total_file_size"],
        rebuild_left=row["rebuild_left"],
        rebuild_total=row["rebuild_total"],
    )
