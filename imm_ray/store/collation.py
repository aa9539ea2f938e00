"""Texts in PostgreSQL as they are in SQLite: ordered by their bytes, and of any length.

Pages go on behind the last id or name, and indexes give their order; a database made for a language
would order them otherwise than SQLite does, and otherwise after an update of its libraries. How
long a text may be is said where it comes in, not here.
"""

from sqlalchemy import text

from imm_ray.store.database import Tx
from imm_ray.store.tables import metadata

_OTHERS = text(
    "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = current_schema() "
    "AND (data_type = 'character varying' OR data_type = 'text') "
    "AND (data_type != 'text' OR collation_name IS DISTINCT FROM 'C') "
    "ORDER BY table_name, ordinal_position"
)


def order_by_bytes(tx: Tx) -> None:
    """Make such texts of the columns of our tables that are not; no row is written anew."""
    if tx.dialect.name != "postgresql":
        return
    quote = tx.dialect.identifier_preparer.quote
    changes: dict[str, list[str]] = {}
    for row in tx.execute(_OTHERS).all():
        column = f'ALTER {quote(row.column_name)} TYPE text COLLATE "C"'
        changes.setdefault(row.table_name, []).append(column)
    for table in metadata.tables.keys() & changes.keys():
        tx.exec_driver_sql(f"ALTER TABLE {quote(table)} {', '.join(changes[table])}")
