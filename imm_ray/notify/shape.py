"""The shapes in which a message is posted: those of an MNS topic's push, and EventBridge's.

===============  ==================================================================================
format           what is posted
===============  ==================================================================================
mns-simplified   the message as the body, ``text/plain``; what MNS says of it, in ``x-mns-`` headers
mns-xml          a ``Notification`` element, ``text/xml``, with the message in its ``Message``
cloudevents      a CloudEvent 1.0, structured, ``application/cloudevents+json``; its ``data`` is the
                 content of the message, with CustomId and CustomLabels of each file
===============  ==================================================================================

MNS's headers are those that its documentation ("HttpEndpoint", "Sign a request that is sent to an
endpoint") and pushes that receivers have kept show: ``Content-MD5`` is the base64 of the
hexadecimal digest for XML, and the digest in capitals otherwise. Its ``Authorization`` and
``x-mns-signing-cert-url`` are left out: receivers accept only certificates from MNS's own address.
Messages are signed as `notify.signing` says. ``aliyunpublishaddr``, the address of a server inside
EventBridge, is left out too.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from xml.etree import ElementTree

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from imm_ray.model import Message, to_microseconds
from imm_ray.notify.envelope import Envelope
from imm_ray.topic import Shape, Topic

_MNS_VERSION = "2015-06-06"
_CHINA = timezone(timedelta(hours=8))
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 can not hold, not even as a reference (its section 2.2, "Char")."""


@dataclass(frozen=True, slots=True)
class Push:
    """An HTTP request to be posted."""

    headers: dict[str, str]
    body: bytes


def as_mns_simplified(message: Message, topic: Topic, now: datetime) -> Push:
    """Return the message as an MNS topic pushes it with NotifyContentFormat SIMPLIFIED."""
    envelope = Envelope.of(message)
    body = message.body.encode()
    headers = {
        "content-type": "text/plain;charset=utf-8",
        "content-md5": _md5(body).upper(),
        **_mns_headers(now),
        "x-mns-message-id": message.message_id,
        "x-mns-message-tag": message.event_type,
        "x-mns-publish-time": _milliseconds(envelope.published_at),
        "x-mns-subscriber": envelope.account,
        "x-mns-subscription-name": topic.subscription or message.topic,
        "x-mns-topic-name": message.topic,
        "x-mns-topic-owner": envelope.account,
    }
    return Push(headers, body)


def as_mns_xml(message: Message, topic: Topic, now: datetime) -> Push:
    """Return the message as an MNS topic pushes it with NotifyContentFormat XML."""
    envelope = Envelope.of(message)
    root = ElementTree.Element("Notification", xmlns="http://mns.aliyuncs.com/doc/v1/")
    text = _NOT_IN_XML.sub(_escaped, message.body)
    for name, value in (
        ("TopicOwner", envelope.account),
        ("TopicName", message.topic),
        ("Subscriber", envelope.account),
        ("SubscriptionName", topic.subscription or message.topic),
        ("MessageId", message.message_id),
        ("MessageMD5", _md5(text.encode()).upper()),
        ("MessageTag", message.event_type),
        ("Message", text),
        ("PublishTime", _milliseconds(envelope.published_at)),
    ):
        ElementTree.SubElement(root, name).text = value
    body: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    headers = {
        "content-type": "text/xml;charset=utf-8",
        "content-md5": base64.b64encode(_md5(body).encode()).decode(),
        **_mns_headers(now),
    }
    return Push(headers, body)


def as_cloud_event(message: Message, topic: Topic, now: datetime) -> Push:
    """Return the message as EventBridge delivers an event of IMM.

    Every attempt has the same body: its times are those of the message.
    """
    headers = {"content-type": "application/cloudevents+json; charset=utf-8", "date": _date(now)}
    return Push(headers, cloud_event(message))


def cloud_event(message: Message) -> bytes:
    """Return a message as the JSON of a CloudEvent in EventBridge's shape."""
    envelope = Envelope.of(message)
    published = envelope.published_at.astimezone(_CHINA)
    local = published.replace(tzinfo=None).isoformat(timespec="milliseconds")
    attributes = {
        "id": envelope.event_id,
        "source": envelope.source,
        "specversion": "1.0",
        "type": envelope.event_type,
        "subject": f"acs.imm:{envelope.region}:{envelope.account}:{envelope.project}",
        "time": published,
        "aliyunaccountid": envelope.account,
        # As EventBridge writes it: "PRC" is its name of China's time zone.
        "aliyunpublishtime": f"{local}PRC",
        "aliyuneventbusname": "default",
        "aliyunregionid": envelope.region,
    }
    data = dict(envelope.content)
    if said := envelope.details.get("Files"):
        data["Files"] = [
            {"URI": file["URI"], **more, "Error": file["Error"]}
            for file, more in zip(data["Files"], said, strict=True)
        ]
    return JSONFormat().write(CloudEvent(attributes, data))


SHAPES: dict[Shape, Callable[[Message, Topic, datetime], Push]] = {
    "mns-simplified": as_mns_simplified,
    "mns-xml": as_mns_xml,
    "cloudevents": as_cloud_event,
}


def _mns_headers(now: datetime) -> dict[str, str]:
    return {
        "date": _date(now),
        "x-mns-request-id": secrets.token_hex(12).upper(),
        "x-mns-version": _MNS_VERSION,
    }


def _date(now: datetime) -> str:
    return format_datetime(now.astimezone(UTC), usegmt=True)


def _milliseconds(time: datetime) -> str:
    return str(to_microseconds(time) // 1000)


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _escaped(character: re.Match[str]) -> str:
    r"""Return a character as JSON's ``\u``: in a JSON text it only stands inside strings."""
    return f"\\u{ord(character[0]):04x}"
