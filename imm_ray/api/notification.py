"""What a client is told when its work is done, and which topics it may name.

Payloads are IMM's: an envelope whose ``content`` is a JSON text. All builders are pure, and the id
of a message follows from what it tells, so a repeated transaction makes the same message.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from pydantic import Field

from imm_ray.api.json_text import write_json
from imm_ray.api.render import rfc3339
from imm_ray.api.render_faces import searched_source_body
from imm_ray.api.schema import Wire
from imm_ray.errors import InvalidArgument
from imm_ray.model import JsonObject, Message, Task, TaskType, to_microseconds
from imm_ray.store.requests import FinishedRequest

_EVENT_OF_TASK = {
    TaskType.FIGURE_CLUSTERING: "imm:Task:FigureClustering",
    TaskType.SIMILAR_IMAGE_CLUSTERING: "imm:Task:SimilarImageClustering",
    TaskType.FACES_SEARCHING: "imm:Task:FacesSearching",
    TaskType.FIGURE_CLUSTERS_MERGING: "imm:Task:FigureClustersMerging",
}
_CHINA = timezone(timedelta(hours=8))
_OFFSET = "+08:00"
_MESSAGE_IDS = uuid.UUID("7f3a3f0e-5d0f-5b57-9d4b-1f6f1c1c0a5e")


class MnsTopic(Wire):
    """``MNS``."""

    topic_name: Annotated[str, Field(max_length=255)] = ""


class RocketMqTopic(Wire):
    """``RocketMQ``."""

    instance_id: Annotated[str, Field(max_length=255)] = ""
    topic_name: Annotated[str, Field(max_length=255)] = ""


class Notification(Wire):
    """``Notification``."""

    mns: Annotated[MnsTopic | None, Field(alias="MNS")] = None
    rocket_mq: Annotated[RocketMqTopic | None, Field(alias="RocketMQ")] = None
    extended_message_uri: Annotated[str, Field(alias="ExtendedMessageURI")] = ""


def accept_notification(notification: Notification | None, topics: Collection[str]) -> JsonObject:
    """Return the notification to store with the work; {} when nothing is to be told.

    A topic of RocketMQ is the one that is configured as ``INSTANCE/TOPIC``, or else as ``TOPIC``.

    Raises
    ------
    InvalidArgument
        A topic is not among ``topics``, those of the account, or details are wanted at an
        ExtendedMessageURI, where this service writes nothing: both would be lost in silence.
    """
    if notification is None:
        return {}
    if notification.extended_message_uri:
        raise InvalidArgument.of(
            "Notification.ExtendedMessageURI",
            "this service writes no details of results to a file; leave it out",
        )
    accepted: dict[str, Any] = {}
    if (mns := notification.mns) is not None and mns.topic_name:
        accepted["MNS"] = {"TopicName": _configured("MNS", [mns.topic_name], topics)}
    if (rocket := notification.rocket_mq) is not None and rocket.topic_name:
        names = [rocket.topic_name]
        if rocket.instance_id:
            names.insert(0, f"{rocket.instance_id}/{rocket.topic_name}")
        accepted["RocketMQ"] = {"TopicName": _configured("RocketMQ", names, topics)}
    return accepted


def _configured(member: str, names: Sequence[str], topics: Collection[str]) -> str:
    """Return the first of ``names`` that is a topic in the settings."""
    for name in names:
        if name in topics:
            return name
    raise InvalidArgument.of(
        f"Notification.{member}.TopicName",
        f"the topic {names[0]!r} is not configured; add it to notifications.topics in the "
        "settings of the server",
    )


@dataclass(frozen=True, slots=True)
class NotificationBuilder:
    """Makes the messages of a service in ``region``."""

    region: str

    def task(self, task: Task) -> list[Message]:
        """Return the messages for a task that has ended: IMM's common head and nothing else.

        Those of a FacesSearching task tell what was found: ``Sources``.
        """
        ended_at = task.ended_at or task.started_at
        content: dict[str, Any] = {
            "ProjectName": task.project,
            "DatasetName": task.dataset_name,
            "RequestId": task.request_id,
            "StartTime": rfc3339(task.started_at),
            "EndTime": rfc3339(ended_at),
            "UserData": task.user_data,
            "TaskType": task.task_type.value,
            "TaskId": task.task_id,
            "Status": task.status.value,
            "Code": task.code,
            "Message": task.message,
            "EventSourceId": "",
        }
        if task.searched:
            content["Sources"] = [searched_source_body(source) for source in task.searched]
        return self._messages(
            task.notification,
            event_id=task.event_id,
            event_type=_EVENT_OF_TASK[task.task_type],
            owner=f"{task.account}:{task.project}",
            time=ended_at,
            content=content,
        )

    def index_request(self, finished: FinishedRequest) -> list[Message]:
        """Return the messages for an index request none of whose files is left.

        ``Success`` is true even when files failed, as in IMM. ``UserData`` is a member when the
        request gave one.
        """
        request = finished.request
        content = {
            "ProjectName": finished.project,
            "DatasetName": finished.dataset_name,
            "RequestId": request.request_id,
            "StartTime": china_time(finished.started_at),
            "EndTime": china_time(finished.ended_at),
            "Success": True,
            "Message": "",
            "Files": [{"URI": uri, "Error": error} for uri, error in finished.files],
        }
        if request.user_data:
            content["UserData"] = request.user_data
        return self._messages(
            request.notification,
            event_id=request.event_id,
            event_type="imm:FileMeta:BatchIndex" if request.batch else "imm:FileMeta:Index",
            owner=f"{finished.account}:{finished.project}",
            time=finished.ended_at,
            content=content,
            details={"Files": list(finished.said)},
        )

    def _messages(
        self,
        notification: JsonObject,
        *,
        event_id: str,
        event_type: str,
        owner: str,
        time: datetime,
        content: Mapping[str, Any],
        details: JsonObject | None = None,
    ) -> list[Message]:
        topics = dict.fromkeys(target["TopicName"] for target in notification.values())
        body = write_json(
            {
                "id": event_id,
                "source": "acs.imm",
                "type": event_type,
                "subject": f"acs:imm:{self.region}:{owner}/{event_type}",
                "time": str(to_microseconds(time) // 1000),
                "content": write_json(content),
            }
        )
        return [
            Message(
                str(uuid.uuid5(_MESSAGE_IDS, f"{event_id}/{topic}")),
                topic,
                event_type,
                body,
                details or {},
            )
            for topic in topics
        ]


def china_time(time: datetime) -> str:
    """Return ``time`` as messages of indexing have it: China's, without trailing zeros.

    >>> from datetime import UTC
    >>> china_time(datetime(2026, 1, 2, 3, 4, 5, 60000, tzinfo=UTC))
    '2026-01-02T11:04:05.06+08:00'
    """
    text = time.astimezone(_CHINA).isoformat(timespec="microseconds").removesuffix(_OFFSET)
    return text.rstrip("0").rstrip(".") + _OFFSET
