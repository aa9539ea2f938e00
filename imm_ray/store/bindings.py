"""Bindings: which buckets' objects a dataset shall have. What scans them is not here."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, insert, select, update

from imm_ray.errors import LimitExceeded, ResourceAlreadyExists, ResourceNotFound
from imm_ray.model import Binding, BindingPhase, BindingState, Dataset, DatasetId
from imm_ray.store import datasets, tables
from imm_ray.store.database import Tx


def create(tx: Tx, dataset: Dataset, binding: Binding) -> None:
    """Store a new binding.

    Raises
    ------
    ResourceAlreadyExists
        The dataset has a binding of that URI.
    LimitExceeded
        The dataset may have no more bindings.
    """
    datasets.lock(tx, dataset.dataset_id)
    b = tables.binding
    mine = b.c.dataset_id == dataset.dataset_id
    if tx.scalar(select(b.c.uri).where(mine, b.c.uri == binding.uri)) is not None:
        raise ResourceAlreadyExists.of("binding")
    most = dataset.quotas.dataset_max_bind_count
    if (tx.scalar(select(func.count()).select_from(b).where(mine)) or 0) >= most:
        raise LimitExceeded(f"The dataset may have {most} bindings.")
    tx.execute(
        insert(b).values(
            dataset_id=dataset.dataset_id,
            uri=binding.uri,
            state=binding.state,
            phase=binding.phase,
            reason=binding.reason,
            created_at=binding.created_at,
            updated_at=binding.updated_at,
        )
    )


def get(tx: Tx, dataset_id: DatasetId, uri: str) -> Binding:
    """Return the binding of ``uri``.

    Raises
    ------
    ResourceNotFound
    """
    found = page(tx, dataset_id, limit=1, uri=uri)
    if not found:
        raise ResourceNotFound.of("binding")
    return found[0]


def page(
    tx: Tx, dataset_id: DatasetId, *, limit: int, after: str = "", uri: str = ""
) -> list[Binding]:
    """Return at most ``limit`` bindings in the order of their URIs, the first after ``after``."""
    b = tables.binding.c
    query = select(tables.binding).where(b.dataset_id == dataset_id, b.uri > after)
    if uri:
        query = query.where(b.uri == uri)
    return [_binding(row) for row in tx.execute(query.order_by(b.uri).limit(limit)).mappings()]


def delete(tx: Tx, dataset_id: DatasetId, uri: str) -> None:
    """Delete a binding.

    Raises
    ------
    ResourceNotFound
    """
    b = tables.binding
    gone = tx.execute(sql_delete(b).where(b.c.dataset_id == dataset_id, b.c.uri == uri))
    if gone.rowcount != 1:
        raise ResourceNotFound.of("binding")


def stop(tx: Tx, dataset_id: DatasetId, uri: str, reason: str, now: datetime) -> None:
    """Make a binding Stopped; one that is stopped already keeps its reason and time.

    Raises
    ------
    ResourceNotFound
    """
    datasets.lock(tx, dataset_id)
    if get(tx, dataset_id, uri).state is not BindingState.STOPPED:
        _change(tx, dataset_id, uri, BindingState.STOPPED, reason, now)


def resume(tx: Tx, dataset_id: DatasetId, uri: str, now: datetime) -> None:
    """Make a stopped binding Ready, in the phase in which it was; one that is not stays as it is.

    Raises
    ------
    ResourceNotFound
    """
    datasets.lock(tx, dataset_id)
    if get(tx, dataset_id, uri).state is BindingState.STOPPED:
        _change(tx, dataset_id, uri, BindingState.READY, "", now)


def _change(
    tx: Tx, dataset_id: DatasetId, uri: str, state: BindingState, reason: str, now: datetime
) -> None:
    b = tables.binding
    tx.execute(
        update(b)
        .where(b.c.dataset_id == dataset_id, b.c.uri == uri)
        .values(state=state, reason=reason, updated_at=now)
    )


def _binding(row: Any) -> Binding:
    return Binding(
        uri=row["uri"],
        state=BindingState(row["state"]),
        phase=BindingPhase(row["phase"]),
        reason=row["reason"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
