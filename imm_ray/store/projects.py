"""Projects."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from imm_ray.errors import LimitExceeded, ResourceAlreadyExists, ResourceNotFound, StatusConflict
from imm_ray.model import Project, Quotas
from imm_ray.store import tables, turn
from imm_ray.store.database import Tx
from imm_ray.store.query.function import Begins

MAX_PROJECTS = 100
"""Per account, IMM's default quota."""


def create(tx: Tx, project: Project) -> None:
    """Store a new project.

    Raises
    ------
    ResourceAlreadyExists
        The account has a project of that name.
    LimitExceeded
        The account has `MAX_PROJECTS` projects.
    """
    turn.of_thing(tx, f"projects of {project.account}")
    mine = tables.project.c.account == project.account
    if tx.scalar(select(tables.project.c.name).where(mine, tables.project.c.name == project.name)):
        raise ResourceAlreadyExists.of("project")
    if (
        tx.scalar(select(func.count()).select_from(tables.project).where(mine)) or 0
    ) >= MAX_PROJECTS:
        raise LimitExceeded(f"An account may have {MAX_PROJECTS} projects.")
    row = insert(tables.project).values(
        account=project.account,
        name=project.name,
        created_at=project.created_at,
        **_changeable(project),
    )
    try:
        with tx.begin_nested():
            tx.execute(row)
    except IntegrityError as error:  # another transaction was faster
        raise ResourceAlreadyExists.of("project") from error


def update_row(tx: Tx, project: Project) -> None:
    """Store all of a project that may change; it must have been read under `lock`."""
    p = tables.project
    mine = (p.c.account == project.account, p.c.name == project.name)
    tx.execute(update(p).where(*mine).values(**_changeable(project)))


def lock(tx: Tx, account: str, name: str) -> None:
    """Keep others from changing the project, and its set of datasets, until the end of ``tx``.

    Raises
    ------
    ResourceNotFound
    """
    p = tables.project.c
    query = select(p.name).where(p.account == account, p.name == name).with_for_update()
    if tx.scalar(query) is None:
        raise ResourceNotFound.of("project")


def require(tx: Tx, account: str, name: str) -> None:
    """Return when the account has a project of that name; what it holds is not looked at.

    Raises
    ------
    ResourceNotFound
    """
    p = tables.project.c
    if tx.scalar(select(p.name).where(p.account == account, p.name == name)) is None:
        raise ResourceNotFound.of("project")


def quotas(tx: Tx, account: str, name: str) -> Quotas:
    """Return the quotas of a project's datasets that say nothing of their own.

    Raises
    ------
    ResourceNotFound
    """
    p = tables.project.c
    said = tx.scalar(select(p.quotas).where(p.account == account, p.name == name))
    if said is None:
        raise ResourceNotFound.of("project")
    return Quotas(**said)


def get(tx: Tx, account: str, name: str) -> Project:
    """Return the project with the counts of its datasets.

    Raises
    ------
    ResourceNotFound
    """
    found = page(tx, account, name=name, limit=1)
    if not found:
        raise ResourceNotFound.of("project")
    return found[0]


def page(
    tx: Tx,
    account: str,
    *,
    limit: int,
    after: str = "",
    prefix: str = "",
    name: str = "",
    tags: Mapping[str, str] | None = None,
) -> list[Project]:
    """Return at most ``limit`` projects in the order of their names, the first after ``after``."""
    p, d = tables.project, tables.dataset
    sums_query = (
        select(
            d.c.project,
            func.count().label("dataset_count"),
            func.sum(d.c.file_count).label("file_count"),
            func.sum(d.c.total_file_size).label("total_file_size"),
        )
        .where(d.c.account == account, d.c.purged_at.is_(None))
        .group_by(d.c.project)
    )
    if name:
        sums_query = sums_query.where(d.c.project == name)
    sums = sums_query.subquery()
    query = (
        select(p, sums.c.dataset_count, sums.c.file_count, sums.c.total_file_size)
        .outerjoin(sums, sums.c.project == p.c.name)
        .where(p.c.account == account)
        .order_by(p.c.name)
        .limit(limit)
    )
    if name:
        query = query.where(p.c.name == name)
    if after:  # before the prefix, which begins no later
        query = query.where(p.c.name > after)
    if prefix:
        query = query.where(Begins(p.c.name, literal(prefix)))
    for key, value in (tags or {}).items():
        query = query.where(p.c.tags[key].as_string() == value)
    return [_project(row) for row in tx.execute(query).mappings()]


def delete(tx: Tx, account: str, name: str) -> None:
    """Delete an empty project.

    Raises
    ------
    ResourceNotFound
    StatusConflict
        It still has datasets, or one that was purged has rows left.
    """
    lock(tx, account, name)
    p, d = tables.project, tables.dataset.c
    if tx.scalar(select(d.name).where(d.account == account, d.project == name).limit(1)):
        raise StatusConflict("cannot delete when sub resoures exist")  # IMM's own spelling
    tx.execute(sql_delete(p).where(p.c.account == account, p.c.name == name))


def _changeable(project: Project) -> dict[str, Any]:
    return {
        "service_role": project.service_role,
        "template_id": project.template_id,
        "description": project.description,
        "tags": dict(project.tags),
        "quotas": asdict(project.quotas),
        "max_dataset_count": project.max_dataset_count,
        "config": dict(project.config),
        "updated_at": project.updated_at,
    }


def _project(row: Any) -> Project:
    return Project(
        account=row["account"],
        name=row["name"],
        service_role=row["service_role"],
        template_id=row["template_id"],
        description=row["description"],
        tags=row["tags"],
        quotas=Quotas(**row["quotas"]),
        max_dataset_count=row["max_dataset_count"],
        config=row["config"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        dataset_count=row["dataset_count"] or 0,
        file_count=int(row["file_count"] or 0),
        total_file_size=int(row["total_file_size"] or 0),
    )
