"""What edits have laid down for ever about figures and clusters.

A constraint ends with its figure or its cluster and with nothing else: a photo that is indexed
again keeps those of the figures that it keeps.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import bindparam, delete, insert, select, tuple_

from imm_ray.model import ClusterId, Constraint, ConstraintKind, DatasetId
from imm_ray.store import tables
from imm_ray.store.database import Database, Tx
from imm_ray.store.ownership import Lease, check

_PORTION = 500


def load(database: Database, dataset_id: DatasetId) -> Iterator[Constraint]:
    """Yield every constraint of the dataset, in portions."""
    c = tables.figure_constraint.c
    key = tuple_(c.item_id, c.cluster_id, c.kind)
    after = ("", "", "")
    while True:
        query = select(tables.figure_constraint).where(c.dataset_id == dataset_id, key > after)
        with database.read() as tx:
            rows = tx.execute(query.order_by(*key.clauses).limit(_PORTION)).all()
        for row in rows:
            yield Constraint(
                row.item_id, ClusterId(row.cluster_id), ConstraintKind(row.kind), row.edit_id
            )
        if len(rows) < _PORTION:
            return
        after = (rows[-1].item_id, rows[-1].cluster_id, rows[-1].kind)


def change(
    tx: Tx, lease: Lease, *, added: Sequence[Constraint], removed: Sequence[Constraint]
) -> None:
    """Take back ``removed``, then lay down ``added``.

    One that stands already now comes from the later edit. Figures that were deleted meanwhile are
    left out.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    items = {constraint.item_id for constraint in added}
    alive = _alive(tx, lease.dataset_id, items)
    standing = _standing(tx, lease.dataset_id, items)
    # Of two equal ones the last holds.
    rows = {
        _key(constraint): _row(lease.dataset_id, constraint)
        for constraint in added
        if constraint.item_id in alive
    }
    replaced = [row for key, row in rows.items() if key in standing]
    _delete(tx, [_row(lease.dataset_id, constraint) for constraint in removed] + replaced)
    if rows:
        tx.execute(insert(tables.figure_constraint), list(rows.values()))


def forget_items(tx: Tx, dataset_id: DatasetId, item_ids: Iterable[str]) -> None:
    """Delete the bans of figures that are gone for good.

    Their pins stay until the owner has pinned others in their place: a pin says that its cluster is
    protected, and which figure was deleted must not decide that.
    """
    c = tables.figure_constraint
    for portion in _portions(item_ids):
        tx.execute(
            delete(c).where(
                c.c.dataset_id == dataset_id,
                c.c.item_id.in_(portion),
                c.c.kind == ConstraintKind.BAN,
            )
        )


def forget_clusters(tx: Tx, dataset_id: DatasetId, cluster_ids: Iterable[str]) -> None:
    """Delete the constraints of clusters that are gone for good."""
    c = tables.figure_constraint
    for portion in _portions(cluster_ids):
        tx.execute(delete(c).where(c.c.dataset_id == dataset_id, c.c.cluster_id.in_(portion)))


def _alive(tx: Tx, dataset_id: DatasetId, item_ids: Iterable[str]) -> set[str]:
    g = tables.figure.c
    found: set[str] = set()
    for portion in _portions(item_ids):
        query = select(g.figure_id).where(g.dataset_id == dataset_id, g.figure_id.in_(portion))
        found.update(tx.scalars(query))
    return found


def _standing(tx: Tx, dataset_id: DatasetId, item_ids: Iterable[str]) -> set[tuple[str, str, str]]:
    c = tables.figure_constraint.c
    found: set[tuple[str, str, str]] = set()
    for portion in _portions(item_ids):
        query = select(c.item_id, c.cluster_id, c.kind).where(
            c.dataset_id == dataset_id, c.item_id.in_(portion)
        )
        found.update((row.item_id, row.cluster_id, row.kind) for row in tx.execute(query))
    return found


def _delete(tx: Tx, rows: Sequence[dict[str, str]]) -> None:
    if not rows:
        return
    c = tables.figure_constraint
    names = c.primary_key.columns.keys()
    here = [c.c[name] == bindparam(f"its_{name}") for name in names]
    tx.execute(
        delete(c).where(*here), [{f"its_{name}": row[name] for name in names} for row in rows]
    )


def _key(constraint: Constraint) -> tuple[str, str, str]:
    return (constraint.item_id, constraint.cluster_id, constraint.kind)


def _row(dataset_id: DatasetId, constraint: Constraint) -> dict[str, str]:
    return {
        "dataset_id": dataset_id,
        "item_id": constraint.item_id,
        "cluster_id": constraint.cluster_id,
        "kind": constraint.kind,
        "edit_id": constraint.edit_id,
    }


def _portions(ids: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(ids)
    while portion := list(islice(iterator, _PORTION)):
        yield portion
