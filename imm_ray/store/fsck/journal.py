"""What no store shows by itself, because it is about what clients got: compared with journals.

A journal is what a client, a receiver of notifications or a watcher of processes has written down.
Tests, and who runs a service under fault injection, keep one and ask here what it proves.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from imm_ray.store import tables
from imm_ray.store.database import Database
from imm_ray.store.fsck.messages import event_of
from imm_ray.store.fsck.rule import Violation

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What answers with status 200 have promised to a client, less what it has deleted since."""

    files: Mapping[str, Collection[str]]
    """URIs by dataset id."""
    tasks: Collection[str] = ()
    edits: Collection[str] = ()


def lost(database: Database, journal: Acknowledged) -> Iterator[Violation]:
    """Yield what was acknowledged and is not stored (I1)."""
    f, t, e = tables.file.c, tables.task.c, tables.edit.c
    for dataset_id, uris in journal.files.items():
        found = _found(database, f.uri, uris, f.dataset_id == dataset_id)
        for position, uri in enumerate(sorted(uris)):
            if uri not in found:
                key = f"dataset_id={dataset_id} position={position}"
                yield Violation("I1", "file", key, "an acknowledged file is not stored")
    for table, column, ids in (
        ("task", t.task_id, journal.tasks),
        ("edit", e.edit_id, journal.edits),
    ):
        for missing in sorted(set(ids) - _found(database, column, ids)):
            what = f"an acknowledged {table} is not stored"
            yield Violation("I1", table, f"{column.name}={missing}", what)


def badly_told(
    database: Database, deliveries: Sequence[tuple[str, str]], *, most_times: int
) -> Iterator[Violation]:
    """Yield the ends that were not told, or more than ``most_times``, or in different words (I7).

    ``deliveries`` are (message id, body) in the order in which they came. What still waits in the
    outbox counts as told.
    """
    t, o = tables.task.c, tables.outbox.c
    with database.read() as tx:
        waiting = [event for body in tx.scalars(select(o.body)) for event in event_of(body)]
        ended = tx.execute(
            select(t.event_id, t.task_id, t.notification).where(t.ended_at.is_not(None))
        )
        due = {row.event_id: row.task_id for row in ended if row.notification}
    told = {event for _, body in deliveries for event in event_of(body)} | set(waiting)
    for event_id in sorted(due.keys() - told):
        key = f"task_id={due[event_id]}"
        yield Violation("I7", "task", key, "the end of the task was never told")
    bodies: dict[str, set[str]] = {}
    for message_id, body in deliveries:
        bodies.setdefault(message_id, set()).add(body)
    for message_id, times in Counter(message_id for message_id, _ in deliveries).items():
        key = f"message_id={message_id}"
        if times > most_times:
            yield Violation("I7", "outbox", key, f"the message came {times} times")
        if len(bodies[message_id]) > 1:
            yield Violation("I7", "outbox", key, "the message came in different words")


def moved(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Violation]:
    """Yield the ids that are others than before (I10); both map what nobody has touched to its id.

    What is no longer there at all is a matter of I1.
    """
    for name, was in sorted(before.items()):
        now = after.get(name)
        if now is not None and now != was:
            yield Violation("I10", "", f"id={was}", f"the id is {now} now")


def differing(
    one: Collection[Collection[str]], other: Collection[Collection[str]]
) -> list[Violation]:
    """Return whether two runs of one story have clustered alike (I11): each a set of groups."""
    a, b = ({frozenset(group) for group in groups} for groups in (one, other))
    if a == b:
        return []
    what = f"{len(a - b)} groups are in the one partition only, {len(b - a)} in the other only"
    return [Violation("I11", "membership", "", what)]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used at a moment of a long run."""

    minute: float
    memory_mb: float
    handles: int
    threads: int


def grown(
    samples: Sequence[Usage], *, share: float = 0.05, mb_per_minute: float = 1.0
) -> list[Violation]:
    """Return what has grown over the last half of a long run (I13): handles, threads, memory."""
    half = samples[len(samples) // 2 :]
    if len(half) < 2:
        return []
    first, last = half[0], half[-1]
    found = []
    for name in ("handles", "threads"):
        was, now = getattr(first, name), getattr(last, name)
        if now > was * (1 + share) and now > was + 1:
            found.append(Violation("I13", "", "", f"{name} have grown from {was} to {now}"))
    minutes = last.minute - first.minute
    slope = (last.memory_mb - first.memory_mb) / minutes if minutes > 0 else 0.0
    if slope >= mb_per_minute:
        found.append(Violation("I13", "", "", f"memory grows by {slope:.1f} MB a minute"))
    return found


def strange_answer(status: int, content_type: str, body: bytes) -> list[Violation]:
    """Return why an answer is no IMM answer (I14): JSON with a RequestId, and a Code if refused."""

    def wrong(what: str) -> list[Violation]:
        return [Violation("I14", "", f"status={status}", what)]

    if not content_type.startswith("application/json"):
        return wrong(f"the answer is {content_type.split(';')[0]!r}")
    try:
        said: Any = json.loads(body)
    except ValueError:
        return wrong("the answer is no JSON")
    missing = {"RequestId"} | ({"Code", "Message"} if status >= 400 else set())
    missing -= said.keys() if isinstance(said, dict) else set()
    if missing:
        return wrong(f"the answer has no {', '.join(sorted(missing))}")
    if status == 500:
        return wrong(f"the request {said['RequestId']} was answered with an internal error")
    return []


def not_read(written: Mapping[str, Any], read: Mapping[str, Any]) -> list[Violation]:
    """Return the members that a read after the answer to a write does not have (I15)."""
    return [
        Violation("I15", "", f"member={name}", "a read does not return what was written")
        for name, value in written.items()
        if read.get(name) != value
    ]


def badly_paged(pages: Sequence[Sequence[str]], throughout: Collection[str]) -> list[Violation]:
    """Return the items that were there all the time and were not shown exactly once (I16)."""
    shown = Counter(item for page in pages for item in page)
    return [
        Violation("I16", "", f"id={item}", f"the item was shown {shown[item]} times")
        for item in sorted(throughout)
        if shown[item] != 1
    ]


def _found(database: Database, column: Any, values: Collection[str], *where: Any) -> set[str]:
    found: set[str] = set()
    wanted = sorted(values)
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        with database.read() as tx:
            found.update(tx.scalars(select(column).where(column.in_(part), *where)))
    return found
