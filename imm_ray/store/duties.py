"""Chores that one process of a cluster does at a time, and who does them.

Notes
-----
No clock is compared with another host's, not even with the database's. The holder raises a ``beat``
every few seconds; who waits for the duty counts, by its own monotonic clock, how long the beat has
stood still, and takes over after that. A holder that was frozen meanwhile finds its row changed
when it raises the beat next, and stops.

What a holder does between two looks is not undone: a chore must be safe to be done twice. This row
keeps that rare.
"""

from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from imm_ray.store import tables
from imm_ray.store.database import Tx


@dataclass(frozen=True, slots=True)
class Held:
    """Who has a duty, and the beat of its heart."""

    holder: str
    generation: int
    beat: int


def look(tx: Tx, name: str) -> Held | None:
    """Return who has a duty, None when nobody has had it yet."""
    d = tables.duty.c
    row = tx.execute(select(d.holder, d.generation, d.beat).where(d.name == name)).first()
    return None if row is None else Held(row.holder, row.generation, row.beat)


def take(tx: Tx, name: str, holder: str, generation: int, *, seen: Held | None) -> bool:
    """Take a duty over from what was ``seen``; return False when that no longer holds."""
    d = tables.duty
    if look(tx, name) != seen:
        return False
    if seen is None:
        return _found(tx, Held(holder, generation, 1), name)
    taken = tx.execute(
        update(d)
        .where(d.c.name == name, d.c.holder == seen.holder, d.c.beat == seen.beat)
        .values(holder=holder, generation=generation, beat=seen.beat + 1)
    )
    return taken.rowcount == 1


def beat(tx: Tx, name: str, holder: str) -> bool:
    """Raise the beat of a duty; return False when another holds it."""
    d = tables.duty
    raised = tx.execute(
        update(d).where(d.c.name == name, d.c.holder == holder).values(beat=d.c.beat + 1)
    )
    return raised.rowcount == 1


def _found(tx: Tx, held: Held, name: str) -> bool:
    """Write the row of a duty that nobody has had; return False when another was quicker."""
    row = {"holder": held.holder, "generation": held.generation, "beat": held.beat}
    try:
        with tx.begin_nested():
            tx.execute(insert(tables.duty).values(name=name, **row))
    except IntegrityError:
        return False
    return True
