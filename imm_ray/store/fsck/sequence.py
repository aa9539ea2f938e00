"""I3: each acknowledged change has one change number of its own, and none is ahead of the count."""

from functools import partial
from typing import Any

from sqlalchemy import Column, CompoundSelect, Select, Table, func, select, union_all

from imm_ray.store import tables
from imm_ray.store.fsck.rule import Rule, of_dataset

_GIVEN: tuple[tuple[Table, Column[Any], tuple[str, ...]], ...] = (
    (tables.file, tables.file.c.seq, ("dataset_id", "file_id")),
    (tables.file, tables.file.c.vector_seq, ("dataset_id", "file_id")),
    (tables.figure, tables.figure.c.seq, ("dataset_id", "figure_id")),
    (tables.edit, tables.edit.c.seq, ("dataset_id", "edit_id")),
    (tables.task, tables.task.c.watermark, ("dataset_id", "task_id")),
    (tables.tombstone, tables.tombstone.c.seq, ("dataset_id", "file_id")),
)
"""Where numbers of acknowledged changes stand."""

_MARKS = ("figure_watermark", "similar_watermark", "mended_seq", "disturbed_seq", "stopped_seq")


def _ahead(table: Table, column: Column[Any], key: tuple[str, ...]) -> Select[Any]:
    d = tables.dataset
    columns = [table.c[name] for name in key]
    query = select(*columns, column.label("given"), d.c.seq.label("last"))
    return query.join_from(table, d, of_dataset(table)).where(column > d.c.seq)


def _mark_ahead(name: str) -> Select[Any]:
    d = tables.dataset.c
    query = select(d.dataset_id, tables.dataset.c[name].label("given"), d.seq.label("last"))
    return query.where(tables.dataset.c[name] > d.seq)


def _changes() -> CompoundSelect[Any]:
    """Return the query of every change that is still to be seen: its dataset and its number.

    What one request has changed is one change: all files of it, all that it has deleted.
    """
    f, x, e, t = tables.file.c, tables.tombstone.c, tables.edit.c, tables.task.c
    return union_all(
        select(f.dataset_id, f.seq).distinct(),
        select(x.dataset_id, x.seq).distinct(),
        select(e.dataset_id, e.seq),
        select(t.dataset_id, t.watermark.label("seq")),
    )


def _given_twice() -> Select[Any]:
    c = _changes().subquery().c
    query = select(c.dataset_id, c.seq, func.count().label("changes"))
    return query.group_by(c.dataset_id, c.seq).having(func.count() > 1)


RULES = (
    *(
        Rule(
            invariant="I3",
            table=table,
            key=key,
            query=partial(_ahead, table, column, key),
            what=f"{column.name} is {{given}}, but the last change of the dataset was {{last}}",
        )
        for table, column, key in _GIVEN
    ),
    *(
        Rule(
            invariant="I3",
            table=tables.dataset,
            key=("dataset_id",),
            query=partial(_mark_ahead, name),
            what=f"{name} is {{given}}, but the last change of the dataset was {{last}}",
        )
        for name in _MARKS
    ),
    Rule(
        invariant="I3",
        table=tables.dataset,
        key=("dataset_id", "seq"),
        query=_given_twice,
        what="the change number was given to {changes} changes",
    ),
)
