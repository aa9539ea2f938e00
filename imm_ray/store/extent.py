"""Which tables hold rows of a dataset: whatever deletes one must look into all of them."""

from sqlalchemy import Table, func, select

from imm_ray.model import DatasetId
from imm_ray.store import tables
from imm_ray.store.database import Tx

AT_ONCE = 500
"""Rows that one short transaction may delete."""


def of_datasets() -> list[Table]:
    """Return the tables with a ``dataset_id``, a table before those that it refers to.

    Without `tables.dataset` itself, and without tasks: they stay readable until they expire.
    """
    others = (tables.dataset, tables.task)
    children_first = reversed(tables.metadata.sorted_tables)
    return [t for t in children_first if "dataset_id" in t.c and t not in others]


def is_large(tx: Tx, dataset_id: DatasetId) -> bool:
    """Return whether a dataset has more rows than one short transaction may delete."""
    left = AT_ONCE
    for table in of_datasets():
        some = select(table.c.dataset_id).where(table.c.dataset_id == dataset_id).limit(left + 1)
        left -= int(tx.scalar(select(func.count()).select_from(some.subquery())) or 0)
        if left < 0:
            return True
    return False
