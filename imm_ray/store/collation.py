"""The order of texts: by their bytes, in every database.

Pages go on behind the last id or name, and indexes give their order; a database made for a language
would order them otherwise than SQLite does, and otherwise after an update of its libraries.
"""

from sqlalchemy import text

from imm_ray.store.database import Tx
from imm_ray.store.tables import metadata

_OTHERS = text(
    "SELECT table_name, column_name, data_type, character_maximum_length AS length "
    "FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND data_type IN ('character varying', 'text') "
    "AND collation_name IS DISTINCT FROM 'C' ORDER BY table_name, ordinal_position"
)


def order_by_bytes(tx: Tx) -> None:
    """Give the columns of our tables that order of which it is not; no row is written anew."""
    if tx.dialect.name != "postgresql":
        return
    quote = tx.dialect.identifier_preparer.quote
    ours = set(metadata.tables)
    for row in tx.execute(_OTHERS).all():
        if row.table_name in ours:
            kind = row.data_type if row.length is None else f"varchar({row.length})"
            table, column = quote(row.table_name), quote(row.column_name)
            tx.exec_driver_sql(f'ALTER TABLE {table} ALTER {column} TYPE {kind} COLLATE "C"')
