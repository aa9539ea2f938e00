"""Conditions that several listings share."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, literal, or_

from imm_ray.store.query.function import KindOfMember


def labelled(column: Column[Any], labels: Mapping[str, Any] | None) -> list[ColumnElement[bool]]:
    """Return the conditions that a JSON object has all these members, compared as text.

    A JSON boolean equals ``true`` or ``false`` in any case of letters.
    """
    return [_is(column, key, str(value)) for key, value in (labels or {}).items()]


def between(
    *ranges: tuple[ColumnElement[Any], datetime | None, datetime | None],
) -> list[ColumnElement[bool]]:
    """Return the conditions that columns lie in their ranges, ends included; None is no limit."""
    return [*_limits(ranges)]


def _is(column: Column[Any], key: str, value: str) -> ColumnElement[bool]:
    # SQLite reads a JSON boolean as 1 or 0; the name of its type is its value.
    kind = KindOfMember(column, literal(key))
    text = and_(column[key].as_string() == value, kind.not_in(("true", "false")))
    return or_(text, kind == value.lower()) if value.lower() in ("true", "false") else text


def _limits(
    ranges: Iterable[tuple[ColumnElement[Any], datetime | None, datetime | None]],
) -> Iterable[ColumnElement[bool]]:
    for column, low, high in ranges:
        if low is not None:
            yield column >= low
        if high is not None:
            yield column <= high
