"""Takes URIs of erased files out of requests that wait, messages and tasks.

What a client is told later has an empty URI in their place. A message that is just being sent goes
out as it is.
"""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select, update

from imm_ray.crash_point import reached
from imm_ray.store import tables
from imm_ray.store.database import Database, Tx
from imm_ray.store.documents import to_json
from imm_ray.store.erasure.scrub import without

_PORTION = 200
_URIS_AT_ONCE = 500
_MOST_IN_TEXTS = 1000
"""With more URIs than this, free texts (UserData) that merely contain one are not looked at."""


def redact(database: Database, account: str, uris: Iterable[str]) -> dict[str, int]:
    """Take URIs out of all that is not a file; return how many rows of each table had one."""
    gone = set(uris)
    changed = {
        "index_request_file": _redact_requests(database, gone),
        "outbox": _redact_messages(database, gone),
        "task": _redact_tasks(database, account, gone),
    }
    reached("erasure.redacted")
    return changed


def _redact_requests(database: Database, gone: set[str]) -> int:
    r = tables.index_request_file
    changed, uris = 0, sorted(gone)
    for start in range(0, len(uris), _URIS_AT_ONCE):
        some = uris[start : start + _URIS_AT_ONCE]
        named = update(r).where(r.c.uri.in_(some), r.c.done.is_(True)).values(uri="")
        with database.write() as tx:
            changed += tx.execute(named).rowcount
    return changed


def _redact_messages(database: Database, gone: set[str]) -> int:
    o = tables.outbox
    changed, after = 0, ""
    query = select(o.c.message_id, o.c.body).order_by(o.c.message_id)
    while True:
        with database.read() as tx:
            rows = tx.execute(query.where(o.c.message_id > after).limit(_PORTION)).all()
        bodies = {row.message_id: redacted(row.body, gone) for row in rows}
        named = [row.message_id for row in rows if bodies[row.message_id] != row.body]
        if named:
            with database.write() as tx:
                for message_id in named:
                    values = {"body": bodies[message_id], "last_error": ""}
                    tx.execute(update(o).where(o.c.message_id == message_id).values(**values))
            changed += len(named)
        if len(rows) < _PORTION:
            return changed
        after = rows[-1].message_id


def _redact_tasks(database: Database, account: str, gone: set[str]) -> int:
    t = tables.task
    changed, after = 0, ""
    query = select(t).where(t.c.account == account).order_by(t.c.task_id)
    while True:
        with database.read() as tx:
            rows = tx.execute(query.where(t.c.task_id > after).limit(_PORTION)).mappings().all()
        for row in rows:
            changed += _redact_task(database, row, gone)
        if len(rows) < _PORTION:
            return changed
        after = rows[-1]["task_id"]


def _redact_task(database: Database, row: Any, gone: set[str]) -> bool:
    texts = ("request_definition", "user_data", "message")
    values: dict[str, Any] = {
        name: left for name in texts if (left := redacted(row[name], gone)) != row[name]
    }
    for name in ("tags", "ledger"):
        if (left := without(row[name], gone)) != row[name]:
            values[name] = left
    if values:
        with database.write() as tx:
            tx.execute(
                update(tables.task).where(tables.task.c.task_id == row["task_id"]).values(**values)
            )
    return bool(values)


def redacted(text: str, gone: set[str]) -> str:
    r"""Return a text without URIs; in a JSON object, also in one that is a text of it, by value.

    >>> redacted('{"content":"{\\"URI\\":\\"s3://b/a\\"}"}', {"s3://b/a"})
    '{"content":"{\\"URI\\":\\"\\"}"}'
    >>> redacted("about s3://b/a", {"s3://b/a"})
    'about '
    """
    if text.startswith("{"):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, dict):
            left = _redacted_value(value, gone)
            return text if left == value else to_json(left)
    if text in gone:
        return ""
    if len(gone) <= _MOST_IN_TEXTS:
        for uri in sorted((uri for uri in gone if uri in text), key=len, reverse=True):
            text = text.replace(uri, "")
    return text


def _redacted_value(value: Any, gone: set[str]) -> Any:
    if isinstance(value, str):
        return redacted(value, gone)
    if isinstance(value, dict):
        return {key: _redacted_value(member, gone) for key, member in value.items()}
    if isinstance(value, list):
        return [_redacted_value(member, gone) for member in value]
    return value


def count(tx: Tx, uri: str) -> int:
    """Return how many files have a URI in all datasets, or one that contains it."""
    f = tables.file.c
    return len(tx.scalars(select(f.file_id).where(f.uri.contains(uri, autoescape=True))).all())
