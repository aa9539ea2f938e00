"""Rows as they stand in a backup, and the sum that tells whether all of them are the same.

The sum of a set of rows is the sum of the SHA-256 of each row, modulo 2^256, in 64 hex digits: it
does not depend on the order in which a store returns them. The bytes of a row are those of its
values one after the other: a letter (``n`` nothing, ``i`` whole number, ``f`` number, ``t`` text,
``b`` bytes), the length of what follows in 8 bytes, big-endian, and the value (in decimal; as IEEE
754 double, big-endian; in UTF-8; as it is).
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, TypeAlias

from sqlalchemy import Table, select
from sqlalchemy.dialects import sqlite

from imm_ray.store.database import Tx
from imm_ray.store.documents import from_json, to_json

Stored: TypeAlias = int | float | str | bytes | None
"""What SQLite keeps in a column."""

PORTION = 500
"""Rows that are held in memory at once."""

_MODULUS = 2**256


class RowSum:
    """Counts rows and sums them up.

    >>> one, other = RowSum(), RowSum()
    >>> one.add([(1, "a"), (2, None)])
    >>> other.add([(2, None), (1, "a")])
    >>> one.hexdigest == other.hexdigest
    True
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Iterable[Sequence[Stored]]) -> None:
        """Take in more rows."""
        for row in rows:
            content = b"".join(map(_bytes, row))
            self._sum += int.from_bytes(sha256(content).digest(), "big")
            self.rows += 1
        self._sum %= _MODULUS

    @property
    def hexdigest(self) -> str:
        """The sum."""
        return f"{self._sum:064x}"


class StoredForm:
    """Turns the rows of a table into what SQLite keeps, and back."""

    def __init__(self, table: Table) -> None:
        self.names = [column.name for column in table.columns]
        dialect = sqlite.dialect(json_serializer=to_json, json_deserializer=from_json)
        kinds = [column.type.dialect_impl(dialect) for column in table.columns]
        self._to = [kind.bind_processor(dialect) or _same for kind in kinds]
        self._back = [kind.result_processor(dialect, None) or _same for kind in kinds]

    def stored(self, rows: Iterable[Sequence[Any]]) -> list[tuple[Stored, ...]]:
        """Return rows as they are kept; their values stand in the order of the table's columns."""
        to = self._to
        return [tuple([f(value) for f, value in zip(to, row, strict=True)]) for row in rows]

    def values(self, rows: Iterable[Sequence[Stored]]) -> list[dict[str, Any]]:
        """Return kept rows as values by column, for an insert."""
        back, names = self._back, self.names
        return [
            {name: f(value) for name, f, value in zip(names, back, row, strict=True)}
            for row in rows
        ]


def rows_of(tx: Tx, table: Table) -> Iterator[list[tuple[Stored, ...]]]:
    """Yield the rows of a store's table as a backup keeps them, in portions."""
    form = StoredForm(table)
    result = tx.execute(select(table), execution_options={"yield_per": PORTION})
    for portion in result.partitions():
        yield form.stored(portion)


def _same(value: Any) -> Any:
    return value


def _bytes(value: Stored) -> bytes:
    mark, content = _ENCODED[type(value)](value)
    return mark + len(content).to_bytes(8, "big") + content


_ENCODED: dict[type, Callable[[Any], tuple[bytes, bytes]]] = {
    type(None): lambda value: (b"n", b""),
    int: lambda value: (b"i", str(value).encode()),
    float: lambda value: (b"f", struct.pack(">d", value)),
    str: lambda value: (b"t", value.encode()),
    bytes: lambda value: (b"b", value),
}
