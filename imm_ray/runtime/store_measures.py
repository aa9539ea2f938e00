"""The metrics that are read in the store: what waits, and how old it is."""

from imm_ray.dataset.ports import Clock
from imm_ray.measure import BACKLOG, EPOCHS, OUTBOX, OUTBOX_AGE, Measures
from imm_ray.store import backlog, outbox
from imm_ray.store.database import Database


def measure_store(database: Database, measures: Measures, clock: Clock) -> None:
    """Set the gauges of the store."""
    with database.read() as tx:
        waiting = backlog.measure(tx)
        depth = outbox.depth(tx)
    measures.set(BACKLOG, waiting.files, what="files")
    measures.set(BACKLOG, waiting.tasks, what="tasks")
    measures.set(BACKLOG, waiting.edits, what="edits")
    measures.set(EPOCHS, waiting.epochs)
    measures.set(OUTBOX, depth.waiting, state="waiting")
    measures.set(OUTBOX, depth.dead, state="dead")
    oldest = depth.oldest_put_at
    measures.set(
        OUTBOX_AGE, 0.0 if oldest is None else max(0.0, (clock() - oldest).total_seconds())
    )
