"""What all tables share: their metadata, and the end of time."""

from sqlalchemy import (
    MetaData,
)

FOREVER = 2**62
"""``to_run`` of a row that no later run has replaced."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
