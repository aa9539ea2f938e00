"""Changes by hand: the ingress adds them, the dataset's owner applies them in the order of seq."""

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
    update,
)

from imm_ray.crash_point import reached
from imm_ray.errors import ResourceNotFound
from imm_ray.model import (
    NO_TASK,
    DatasetId,
    Edit,
    EditKind,
    EditStatus,
    JsonObject,
    TaskId,
)
from imm_ray.store import datasets, door, tables
from imm_ray.store.database import Tx
from imm_ray.store.ownership import Lease, check


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledEdit:
    """How a pending edit ends: applied with an effect, or refused for a reason."""

    edit_id: str
    status: EditStatus
    reason: str
    effect: JsonObject
    task_id: TaskId = NO_TASK
    """The task that ends with it."""
    founded: str = ""
    """The cluster whose row the request has made, of a split; without items it is to be swept."""


def add(
    tx: Tx,
    dataset_id: DatasetId,
    kind: EditKind,
    payload: JsonObject,
    now: datetime,
    *,
    task_id: TaskId = NO_TASK,
) -> Edit:
    """Store a pending edit under the dataset's next seq and return it.

    Raises
    ------
    ResourceNotFound
        The dataset was deleted.
    ThrottledUser
        A run that edits have held up is brought to its end first.
    """
    (edit,) = add_all(tx, dataset_id, [(kind, payload)], now, task_id=task_id)
    return edit


def add_all(
    tx: Tx,
    dataset_id: DatasetId,
    wanted: Sequence[tuple[EditKind, JsonObject]],
    now: datetime,
    *,
    task_id: TaskId = NO_TASK,
) -> list[Edit]:
    """Store pending edits, kind and payload each, under the dataset's next seqs and return them.

    Raises
    ------
    ResourceNotFound
        The dataset was deleted.
    ThrottledUser
        A run that edits have held up is brought to its end first.
    """
    if not wanted:
        return []
    door.require_open(tx, dataset_id)
    first = datasets.next_seq(tx, dataset_id, len(wanted)) - len(wanted) + 1
    added = [
        Edit(
            edit_id=str(uuid.uuid4()),
            dataset_id=dataset_id,
            seq=seq,
            kind=kind,
            payload=dict(payload),
            task_id=task_id,
            created_at=now,
        )
        for seq, (kind, payload) in enumerate(wanted, first)
    ]
    rows = [
        {
            "edit_id": edit.edit_id,
            "dataset_id": dataset_id,
            "seq": edit.seq,
            "kind": edit.kind,
            "payload": edit.payload,
            "task_id": task_id,
            "status": edit.status,
            "effect": edit.effect,
            "created_at": now,
        }
        for edit in added
    ]
    tx.execute(insert(tables.edit), rows)
    reached("edits.added")
    return added


def pending(tx: Tx, dataset_id: DatasetId, *, after: int = 0, limit: int = 500) -> list[Edit]:
    """Return edits that wait, those after the seq ``after``, in the order of their application."""
    e = tables.edit.c
    query = (
        select(tables.edit)
        .where(e.dataset_id == dataset_id, e.status == EditStatus.PENDING, e.seq > after)
        .order_by(e.seq)
        .limit(limit)
    )
    return [_edit(row) for row in tx.execute(query).mappings()]


def pending_after(tx: Tx, dataset_id: DatasetId, seq: int) -> bool:
    """Return whether an edit waits that was acknowledged after ``seq``."""
    e = tables.edit.c
    query = select(e.seq).where(
        e.dataset_id == dataset_id, e.status == EditStatus.PENDING, e.seq > seq
    )
    return tx.scalar(query.limit(1)) is not None


def pending_of_task(tx: Tx, dataset_id: DatasetId, task_id: TaskId) -> Edit | None:
    """Return the edit that a task waits for, None when it has ended."""
    e = tables.edit.c
    query = select(tables.edit).where(
        e.dataset_id == dataset_id, e.status == EditStatus.PENDING, e.task_id == task_id
    )
    row = tx.execute(query).mappings().first()
    return None if row is None else _edit(row)


def by_ids(tx: Tx, dataset_id: DatasetId, edit_ids: Iterable[str]) -> dict[str, Edit]:
    """Return edits of the dataset by id, without unknown ones."""
    e = tables.edit.c
    query = select(tables.edit).where(e.dataset_id == dataset_id, e.edit_id.in_(set(edit_ids)))
    return {row["edit_id"]: _edit(row) for row in tx.execute(query).mappings()}


def mentioned(tx: Tx, dataset_id: DatasetId) -> set[str]:
    """Return every text in what pending edits want, so every id that they name is among them."""
    e = tables.edit.c
    query = select(e.payload).where(e.dataset_id == dataset_id, e.status == EditStatus.PENDING)
    return {text for payload in tx.scalars(query) for text in _texts(payload)}


def get(tx: Tx, dataset_id: DatasetId, edit_id: str) -> Edit:
    """Return an edit of the dataset.

    Raises
    ------
    ResourceNotFound
    """
    e = tables.edit.c
    query = select(tables.edit).where(e.dataset_id == dataset_id, e.edit_id == edit_id)
    row = tx.execute(query).mappings().first()
    if row is None:
        raise ResourceNotFound.of("edit")
    return _edit(row)


def list_edits(
    tx: Tx,
    dataset_id: DatasetId,
    *,
    limit: int,
    after: int | None = None,
    status: EditStatus | None = None,
    figure_id: str | None = None,
) -> list[Edit]:
    """Return at most ``limit`` edits, the newest first.

    ``after`` is the seq of the last edit of the page before. With ``figure_id``, those that want a
    figure moved, removed or split off.
    """
    e = tables.edit.c
    query = select(tables.edit).where(e.dataset_id == dataset_id)
    if status is not None:
        query = query.where(e.status == status)
    if figure_id is not None:
        query = query.where(wants(figure_id))
    if after is not None:
        query = query.where(e.seq < after)
    return [_edit(row) for row in tx.execute(query.order_by(e.seq.desc()).limit(limit)).mappings()]


def settle(tx: Tx, lease: Lease, run: int, settled: Sequence[SettledEdit], now: datetime) -> None:
    """End pending edits; an edit that has ended before stays as it ended.

    Raises
    ------
    Fenced
    """
    check(tx, lease)
    if not settled:
        return
    e = tables.edit
    ends = [
        {
            "its_id": edit.edit_id,
            "status": edit.status,
            "reason": edit.reason,
            "effect": dict(edit.effect),
        }
        for edit in settled
    ]
    tx.execute(
        update(e)
        .where(
            e.c.edit_id == bindparam("its_id"),
            e.c.dataset_id == lease.dataset_id,
            e.c.status == EditStatus.PENDING.value,
        )
        .values(
            status=bindparam("status"),
            reason=bindparam("reason"),
            effect=bindparam("effect"),
            run=run,
            applied_at=now,
        ),
        ends,
    )


def wants(figure_id: str) -> ColumnElement[bool]:
    """Return the condition that an edit wants a figure moved, removed or split off."""
    e = tables.edit.c
    one = e.kind.in_((EditKind.MOVE, EditKind.REMOVE))
    # Lists have no portable operator. As text each member stands in quotes; LIKE ignores case here.
    quoted = json.dumps(figure_id, ensure_ascii=False)
    listed = cast(e.payload["figure_ids"], String)
    return or_(
        and_(one, e.payload["figure_id"].as_string() == figure_id),
        and_(e.kind == EditKind.SPLIT, func.replace(listed, quoted, "") != listed),
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _edit(row: Any) -> Edit:
    return Edit(
        edit_id=row["edit_id"],
        dataset_id=DatasetId(row["dataset_id"]),
        seq=row["seq"],
        kind=EditKind(row["kind"]),
        payload=row["payload"],
        task_id=TaskId(row["task_id"]),
        status=EditStatus(row["status"]),
        reason=row["reason"],
        effect=row["effect"],
        run=row["run"],
        created_at=row["created_at"],
        applied_at=row["applied_at"],
    )
