"""I6: one owner at a time writes results, under an epoch that only rises.

Each owner discards what another has staged before it stages a run of its own, the one after the
visible run. What a fenced owner writes afterwards therefore stands further on, or twice.
"""

from functools import partial
from typing import Any

from sqlalchemy import Integer, Select, cast, func, or_, select

from imm_ray.store import tables
from imm_ray.store.fsck.rule import Rule, is_visible, of_dataset, visible_run

_KIND = ("dataset_id", "kind")


def _staged_beyond(table: Any, run: Any) -> Select[Any]:
    visible = visible_run(table.c.kind)
    key = (table.c.dataset_id, table.c.kind)
    query = select(*key, func.max(run).label("staged"), func.count().label("rows"))
    query = query.join_from(table, tables.dataset, of_dataset(table)).where(run > visible + 1)
    return query.group_by(*key)


def _closed_beyond(table: Any) -> Select[Any]:
    visible = visible_run(table.c.kind)
    key = (table.c.dataset_id, table.c.kind)
    query = select(*key, func.max(table.c.to_run).label("staged"), func.count().label("rows"))
    query = query.join_from(table, tables.dataset, of_dataset(table))
    closed = (table.c.to_run > visible + 1, table.c.to_run < tables.FOREVER, is_visible(table))
    return query.where(*closed).group_by(*key)


def _impossible_ownership() -> Select[Any]:
    o, m = tables.ownership.c, tables.meta.c
    generation = select(cast(m.value, Integer)).where(m.key == "generation").scalar_subquery()
    query = select(o.dataset_id, o.epoch, o.generation, generation.label("given"))
    return query.where(or_(o.epoch < 0, o.generation < 0, o.generation > generation))


def _owned_without_dataset() -> Select[Any]:
    o, d = tables.ownership.c, tables.dataset.c
    query = select(o.dataset_id, o.epoch)
    query = query.outerjoin_from(tables.ownership, tables.dataset, d.dataset_id == o.dataset_id)
    return query.where(or_(d.dataset_id.is_(None), d.purged_at.is_not(None)))


_STAGED = (
    (tables.membership, tables.membership.c.from_run),
    (tables.cluster_state, tables.cluster_state.c.from_run),
    (tables.retired_cluster, tables.retired_cluster.c.run),
    (tables.cluster_event, tables.cluster_event.c.run),
)

RULES = (
    *(
        Rule(
            invariant="I6",
            table=table,
            key=_KIND,
            query=partial(_staged_beyond, table, run),
            what="{rows} rows are staged up to run {staged}, beyond the run after the visible one",
        )
        for table, run in _STAGED
    ),
    *(
        Rule(
            invariant="I6",
            table=table,
            key=_KIND,
            query=partial(_closed_beyond, table),
            what="{rows} rows end with run {staged}, beyond the run after the visible one",
        )
        for table in (tables.membership, tables.cluster_state)
    ),
    Rule(
        invariant="I6",
        table=tables.ownership,
        key=("dataset_id",),
        query=_impossible_ownership,
        what="epoch {epoch} of generation {generation}, but {given} generations have been given",
    ),
    Rule(
        invariant="I6",
        table=tables.ownership,
        key=("dataset_id",),
        query=_owned_without_dataset,
        what="the dataset has an owner (epoch {epoch}), and does not exist",
    ),
)
