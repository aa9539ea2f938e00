"""Which tables hold rows of a dataset: whatever deletes one must look into all of them."""

from sqlalchemy import Table

from imm_ray.store import tables


def of_datasets() -> list[Table]:
    """Return the tables with a ``dataset_id``, a table before those that it refers to.

    Without `tables.dataset` itself, and without tasks: they stay readable until they expire.
    """
    others = (tables.dataset, tables.task)
    children_first = reversed(tables.metadata.sorted_tables)
    return [t for t in children_first if "dataset_id" in t.c and t not in others]
