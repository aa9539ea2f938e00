"""What the columns of all tables have in common: types, defaults, the reference to a dataset."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Dialect,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    TypeDecorator,
    bindparam,
    literal_column,
    type_coerce,
)

from imm_ray.model import from_microseconds, to_microseconds

T = TypeVar("T")


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC in 64 bits."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the stored number."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return the aware datetime."""
        return None if value is None else from_microseconds(value)


def text(name: str, *, default: str | None = "", **kwargs: Any) -> Column[str]:
    """Return a column of text; it is never NULL."""
    if default is not None:
        kwargs["server_default"] = default
    return Column(name, Text, nullable=False, **kwargs)


def count(name: str) -> Column[int]:
    """Return a column of a whole number that starts at 0."""
    return Column(name, BigInteger, nullable=False, server_default="0")


def time(name: str, *, nullable: bool = False) -> Column[datetime]:
    """Return a column of an aware datetime."""
    return Column(name, UtcTime, nullable=nullable)


def unindexed(column: ColumnElement[T]) -> ColumnElement[T]:
    """Return a column of a text, a number or a time as a value by which no index is searched.

    Without statistics SQLite prefers the indexes of runs to those of ids: given a few ids, it would
    walk all rows of a dataset that a run can see.
    """
    if isinstance(column.type, String):
        return column.concat("")
    return type_coerce(type_coerce(column, BigInteger) + 0, column.type)


def any_of(values: Iterable[T]) -> BindParameter[Sequence[T]]:
    """Return what a column is ``in_``: given a list, SQLAlchemy makes a parameter of each value."""
    return bindparam(None, list(values), expanding=True, unique=True)


def of_dataset() -> ForeignKeyConstraint:
    """Return the foreign key of a row that belongs to a dataset."""
    return ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"])


def of_status(table: str, status: str) -> Index:
    """Return an index of the datasets that have rows of one status, and of those rows alone.

    Notes
    -----
    A query uses it that names the status as a literal: with a bound parameter no planner can know
    that the index has all rows that are asked for.
    """
    only: ColumnElement[bool] = literal_column(f"status = '{status}'")
    name = f"ix_{table}_{status.lower()}"
    return Index(name, "status", "dataset_id", sqlite_where=only, postgresql_where=only)
