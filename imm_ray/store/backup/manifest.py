"""What a backup says of itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

FORMAT = 1


class DamagedBackup(Exception):
    """A file is no backup, or not as it was made; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class TableSum:
    """The rows of one table (``rows.RowSum``)."""

    columns: tuple[str, ...]
    rows: int
    sum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The row of ``backup_manifest``.

    Layout: a JSON object of these members, ``format`` (1) and ``sha256``, that of the same JSON
    without this member, keys sorted and without spaces. ``made_at`` is RFC 3339 in UTC,
    ``version`` that of the program, ``schema`` the revision of the tables.
    """

    made_at: str
    version: str
    schema: str
    tables: Mapping[str, TableSum]
    violations: Sequence[str] = ()
    """What the check of the store found wrong when the backup was made."""

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables.values())

    def text(self) -> str:
        """Return the JSON."""
        body = {"format": FORMAT, **asdict(self)}
        return json.dumps({**body, "sha256": _digest(body)}, sort_keys=True)


def read_manifest(text: str) -> Manifest:
    """Return what `Manifest.text` made.

    Raises
    ------
    DamagedBackup
    """
    try:
        body = dict(json.loads(text))
        digest = body.pop("sha256")
        kind = body.pop("format")
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedBackup(f"its manifest can not be read ({error})") from error
    if _digest({"format": kind, **body}) != digest:
        raise DamagedBackup("its manifest was changed: the SHA-256 differs")
    if kind != FORMAT:
        raise DamagedBackup(f"it has format {kind}, this version reads {FORMAT}: upgrade imm-ray")
    tables = {
        name: TableSum(tuple(table["columns"]), table["rows"], table["sum"])
        for name, table in body.pop("tables").items()
    }
    violations = tuple(body.pop("violations"))
    return Manifest(**body, tables=tables, violations=violations)


def _digest(body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()
