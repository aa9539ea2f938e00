import base64
import hashlib
import json
from xml.etree import ElementTree

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat

from imm_ray.model import Message
from imm_ray.notify.envelope import Envelope
from imm_ray.notify.shape import as_cloud_event, as_mns_simplified, as_mns_xml
from imm_ray.topic import Topic
from tests.unit.notify.messages import NOW, message

TOPIC = Topic(target="https://hook.example/n")
SPACE = "{http://mns.aliyuncs.com/doc/v1/}"


def test_simplified_is_the_message_and_what_mns_says_of_it() -> None:
    sent = message("topic1")
    push = as_mns_simplified(sent, TOPIC, NOW)
    assert push.body.decode() == sent.body
    request_id = push.headers.pop("x-mns-request-id")
    assert len(request_id) == 24
    assert request_id == request_id.upper()
    assert push.headers == {
        "content-type": "text/plain;charset=utf-8",
        "content-md5": hashlib.md5(push.body).hexdigest().upper(),
        "date": "Fri, 02 Jan 2026 03:04:05 GMT",
        "x-mns-version": "2015-06-06",
        "x-mns-message-id": sent.message_id,
        "x-mns-message-tag": "imm:FileMeta:BatchIndex",
        "x-mns-publish-time": "1767323045060",
        "x-mns-subscriber": "100000",
        "x-mns-subscription-name": "topic1",
        "x-mns-topic-name": "topic1",
        "x-mns-topic-owner": "100000",
    }


def test_xml_holds_the_message_and_its_checksum() -> None:
    sent = message("topic1", user_data='<&>"]]>')
    push = as_mns_xml(sent, TOPIC.model_copy(update={"subscription": "sub"}), NOW)
    root = ElementTree.fromstring(push.body)
    assert root.tag == f"{SPACE}Notification"
    assert {child.tag.removeprefix(SPACE): child.text for child in root} == {
        "TopicOwner": "100000",
        "TopicName": "topic1",
        "Subscriber": "100000",
        "SubscriptionName": "sub",
        "MessageId": sent.message_id,
        "Message": sent.body,
        "MessageMD5": hashlib.md5(sent.body.encode()).hexdigest().upper(),
        "MessageTag": "imm:FileMeta:BatchIndex",
        "PublishTime": "1767323045060",
    }
    assert push.headers["content-type"] == "text/xml;charset=utf-8"
    digest = hashlib.md5(push.body).hexdigest()
    assert base64.b64decode(push.headers["content-md5"]).decode() == digest


def test_what_xml_can_not_hold_stays_the_same_text() -> None:
    sent = message(user_data="a\ufffe\uffff\x7f\U0001f600\u2028b\r\nc\td")
    text = ElementTree.fromstring(as_mns_xml(sent, TOPIC, NOW).body).findtext(f"{SPACE}Message")
    assert text is not None
    assert json.loads(text) == json.loads(sent.body)


def test_a_cloud_event_is_eventbridges() -> None:
    sent = message("topic1")
    push = as_cloud_event(sent, TOPIC, NOW)
    told = json.loads(push.body)
    data = told.pop("data")
    assert told == {
        "id": "event-1",
        "source": "acs.imm",
        "specversion": "1.0",
        "type": "imm:FileMeta:BatchIndex",
        "subject": "acs.imm:local:100000:p",
        "time": "2026-01-02T11:04:05.060000+08:00",
        "aliyunaccountid": "100000",
        "aliyunpublishtime": "2026-01-02T11:04:05.060PRC",
        "aliyuneventbusname": "default",
        "aliyunregionid": "local",
    }
    assert data["Files"] == [
        {"URI": "oss://b/1.jpg", "CustomId": "c1", "CustomLabels": {"k": "v"}, "Error": ""},
        {"URI": "oss://b/2.jpg", "CustomId": "", "CustomLabels": {}, "Error": "It is no image."},
    ]
    assert data["StartTime"] == "2026-01-02T11:04:05.06+08:00"
    again = from_structured(HTTPMessage(push.headers, push.body), JSONFormat())
    assert again.get_data() == data


def test_every_attempt_has_the_same_event() -> None:
    bodies = {as_cloud_event(message(), TOPIC, NOW.replace(year=y)).body for y in (2026, 2027)}
    assert len(bodies) == 1


def test_what_is_no_envelope_is_said() -> None:
    with pytest.raises(ValueError, match="message m has no envelope"):
        Envelope.of(Message("m", "t", "e", "{}"))
