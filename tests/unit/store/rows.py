"""Stores with any rows at all, made from the tables themselves."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    insert,
)

from imm_ray.model import from_microseconds
from imm_ray.store import tables
from imm_ray.store.backup.rows import rows_of
from imm_ray.store.columns import UtcTime
from imm_ray.store.database import Database

_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.dictionaries(
    _TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _FLOAT | _TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)
_TIME = st.integers(0, 2**52).map(from_microseconds)


def _values(column: Column[Any]) -> st.SearchStrategy[Any]:
    for kind, values in (
        (UtcTime, _TIME),
        (JSON, _JSON),
        (Boolean, st.booleans()),
        (BigInteger, st.integers(-(2**63), 2**63 - 1)),
        (Integer, st.integers(-(2**31), 2**31 - 1)),
        (Float, _FLOAT),
        (LargeBinary, st.binary(max_size=40)),
    ):
        if isinstance(column.type, kind):
            return st.none() | values if column.nullable else values
    assert isinstance(column.type, String), column
    return _TEXT


def stores() -> st.SearchStrategy[dict[str, list[dict[str, Any]]]]:
    """Rows of every table that may stand together in one store."""
    return st.composite(_store)()


def _store(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for table in tables.metadata.sorted_tables:
        rows = [_row(draw, table, number, found) for number in range(draw(st.integers(0, 2)))]
        found[table.name] = [row for row in rows if row is not None]
    return found


def _row(
    draw: st.DrawFn, table: Table, number: int, found: dict[str, list[dict[str, Any]]]
) -> dict[str, Any] | None:
    row = {column.name: draw(_values(column)) for column in table.columns}
    for column in table.columns:  # different ones, whatever must be unique
        if isinstance(column.type, String) and (
            column.primary_key or column.name in ("name", "uri")
        ):
            row[column.name] = f"{number}{row[column.name]}"
        if column.name == "seq":
            row[column.name] = number
    for key in table.foreign_key_constraints:
        parents = found[key.referred_table.name]
        if not parents:
            return None
        parent = draw(st.sampled_from(parents))
        row |= {e.parent.name: parent[e.column.name] for e in key.elements}
    return row


def put(database: Database, store: dict[str, list[dict[str, Any]]]) -> None:
    """Write the rows."""
    with database.write() as tx:
        for table in tables.metadata.sorted_tables:
            if store[table.name]:
                tx.execute(insert(table), store[table.name])


def contents(database: Database, *left_out: Table) -> dict[str, list[str]]:
    """Return every row, as text, in an order of its own."""

    def lines(table: Table) -> Iterator[str]:
        for portion in rows_of(tx, table):
            yield from map(repr, portion)

    with database.read() as tx:
        return {
            table.name: sorted(lines(table))
            for table in tables.metadata.sorted_tables
            if table not in left_out
        }
