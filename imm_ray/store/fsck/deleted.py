"""I9: what was deleted stays deleted: no vector, no place, no label, no row of it is left."""

from functools import partial
from typing import Any

from sqlalchemy import Column, Select, Table, and_, func, select

from imm_ray.model import ConstraintKind
from imm_ray.store import extent, tables
from imm_ray.store.fsck.rule import Rule


def _of_no_dataset(table: Table) -> Select[Any]:
    d = tables.dataset.c
    query = select(table.c.dataset_id, func.count().label("rows"))
    query = query.outerjoin_from(table, tables.dataset, d.dataset_id == table.c.dataset_id)
    return query.where(d.dataset_id.is_(None)).group_by(table.c.dataset_id)


def _orphans(child: Column[Any], parent: Column[Any]) -> Select[Any]:
    query = select(child.label("of"), func.count().label("rows"))
    query = query.outerjoin_from(child.table, parent.table, parent == child)
    return query.where(parent.is_(None)).group_by(child)


def _risen() -> Select[Any]:
    x, f = tables.tombstone.c, tables.file.c
    query = select(x.dataset_id, x.file_id, x.seq)
    return query.join_from(tables.tombstone, tables.file, f.file_id == x.file_id)


def _bans_of_nobody() -> Select[Any]:
    c, g = tables.figure_constraint.c, tables.figure.c
    query = select(c.dataset_id, c.item_id, c.cluster_id).outerjoin_from(
        tables.figure_constraint, tables.figure, g.figure_id == c.item_id
    )
    return query.where(c.kind == ConstraintKind.BAN, g.figure_id.is_(None))


def _half_purged() -> Select[Any]:
    d = tables.dataset.c
    return select(d.dataset_id).where(d.purged_at.is_not(None))


def _name_of_a_purged_one() -> Select[Any]:
    d = tables.dataset.c
    nameless = func.substr(d.name, 1, 1) == "~"
    return select(d.dataset_id).where(
        and_(d.purged_at.is_not(None), ~nameless) | and_(d.purged_at.is_(None), nameless)
    )


_CHILDREN = (
    (tables.figure.c.file_id, tables.file.c.file_id),
    (tables.membership.c.file_id, tables.file.c.file_id),
    (tables.file_label.c.file_id, tables.file.c.file_id),
    (tables.cluster_state.c.cluster_id, tables.cluster.c.cluster_id),
)

RULES = (
    *(
        Rule(
            invariant="I9",
            table=table,
            key=("dataset_id",),
            query=partial(_of_no_dataset, table),
            what="{rows} rows of a dataset that does not exist",
        )
        for table in extent.of_datasets()
        if table is not tables.ownership
    ),
    *(
        Rule(
            invariant="I9",
            table=child.table,
            key=("of",),
            query=partial(_orphans, child, parent),
            what=f"{{rows}} rows of a {parent.table.name} that does not exist",
        )
        for child, parent in _CHILDREN
    ),
    Rule(
        invariant="I9",
        table=tables.tombstone,
        key=("dataset_id", "file_id"),
        query=_risen,
        what="the file was deleted by change {seq}, yet it is there",
    ),
    Rule(
        invariant="I9",
        table=tables.figure_constraint,
        key=("dataset_id", "item_id", "cluster_id"),
        query=_bans_of_nobody,
        what="the figure does not exist, yet it is kept out of a cluster",
    ),
    Rule(
        invariant="I9",
        table=tables.dataset,
        key=("dataset_id",),
        query=_name_of_a_purged_one,
        what="the name of the dataset says otherwise than its mark whether it was purged",
    ),
    Rule(
        invariant="I9",
        table=tables.dataset,
        key=("dataset_id",),
        query=_half_purged,
        what="rows of a purged dataset are left, though nothing is left to do",
        quiescent=True,
    ),
)
