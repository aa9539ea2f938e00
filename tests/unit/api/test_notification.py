import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from imm_ray.api.notification import Notification, NotificationBuilder, accept_notification
from imm_ray.errors import InvalidArgument
from imm_ray.model import DatasetId, TaskStatus, TaskType
from imm_ray.store.requests import FinishedRequest, IndexRequest
from tests.unit.api.test_render import T0, TASK

TOPICS = {"t1": "/x", "t2": "/y"}
BUILDER = NotificationBuilder("local")
ENDED = replace(
    TASK,
    status=TaskStatus.SUCCEEDED,
    ended_at=T0 + timedelta(seconds=1),
    notification={"MNS": {"TopicName": "t1"}},
    user_data="u",
    tags={"not": "told"},
)


def accept(given: dict[str, Any]) -> Any:
    return accept_notification(Notification.model_validate(given), TOPICS)


def test_configured_topics_are_accepted() -> None:
    both = {"MNS": {"TopicName": "t1"}, "RocketMQ": {"InstanceId": "i", "TopicName": "t2"}}
    assert accept(both) == {"MNS": {"TopicName": "t1"}, "RocketMQ": {"TopicName": "t2"}}


def test_a_topic_of_an_instance_is_found_before_one_of_its_name_alone() -> None:
    topics = {"t", "i/t"}
    for instance, found in (("i", "i/t"), ("j", "t"), ("", "t")):
        rocket = {"RocketMQ": {"InstanceId": instance, "TopicName": "t"}}
        accepted = accept_notification(Notification.model_validate(rocket), topics)
        assert accepted == {"RocketMQ": {"TopicName": found}}


@pytest.mark.parametrize(
    "empty",
    [{}, {"MNS": {}}, {"MNS": {"TopicName": ""}}, {"ExtendedMessageURI": ""}, {"RocketMQ": None}],
)
def test_an_empty_notification_tells_nobody(empty: dict[str, Any]) -> None:
    assert accept(empty) == {}
    assert accept_notification(None, TOPICS) == {}


@pytest.mark.parametrize("member", ["MNS", "RocketMQ"])
def test_an_unknown_topic_is_no_silent_loss(member: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"Notification\.{member}\.TopicName.*'t3'"):
        accept({member: {"TopicName": "t3"}})


def test_details_in_a_file_are_no_silent_loss() -> None:
    with pytest.raises(InvalidArgument, match="ExtendedMessageURI"):
        accept({"ExtendedMessageURI": "oss://b/x.json", "MNS": {"TopicName": "t1"}})


def test_the_message_of_a_task_is_imms_common_head() -> None:
    (message,) = BUILDER.task(ENDED)
    assert (message.topic, message.event_type) == ("t1", "imm:Task:FigureClustering")
    envelope = json.loads(message.body)
    content = json.loads(envelope.pop("content"))
    assert envelope == {
        "id": "e",
        "source": "acs.imm",
        "type": "imm:Task:FigureClustering",
        "subject": "acs:imm:local:1:p/imm:Task:FigureClustering",
        "time": "1767323046120",
    }
    assert list(content.items()) == [
        ("ProjectName", "p"),
        ("DatasetName", "d"),
        ("RequestId", "r"),
        ("StartTime", "2026-01-02T03:04:05.12Z"),
        ("EndTime", "2026-01-02T03:04:06.12Z"),
        ("UserData", "u"),
        ("TaskType", "FaceClustering"),
        ("TaskId", "FigureClustering-1"),
        ("Status", "Succeeded"),
        ("Code", ""),
        ("Message", ""),
        ("EventSourceId", ""),
    ]


def test_the_event_of_the_other_task_type() -> None:
    (message,) = BUILDER.task(replace(ENDED, task_type=TaskType.SIMILAR_IMAGE_CLUSTERING))
    assert message.event_type == "imm:Task:SimilarImageClustering"


def test_one_message_for_each_topic_with_a_stable_id() -> None:
    both = {"MNS": {"TopicName": "t1"}, "RocketMQ": {"TopicName": "t2"}}
    messages = BUILDER.task(replace(ENDED, notification=both))
    assert [message.topic for message in messages] == ["t1", "t2"]
    assert messages == BUILDER.task(replace(ENDED, notification=both))
    assert len({message.message_id for message in messages}) == 2
    same = {"MNS": {"TopicName": "t1"}, "RocketMQ": {"TopicName": "t1"}}
    assert len(BUILDER.task(replace(ENDED, notification=same))) == 1
    assert BUILDER.task(replace(ENDED, notification={})) == []


def finished(*, batch: bool, user_data: str = "") -> FinishedRequest:
    return FinishedRequest(
        dataset_id=DatasetId("id"),
        account="1",
        project="p",
        dataset_name="d",
        request=IndexRequest(
            event_id="e",
            request_id="r",
            batch=batch,
            notification={"MNS": {"TopicName": "t1"}},
            user_data=user_data,
        ),
        started_at=T0,
        ended_at=T0,
        files=(("oss://b/1", ""), ("oss://b/2", "It is no image.")),
    )


def test_the_message_of_an_index_request() -> None:
    (message,) = BUILDER.index_request(finished(batch=True))
    assert message.event_type == "imm:FileMeta:BatchIndex"
    content = json.loads(json.loads(message.body)["content"])
    assert content["Success"] is True
    assert content["Files"] == [
        {"URI": "oss://b/1", "Error": ""},
        {"URI": "oss://b/2", "Error": "It is no image."},
    ]
    assert "UserData" not in content
    (single,) = BUILDER.index_request(finished(batch=False, user_data="u"))
    assert single.event_type == "imm:FileMeta:Index"
    assert json.loads(json.loads(single.body)["content"])["UserData"] == "u"
