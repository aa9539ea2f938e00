"""What the body of a message says of itself: it is IMM's envelope (``api.notification``)."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from imm_ray.model import JsonObject, Message, from_microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The members of an envelope, read."""

    event_id: str
    source: str
    event_type: str
    region: str
    account: str
    project: str
    published_at: datetime
    content: dict[str, Any]
    details: JsonObject

    @classmethod
    def of(cls, message: Message) -> Self:
        """Return what a message's body says.

        Raises
        ------
        ValueError
            The body is no envelope: it was not made by this service.
        """
        try:
            body = json.loads(message.body)
            # acs:imm:REGION:ACCOUNT:PROJECT/TYPE; no name of a project has a slash or a colon.
            owner, _, _ = body["subject"].partition("/")
            _, _, region, account, project = owner.split(":")
            return cls(
                event_id=body["id"],
                source=body["source"],
                event_type=body["type"],
                region=region,
                account=account,
                project=project,
                published_at=from_microseconds(int(body["time"]) * 1000),
                content=json.loads(body["content"]),
                details=message.details,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"message {message.message_id} has no envelope: {error!r}") from error
