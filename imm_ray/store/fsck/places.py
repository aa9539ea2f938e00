"""I2: an item is in one cluster at most, and that cluster is there."""

from typing import Any

from sqlalchemy import Select, and_, func, select

from imm_ray.store import tables
from imm_ray.store.fsck.rule import Rule, is_visible, of_dataset

_ITEM = ("dataset_id", "kind", "item_id")
_CLUSTER = ("dataset_id", "kind", "cluster_id")


def _in_two_places() -> Select[Any]:
    m = tables.membership
    item = (m.c.dataset_id, m.c.kind, m.c.item_id)
    query = select(*item, func.count().label("places")).join_from(m, tables.dataset, of_dataset(m))
    return query.where(is_visible(m)).group_by(*item).having(func.count() > 1)


def _in_a_cluster_without_state() -> Select[Any]:
    m, s = tables.membership, tables.cluster_state
    same = and_(
        s.c.dataset_id == m.c.dataset_id,
        s.c.kind == m.c.kind,
        s.c.cluster_id == m.c.cluster_id,
        is_visible(s),
    )
    return (
        select(m.c.dataset_id, m.c.kind, m.c.item_id, m.c.cluster_id)
        .join_from(m, tables.dataset, of_dataset(m))
        .outerjoin(s, same)
        .where(is_visible(m), s.c.cluster_id.is_(None))
    )


def _stated_twice() -> Select[Any]:
    s = tables.cluster_state
    one = (s.c.dataset_id, s.c.kind, s.c.cluster_id)
    query = select(*one, func.count().label("states")).join_from(s, tables.dataset, of_dataset(s))
    return query.where(is_visible(s)).group_by(*one).having(func.count() > 1)


def _never_true(table: Any, *key: str) -> Select[Any]:
    columns = [table.c[name] for name in key]
    return select(*columns, table.c.from_run, table.c.to_run).where(
        table.c.from_run >= table.c.to_run
    )


def _without_item(figures: bool) -> Select[Any]:
    m, g, f = tables.membership, tables.figure, tables.file
    item = g.c.figure_id if figures else f.c.file_id
    kind = "figure" if figures else "similar"
    return (
        select(m.c.dataset_id, m.c.kind, m.c.item_id)
        .outerjoin_from(m, item.table, item == m.c.item_id)
        .where(m.c.kind == kind, item.is_(None))
    )


def _with_another_file() -> Select[Any]:
    m, g = tables.membership, tables.figure
    figure = and_(g.c.figure_id == m.c.item_id, m.c.kind == "figure")
    return (
        select(m.c.dataset_id, m.c.kind, m.c.item_id, m.c.file_id)
        .join_from(m, g, figure)
        .where(g.c.file_id != m.c.file_id)
    )


RULES = (
    Rule(
        invariant="I2",
        table=tables.membership,
        key=_ITEM,
        query=_in_two_places,
        what="the item is in {places} clusters at once",
    ),
    Rule(
        invariant="I2",
        table=tables.membership,
        key=_ITEM,
        query=_in_a_cluster_without_state,
        what="the item is in the cluster {cluster_id}, of which there is no visible state",
    ),
    Rule(
        invariant="I2",
        table=tables.cluster_state,
        key=_CLUSTER,
        query=_stated_twice,
        what="the cluster has {states} visible states",
    ),
    Rule(
        invariant="I2",
        table=tables.membership,
        key=_ITEM,
        query=lambda: _never_true(tables.membership, *_ITEM),
        what="the place holds from run {from_run} to run {to_run}, which is never",
    ),
    Rule(
        invariant="I2",
        table=tables.cluster_state,
        key=_CLUSTER,
        query=lambda: _never_true(tables.cluster_state, *_CLUSTER),
        what="the state holds from run {from_run} to run {to_run}, which is never",
    ),
    Rule(
        invariant="I2",
        table=tables.membership,
        key=_ITEM,
        query=_with_another_file,
        what="the place says that the figure is in the file {file_id}, which it is not",
    ),
    Rule(
        invariant="I9",
        table=tables.membership,
        key=_ITEM,
        query=lambda: _without_item(figures=True),
        what="the figure does not exist, yet it is in a cluster",
    ),
    Rule(
        invariant="I9",
        table=tables.membership,
        key=_ITEM,
        query=lambda: _without_item(figures=False),
        what="the file does not exist, yet it is in a cluster",
    ),
)
