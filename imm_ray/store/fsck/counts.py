"""I8 as far as rows tell: counts and covers are what a recount of the places gives.

That the places themselves are what a clustering from scratch gives is looked at by
`imm_ray.dataset.recount`.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from imm_ray.store import tables
from imm_ray.store.fsck.rule import Rule, is_visible, of_dataset

_CLUSTER = ("dataset_id", "kind", "cluster_id")


def _counted() -> Any:
    m = tables.membership
    cluster = (m.c.dataset_id, m.c.kind, m.c.cluster_id)
    query = select(
        *cluster,
        func.count().label("items"),
        func.count(m.c.file_id.distinct()).label("images"),
    ).join_from(m, tables.dataset, of_dataset(m))
    return query.where(is_visible(m)).group_by(*cluster).subquery()


def _miscounted() -> Select[Any]:
    s, counted = tables.cluster_state, _counted()
    same = and_(
        counted.c.dataset_id == s.c.dataset_id,
        counted.c.kind == s.c.kind,
        counted.c.cluster_id == s.c.cluster_id,
    )
    items, images = (func.coalesce(counted.c[name], 0) for name in ("items", "images"))
    return (
        select(
            *(s.c[name] for name in _CLUSTER),
            *(s.c.item_count, s.c.image_count, items.label("items"), images.label("images")),
        )
        .join_from(s, tables.dataset, of_dataset(s))
        .outerjoin(counted, same)
        .where(is_visible(s), or_(s.c.item_count != items, s.c.image_count != images))
    )


def _wrong_cover() -> Select[Any]:
    s, m = tables.cluster_state, tables.membership
    member = and_(
        m.c.dataset_id == s.c.dataset_id,
        m.c.kind == s.c.kind,
        m.c.item_id == s.c.cover_item,
        m.c.cluster_id == s.c.cluster_id,
        is_visible(m),
    )
    due = or_(s.c.cover_item != "", s.c.item_count > 0)
    return (
        select(*(s.c[name] for name in _CLUSTER), s.c.cover_item)
        .join_from(s, tables.dataset, of_dataset(s))
        .outerjoin(m, member)
        .where(is_visible(s), due, m.c.item_id.is_(None))
    )


def _of_files(stored: Any, counted: ColumnElement[Any]) -> Select[Any]:
    d, f = tables.dataset.c, tables.file.c
    files = select(f.dataset_id, counted.label("found")).group_by(f.dataset_id).subquery()
    found = func.coalesce(files.c.found, 0)
    query = select(d.dataset_id, stored.label("stored"), found.label("found"))
    query = query.outerjoin_from(tables.dataset, files, files.c.dataset_id == d.dataset_id)
    return query.where(d.purged_at.is_(None), stored != found)


RULES = (
    Rule(
        invariant="I8",
        table=tables.cluster_state,
        key=_CLUSTER,
        query=_miscounted,
        what=(
            "the state counts {item_count} items in {image_count} files, there are {items} in "
            "{images}"
        ),
    ),
    Rule(
        invariant="I8",
        table=tables.cluster_state,
        key=_CLUSTER,
        query=_wrong_cover,
        what="the cover {cover_item!r} is no member",
    ),
    Rule(
        invariant="I8",
        table=tables.dataset,
        key=("dataset_id",),
        query=lambda: _of_files(tables.dataset.c.file_count, func.count()),
        what="the dataset counts {stored} files, there are {found}",
    ),
    Rule(
        invariant="I8",
        table=tables.dataset,
        key=("dataset_id",),
        query=lambda: _of_files(tables.dataset.c.total_file_size, func.sum(tables.file.c.size)),
        what="the dataset counts {stored} bytes of files, there are {found}",
    ),
)
