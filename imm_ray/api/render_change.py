"""Edits and the history of clusters as JSON: members of this service's own extensions."""

from typing import Any

from pydantic.alias_generators import to_pascal

from imm_ray.api.render import rfc3339
from imm_ray.model import Edit, RecordedEvent

_CAUSE = ("EditId", "Kind", "CreateTime", "TaskId")


def edit_body(edit: Edit) -> dict[str, Any]:
    """Return ``Edit``: what a client wants changed, and how that ended."""
    body = {
        "EditId": edit.edit_id,
        "Kind": edit.kind.capitalize(),
        "Status": edit.status.value,
        "Reason": edit.reason,
        "TaskId": edit.task_id,
        "CreateTime": rfc3339(edit.created_at),
        "ApplyTime": "" if edit.applied_at is None else rfc3339(edit.applied_at),
        "Definition": {to_pascal(name): value for name, value in edit.payload.items()},
    }
    return {name: value for name, value in body.items() if value != ""}


def event_body(event: RecordedEvent, cause: Edit | None) -> dict[str, Any]:
    """Return ``Event``: what happened to a cluster, and why."""
    body: dict[str, Any] = {
        "Event": event.event.capitalize(),
        "ObjectId": event.cluster_id,
        "ObjectType": "figure-cluster" if event.kind == "figure" else "similar-image-cluster",
        "OtherId": event.other_id,
        "Items": list(event.items),
        "ItemCount": event.item_count,
        "Run": event.run,
        "Time": rfc3339(event.at),
        "TaskId": event.task_id,
    }
    if cause is not None:
        whole = edit_body(cause)
        body["Edit"] = {name: whole[name] for name in _CAUSE if name in whole}
    return {name: value for name, value in body.items() if value != ""}
