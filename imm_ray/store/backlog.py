"""How much waits in a whole store, for the metrics."""

from dataclasses import dataclass

from sqlalchemy import String, func, literal, select

from imm_ray.model import EditStatus, FileStatus, TaskStatus
from imm_ray.store import tables
from imm_ray.store.database import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for owners, and how often datasets were taken by one."""

    files: int
    tasks: int
    edits: int
    epochs: int


def measure(tx: Tx) -> Backlog:
    """Return how much waits, read from indexes that hold nothing else."""
    waiting = {
        "files": (tables.file, FileStatus.PENDING),
        "tasks": (tables.task, TaskStatus.RUNNING),
        "edits": (tables.edit, EditStatus.PENDING),
    }
    counts = {}
    for name, (table, status) in waiting.items():
        # The status stands in the SQL itself: see `columns.of_status`.
        spelt = literal(str(status), String, literal_execute=True)
        query = select(func.count()).select_from(table).where(table.c.status == spelt)
        counts[name] = int(tx.scalar(query) or 0)
    epochs = tx.scalar(select(func.sum(tables.ownership.c.epoch)))
    return Backlog(epochs=int(epochs or 0), **counts)
