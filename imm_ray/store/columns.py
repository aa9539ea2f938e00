"""What the columns of all tables have in common: types, defaults, the reference to a dataset."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    TypeDecorator,
    literal_column,
)

from imm_ray.model import from_microseconds, to_microseconds


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


def unindexed(column: Column[int]) -> ColumnElement[int]:
    """Return a column of a number as a value by which no index is searched.

    Without statistics SQLite prefers the indexes of runs to those of ids: given a few ids, it would
    walk all rows of a dataset that a run can see.
    """
    return column + 0


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


def readable(table: Table) -> list[Column[Any]]:
    """Return the columns of a table but for the vector, which no client reads."""
    return [column for column in table.c if column.name != "vector"]
