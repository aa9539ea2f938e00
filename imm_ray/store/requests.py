"""Index requests whose end a client wants to be told, and the files that each waits for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import delete, insert, select, update

from imm_ray.crash_point import reached
from imm_ray.model import Dataset, DatasetId, FileId, JsonObject, Message
from imm_ray.store import outbox, tables
from imm_ray.store.database import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRequest:
    """A request of IndexFileMeta (or BatchIndexFileMeta: ``batch``) with a notification."""

    event_id: str
    request_id: str
    batch: bool
    notification: JsonObject
    user_data: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRequest:
    """An index request with no file left.

    ``files`` are (URI, error or '') in its order; ``said`` is what clients say of each: CustomId
    and CustomLabels, empty for a file that is deleted.
    """

    dataset_id: DatasetId
    account: str
    project: str
    dataset_name: str
    request: IndexRequest
    started_at: datetime
    ended_at: datetime
    files: tuple[tuple[str, str], ...]
    said: tuple[JsonObject, ...] = ()


Notices: TypeAlias = Callable[[FinishedRequest], Sequence[Message]]
"""Makes the messages for a finished request (``api.notification``)."""


def create(
    tx: Tx,
    dataset: Dataset,
    request: IndexRequest,
    revisions: Mapping[str, tuple[str, int]],
    now: datetime,
) -> None:
    """Store a request that waits for ``revisions``: URI to (file id, revision)."""
    tx.execute(
        insert(tables.index_request).values(
            event_id=request.event_id,
            dataset_id=dataset.dataset_id,
            account=dataset.account,
            project=dataset.project,
            dataset_name=dataset.name,
            request_id=request.request_id,
            batch=request.batch,
            notification=dict(request.notification),
            user_data=request.user_data,
            started_at=now,
        )
    )
    tx.execute(
        insert(tables.index_request_file),
        [
            {
                "event_id": request.event_id,
                "file_id": file_id,
                "uri": uri,
                "position": position,
                "revision": revision,
                "done": False,
            }
            for position, (uri, (file_id, revision)) in enumerate(revisions.items())
        ],
    )


def settle(
    tx: Tx, file_id: FileId, revision: int, error: str, now: datetime, notices: Notices
) -> None:
    """Record the end of a file's ``revision`` in the requests that wait for it or for an older one.

    A request with no file left is answered (outbox rows) and forgotten, in this transaction.
    """
    r = tables.index_request_file
    waiting = (r.c.file_id == file_id, r.c.revision <= revision, r.c.done.is_(False))
    events = tx.scalars(select(r.c.event_id).where(*waiting)).all()
    if not events:
        return
    tx.execute(update(r).where(*waiting).values(done=True, error=error))
    reached("index_request.file_settled")
    for event_id in events:
        left = select(r.c.file_id).where(r.c.event_id == event_id, r.c.done.is_(False)).limit(1)
        if tx.scalar(left) is None:
            outbox.put(tx, notices(_finished(tx, event_id, now)), now)
            reached("index_request.told")
            q = tables.index_request
            tx.execute(delete(r).where(r.c.event_id == event_id))
            tx.execute(delete(q).where(q.c.event_id == event_id))


def give_up(
    tx: Tx, dataset_id: DatasetId, error: str, now: datetime, notices: Notices, *, limit: int
) -> int:
    """Answer and forget at most ``limit`` requests of a dataset; what they wait for has failed.

    Return how many.
    """
    q, r = tables.index_request, tables.index_request_file
    query = select(q.c.event_id).where(q.c.dataset_id == dataset_id).limit(limit)
    events = tx.scalars(query).all()
    tx.execute(
        update(r)
        .where(r.c.event_id.in_(events), r.c.done.is_(False))
        .values(done=True, error=error)
    )
    for event_id in events:
        outbox.put(tx, notices(_finished(tx, event_id, now)), now)
    tx.execute(delete(r).where(r.c.event_id.in_(events)))
    tx.execute(delete(q).where(q.c.event_id.in_(events)))
    return len(events)


def _finished(tx: Tx, event_id: str, now: datetime) -> FinishedRequest:
    q, r = tables.index_request, tables.index_request_file
    row = tx.execute(select(q).where(q.c.event_id == event_id)).one()
    f = tables.file.c
    query = (
        select(r.c.uri, r.c.error, f.attributes)
        .join_from(r, tables.file, f.file_id == r.c.file_id, isouter=True)
        .where(r.c.event_id == event_id)
        .order_by(r.c.position)
    )
    files = tx.execute(query).all()
    return FinishedRequest(
        dataset_id=DatasetId(row.dataset_id),
        account=row.account,
        project=row.project,
        dataset_name=row.dataset_name,
        request=IndexRequest(
            event_id=event_id,
            request_id=row.request_id,
            batch=row.batch,
            notification=row.notification,
            user_data=row.user_data,
        ),
        started_at=row.started_at,
        ended_at=now,
        files=tuple((file.uri, file.error) for file in files),
        said=tuple(_said(file.attributes or {}) for file in files),
    )


def _said(attributes: JsonObject) -> JsonObject:
    return {
        "CustomId": attributes.get("CustomId", ""),
        "CustomLabels": attributes.get("CustomLabels", {}),
    }
