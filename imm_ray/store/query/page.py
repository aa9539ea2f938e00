"""Running a query: a page of files, their number, aggregations over them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    false,
    func,
    or_,
    select,
    true,
    type_coerce,
)

from imm_ray.model import ClusterKind, Dataset, File, FileId
from imm_ray.store import datasets, files, lineage, tables
from imm_ray.store.columns import unindexed
from imm_ray.store.database import Tx
from imm_ray.store.query.compiler import clusters_in, compile_condition, is_narrow
from imm_ray.store.query.expression import F, Scope, Sql, label_of, rows_of, value_of
from imm_ray.store.query.field import FIELDS, Field, FieldType
from imm_ray.store.query.function import Rare, fold
from imm_ray.store.query.tree import Condition, SortKey

SortValue: TypeAlias = str | int | float | datetime | None

BY_URI = (SortKey(FIELDS["URI"], False),)


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a page, and where it stands in the order."""

    file: File
    position: tuple[SortValue, ...]


class Aggregate(StrEnum):
    """What is computed over the values of a member."""

    MIN = "min"
    MAX = "max"
    AVERAGE = "average"
    SUM = "sum"
    COUNT = "count"
    """Files that have the member."""
    DISTINCT = "distinct"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class GroupCount:
    """One value and how many files have it."""

    value: SortValue
    count: int


@dataclass(frozen=True, slots=True)
class _Key:
    value: Sql
    descending: bool
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class _Range:
    """Files that come one after another, in an order that has no NULLs where an index gives it."""

    condition: ColumnElement[bool]
    keys: Sequence[_Key]
    after: Sequence[SortValue] | None


def scope_of(tx: Tx, dataset: Dataset, condition: Condition) -> Scope:
    """Return what all that is asked of ``condition`` in one transaction has in common."""
    d = tables.dataset.c
    watermark = select(d.figure_watermark).where(d.dataset_id == dataset.dataset_id)
    heirs = lineage.resolve_all(tx, dataset.dataset_id, clusters_in(condition))
    return Scope(
        dataset=dataset,
        figure_run=datasets.visible_run(tx, dataset.dataset_id, ClusterKind.FIGURE),
        figure_watermark=int(tx.scalar(watermark) or 0),
        heirs={str(named): to for named, to in heirs.items()},
    )


def page(
    tx: Tx,
    dataset: Dataset,
    condition: Condition,
    *,
    sort: Sequence[SortKey] = BY_URI,
    limit: int,
    after: Sequence[SortValue] | None = None,
    scope: Scope | None = None,
) -> list[Found]:
    """Return at most ``limit`` files in the order of ``sort``, then of their URIs.

    ``after`` is the position of the last file of the page before. Files without the member come
    last; labels that are numbers come before those that are not. ``scope`` is `scope_of` the
    condition, where the caller has it.

    Notes
    -----
    An index gives the order of URIs and of three times, so that a page reads what it shows. The
    files without a time are a second range of that index. Every other order sorts all that matches.
    """
    scope = scope or scope_of(tx, dataset, condition)
    keys = [key for wanted in sort for key in _keys(wanted, scope)]
    keys.append(_Key(F.uri, False, nullable=False))
    query = _matching(select(F.file_id, *(key.value for key in keys)), condition, scope)
    rows: list[Any] = []
    for part in _ranges(keys, after):
        if len(rows) < limit:
            some = query.where(part.condition).order_by(*_order(part.keys))
            if part.after is not None:
                some = some.where(_beyond(part.keys, part.after))
            rows += tx.execute(some.limit(limit - len(rows))).all()
    found = files.by_id(tx, dataset.dataset_id, [FileId(row[0]) for row in rows])
    return [Found(found[FileId(row[0])], tuple(row[1:])) for row in rows]


def count(tx: Tx, dataset: Dataset, condition: Condition, *, scope: Scope | None = None) -> int:
    """Return how many files match."""
    scope = scope or scope_of(tx, dataset, condition)
    query = _matching(select(func.count()), condition, scope)
    return int(tx.scalar(query.select_from(tables.file)) or 0)


def aggregate(
    tx: Tx,
    dataset: Dataset,
    condition: Condition,
    field: Field,
    operation: Aggregate,
    *,
    scope: Scope | None = None,
) -> float | None:
    """Return one number over the values that matching files have at ``field``; None for no value.

    Times count as milliseconds since 1970.
    """
    scope = scope or scope_of(tx, dataset, condition)
    values = _values(condition, field, scope, as_number=operation in _NUMERIC)
    v = values.c.value
    number: dict[Aggregate, Sql] = {
        Aggregate.MIN: func.min(v),
        Aggregate.MAX: func.max(v),
        Aggregate.AVERAGE: func.avg(v),
        Aggregate.SUM: func.coalesce(func.sum(v), 0),
        Aggregate.COUNT: func.count(values.c.file_id.distinct()),
        Aggregate.DISTINCT: func.count(v.distinct()),
    }
    result = tx.scalar(select(number[operation]))
    return None if result is None else float(result)


def groups(
    tx: Tx,
    dataset: Dataset,
    condition: Condition,
    field: Field,
    *,
    limit: int,
    scope: Scope | None = None,
) -> list[GroupCount]:
    """Return the most frequent values, each with the number of files, the most frequent first."""
    scope = scope or scope_of(tx, dataset, condition)
    values = _values(condition, field, scope, as_number=False)
    shown = func.min(values.c.said) if field.is_label else values.c.value
    many = func.count(values.c.file_id.distinct())
    query = select(shown, many).group_by(values.c.value).order_by(many.desc(), values.c.value)
    return [GroupCount(value, int(number)) for value, number in tx.execute(query.limit(limit))]


_NUMERIC = (Aggregate.MIN, Aggregate.MAX, Aggregate.AVERAGE, Aggregate.SUM)


def _matching(query: Select[Any], condition: Condition, scope: Scope) -> Select[Any]:
    # So a narrow query begins with the files that are named, and not with all files of the dataset,
    # which SQLite prefers where their index gives the order too.
    of_dataset = unindexed(F.dataset_id) if is_narrow(condition) else F.dataset_id
    return query.where(of_dataset == scope.dataset.dataset_id, compile_condition(condition, scope))


def _keys(wanted: SortKey, scope: Scope) -> list[_Key]:
    if wanted.field.is_label:
        columns = [label_of(wanted.field, name) for name in ("number", "value")]
        return [_Key(column, wanted.descending) for column in columns]
    value = value_of(wanted.field, scope)
    return [_Key(value, wanted.descending, nullable=not any(value is c for c in _NEVER_NULL))]


_NEVER_NULL = (F.uri, F.created_at, F.updated_at)


def _ranges(keys: Sequence[_Key], after: Sequence[SortValue] | None) -> Iterator[_Range]:
    first, *others = keys
    if first.value is not F.produced_at:
        yield _Range(true(), keys, after)
        return
    if after is None or after[0] is not None:
        known = replace(first, nullable=False)
        yield _Range(first.value.is_not(None), [known, *others], after)
        after = None
    # SQLite takes NULLs for frequent, and would walk all URIs rather than these alone.
    yield _Range(Rare(first.value.is_(None)), others, after and after[1:])


def _order(keys: Sequence[_Key]) -> list[Sql]:
    order: list[Sql] = []
    for key in keys:
        if key.nullable:
            order.append(key.value.is_(None))
        order.append(key.value.desc() if key.descending else key.value.asc())
    return order


def _beyond(keys: Sequence[_Key], position: Sequence[SortValue]) -> ColumnElement[bool]:
    """Return the condition that a file comes after ``position``."""
    ways: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for key, at in zip(keys, position, strict=True):
        ways.append(and_(*same, _after(key, at)))
        same.append(key.value == at)  # IS NULL for None
    first, at = keys[0], position[0]
    if first.nullable:
        return or_(*ways)
    # Implied by any of the ways, but no index is searched for alternatives.
    return and_(first.value <= at if first.descending else first.value >= at, or_(*ways))


def _after(key: _Key, at: SortValue) -> ColumnElement[bool]:
    if at is None:
        return false()
    later = key.value < at if key.descending else key.value > at
    return or_(later, key.value.is_(None)) if key.nullable else later


def _values(condition: Condition, field: Field, scope: Scope, *, as_number: bool) -> Any:
    """Return a subquery of ``value`` and ``file_id`` (and ``said`` of labels), without NULLs."""
    if field.is_label:
        r = tables.file_label
        value: Sql = r.c.number if as_number else r.c.value
        query = select(value.label("value"), r.c.said, F.file_id).join(
            r, and_(r.c.file_id == F.file_id, r.c.label_key == fold(field.member))
        )
    elif field.array:
        rows = rows_of(field.array, scope)
        value = rows.member(field.member)
        source = tables.file.join(rows.source, rows.of_file)
        query = select(value.label("value"), F.file_id).select_from(source)
    else:
        value = value_of(field, scope)
        if as_number and field.type is FieldType.TIME:
            value = type_coerce(value, BigInteger) / 1000.0
        query = select(value.label("value"), F.file_id)
    return _matching(query, condition, scope).where(value.is_not(None)).subquery()
