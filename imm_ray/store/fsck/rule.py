"""One rule of the check: a query that returns the rows which break an invariant."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, case

from imm_ray.model import ClusterKind
from imm_ray.store import tables
from imm_ray.store.columns import unindexed
from imm_ray.store.database import Tx

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Violation:
    """One row, or one group of rows, that breaks an invariant."""

    invariant: str
    """``I1`` to ``I16``."""
    table: str
    key: str
    """Which row: ``column=id`` of each column that names it."""
    what: str
    """What is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A query for damaged rows, and how to name them."""

    invariant: str
    table: Table
    key: tuple[str, ...]
    """Those columns of the query that name the row."""
    query: Callable[[], Select[Any]]
    what: str
    """What is wrong, with ``{column}`` for columns of the query."""
    quiescent: bool = False
    """Whether it holds only when nothing is left to do."""

    def find(self, tx: Tx, most: int) -> Iterator[Violation]:
        """Yield at most ``most`` violations, and one more when there are others."""
        rows = tx.execute(self.query(), execution_options={"yield_per": _AT_ONCE}).mappings()
        for row in islice(rows, most):
            key = " ".join(f"{name}={row[name]}" for name in self.key)
            yield Violation(self.invariant, self.table.name, key, self.what.format(**row))
        if next(rows, None) is not None:
            what = f"more than {most} rows like the one before; the others are not listed"
            yield Violation(self.invariant, self.table.name, "", what)
        rows.close()


def visible_run(kind: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the visible run of a row's kind, in a query that joins the dataset."""
    d = tables.dataset.c
    return case((kind == ClusterKind.FIGURE, d.figure_run), else_=d.similar_run)


def is_visible(table: Any) -> ColumnElement[bool]:
    """Return the condition that a row holds for the visible run, in a query with the dataset."""
    run = visible_run(table.c.kind)
    return and_(unindexed(table.c.from_run) <= run, unindexed(table.c.to_run) > run)


def of_dataset(table: Any) -> ColumnElement[bool]:
    """Return the condition that joins a table's dataset."""
    condition: ColumnElement[bool] = tables.dataset.c.dataset_id == table.c.dataset_id
    return condition
