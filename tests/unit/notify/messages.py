"""Messages as the service makes them."""

from datetime import UTC, datetime

from imm_ray.api.notification import NotificationBuilder
from imm_ray.model import DatasetId, Message
from imm_ray.store.requests import FinishedRequest, IndexRequest

NOW = datetime(2026, 1, 2, 3, 4, 5, 60000, tzinfo=UTC)


def message(topic: str = "t", *, user_data: str = "u", event_id: str = "event-1") -> Message:
    """Return the message of an index request with two files."""
    finished = FinishedRequest(
        dataset_id=DatasetId("id"),
        account="100000",
        project="p",
        dataset_name="d",
        request=IndexRequest(
            event_id=event_id,
            request_id="r",
            batch=True,
            notification={"MNS": {"TopicName": topic}},
            user_data=user_data,
        ),
        started_at=NOW,
        ended_at=NOW,
        files=(("oss://b/1.jpg", ""), ("oss://b/2.jpg", "It is no image.")),
        said=(
            {"CustomId": "c1", "CustomLabels": {"k": "v"}},
            {"CustomId": "", "CustomLabels": {}},
        ),
    )
    (made,) = NotificationBuilder("local").index_request(finished)
    return made
