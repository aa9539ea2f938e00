"""Takes ids of figures and files that are no more out of histories, edits and covers.

An id is a random number, and after the deletion it leads to nothing; yet a history that holds it
tells that two pictures showed one person. A dataset is looked through when it has lost something
since the last time (``dataset.scrubbed_seq``), in portions that may stop after any of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Column, bindparam, exists, select, tuple_, update

from imm_ray.crash_point import reached
from imm_ray.model import ClusterKind, DatasetId, EditStatus
from imm_ray.store import tables
from imm_ray.store.database import Database, Tx

_PORTION = 200
_IDS_AT_ONCE = 500
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def disturbed(tx: Tx) -> list[tuple[DatasetId, int]]:
    """Return datasets that have lost items since they were scrubbed, and the change that was."""
    d = tables.dataset.c
    query = select(d.dataset_id, d.disturbed_seq).where(
        d.disturbed_seq > d.scrubbed_seq, d.purged_at.is_(None)
    )
    return [(DatasetId(row[0]), row[1]) for row in tx.execute(query)]


def scrub(database: Database, dataset_id: DatasetId, seq: int) -> int:
    """Take out what the changes up to ``seq`` have left; return how many rows had something.

    It may run beside everything else, and twice at once.
    """
    changed = _scrub_events(database, dataset_id) + _scrub_edits(database, dataset_id)
    d = tables.dataset
    with database.write() as tx:
        changed += _scrub_covers(tx, dataset_id)
        tx.execute(
            update(d)
            .where(d.c.dataset_id == dataset_id, d.c.scrubbed_seq < seq)
            .values(scrubbed_seq=seq)
        )
    reached("erasure.scrubbed")
    return changed


def _scrub_events(database: Database, dataset_id: DatasetId) -> int:
    v = tables.cluster_event
    key = [v.c.kind, v.c.run, v.c.position]
    changed = 0
    for rows, tx in _portions(database, [*key, v.c["items"]], key, v.c.dataset_id == dataset_id):
        named = {
            kind: {item for row in rows if row[0] == kind for item in row[3]}
            for kind in ClusterKind
        }
        alive = {kind: _alive(tx, kind, ids) for kind, ids in named.items()}
        ends = [
            {"k": row[0], "r": row[1], "p": row[2], "left": left}
            for row in rows
            if len(left := [i for i in row[3] if i in alive[ClusterKind(row[0])]]) < len(row[3])
        ]
        changed += len(ends)
        if ends:
            where = [c == bindparam(n) for c, n in zip(key, ("k", "r", "p"), strict=True)]
            change = update(v).where(v.c.dataset_id == dataset_id, *where)
            with database.write() as writing:
                writing.execute(change.values({"items": bindparam("left")}), ends)
    return changed


def _alive(tx: Tx, kind: ClusterKind, ids: Iterable[str]) -> set[str]:
    column = tables.figure.c.figure_id if kind is ClusterKind.FIGURE else tables.file.c.file_id
    return _known(tx, column, ids)


def _scrub_edits(database: Database, dataset_id: DatasetId) -> int:
    e = tables.edit
    mine = (e.c.dataset_id == dataset_id) & (e.c.status != EditStatus.PENDING)
    changed = 0
    columns = [e.c.seq, e.c.edit_id, e.c.payload, e.c.effect]
    for rows, tx in _portions(database, columns, [e.c.seq], mine):
        named = {i for row in rows for i in (*_ids_in(row.payload), *_ids_in(row.effect))}
        for column in (tables.figure.c.figure_id, tables.file.c.file_id, e.c.edit_id):
            named -= _known(tx, column, named)
        ends = [
            {
                "its": row.edit_id,
                "wanted": without(row.payload, named),
                "made": without(row.effect, named),
            }
            for row in rows
            if named.intersection((*_ids_in(row.payload), *_ids_in(row.effect)))
        ]
        changed += len(ends)
        if ends:
            change = update(e).where(e.c.edit_id == bindparam("its"))
            change = change.values(payload=bindparam("wanted"), effect=bindparam("made"))
            with database.write() as writing:
                writing.execute(change, ends)
    return changed


def _scrub_covers(tx: Tx, dataset_id: DatasetId) -> int:
    """Forget covers that clients have chosen and that are no more."""
    changed = 0
    for table in (tables.cluster, tables.retired_cluster):
        there = exists().where(tables.figure.c.figure_id == table.c.chosen_cover)
        gone = (table.c.dataset_id == dataset_id, table.c.chosen_cover != "", ~there)
        changed += tx.execute(update(table).where(*gone).values(chosen_cover="")).rowcount
    return changed


def without(value: Any, gone: set[str]) -> Any:
    """Return a JSON value without some texts: members of lists and keys go, others are emptied.

    >>> without({"a": ["x", "y"], "x": 1, "b": "x", "c": "xy"}, {"x"})
    {'a': ['y'], 'b': '', 'c': 'xy'}
    """
    if isinstance(value, str):
        return "" if value in gone else value
    if isinstance(value, dict):
        return {key: without(member, gone) for key, member in value.items() if key not in gone}
    if isinstance(value, list):
        return [
            without(member, gone)
            for member in value
            if not (isinstance(member, str) and member in gone)
        ]
    return value


def _ids_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _ID.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _ids_in(key)
            yield from _ids_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from _ids_in(member)


def _known(tx: Tx, column: Column[Any], ids: Iterable[str]) -> set[str]:
    wanted, found = sorted(ids), set[str]()
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        some = wanted[start : start + _IDS_AT_ONCE]
        found.update(tx.scalars(select(column).where(column.in_(some))))
    return found


def _portions(
    database: Database, columns: list[Any], key: list[Any], where: Any
) -> Iterator[tuple[list[Any], Tx]]:
    """Yield rows in the order of ``key``, with the transaction that has read them."""
    after: tuple[Any, ...] | None = None
    while True:
        query = select(*columns).where(where).order_by(*key).limit(_PORTION)
        if after is not None:
            query = query.where(tuple_(*key) > after)
        with database.read() as tx:
            rows = list(tx.execute(query).all())
            if not rows:
                return
            yield rows, tx
        after = tuple(rows[-1][: len(key)])
