"""Sends one message once; whether and when to try again is decided by `notify.backoff`."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

import httpx

from imm_ray.model import Message
from imm_ray.notify.journal import append_line
from imm_ray.notify.shape import SHAPES, cloud_event
from imm_ray.notify.signing import sign
from imm_ray.settings import Notifications
from imm_ray.topic import Topic

_BODY_READ = 4096
"""Of an endpoint's error answer, no more than this is looked at."""
_SHOWN = 200


class DeliveryFailed(Exception):
    """The message did not arrive; the text says why.

    ``answer`` is what the endpoint said, which may repeat the message: it is not for a log.
    """

    def __init__(self, why: str, answer: str = "") -> None:
        super().__init__(why)
        self.answer = answer


class Sender(Protocol):
    """Delivers messages to one target."""

    async def send(self, message: Message, now: datetime) -> None:
        """Return when the message has arrived.

        Raises
        ------
        DeliveryFailed
        """


class FileSender:
    """Appends each message as one line of JSON to a file; on return it survives a power cut."""

    def __init__(self, topic: Topic) -> None:
        self._path = Path(topic.target.removeprefix("file://"))
        self._is_cloud_event = topic.format == "cloudevents"

    async def send(self, message: Message, now: datetime) -> None:
        """Append the message's body, which is one JSON object, as a line."""
        line = cloud_event(message) if self._is_cloud_event else message.body.encode()
        try:
            await asyncio.to_thread(append_line, self._path, line)
        except OSError as error:
            raise DeliveryFailed(f"cannot write {self._path}: {error.strerror}") from error


class WebhookSender:
    """Posts each message to an HTTP endpoint, signed if its topic has a secret.

    Any 2xx answer is success, and no byte of its body is read; MNS itself wants 204. Redirects are
    not followed. A proxy or a password in the environment is not used.

    Notes
    -----
    The limit of time is for the attempt as a whole: an endpoint that sends a byte a second, in the
    head of its answer or in the body, costs no more than one that is silent.
    """

    def __init__(self, topic: Topic, client: httpx.AsyncClient, *, timeout_s: float) -> None:
        self._topic = topic
        self._client = client
        self._timeout_s = timeout_s

    async def send(self, message: Message, now: datetime) -> None:
        """Post the message."""
        try:
            push = SHAPES[self._topic.format](message, self._topic, now)
            keys = self._topic.keys()
        except (OSError, ValueError) as error:
            raise DeliveryFailed(f"the message can not be made: {error}") from error
        signed = sign(
            push.body,
            message_id=message.message_id,
            timestamp=int(now.timestamp()),
            keys=keys,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._post(push.body, {**push.headers, **signed})
        except TimeoutError as error:
            why = f"the endpoint took longer than {self._timeout_s:g} s"
            raise DeliveryFailed(why) from error
        except httpx.HTTPError as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}") from error

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> None:
        request = self._client.stream(
            "POST", self._topic.target, content=body, headers=headers, follow_redirects=False
        )
        async with request as answer:
            if answer.is_success:
                return
            text = await _beginning(answer)
        known = {status.value: f" {status.phrase}" for status in HTTPStatus}
        phrase = known.get(answer.status_code, "")
        raise DeliveryFailed(f"the endpoint answered {answer.status_code}{phrase}", text)


async def _beginning(answer: httpx.Response) -> str:
    """Return the beginning of an answer's body as it came over the wire, never unpacked."""
    read = b""
    async for part in answer.aiter_raw(_BODY_READ):
        read += part
        break
    return read[:_SHOWN].decode(errors="replace")


def open_client(settings: Notifications) -> httpx.AsyncClient:
    """Return what posts to the endpoints; close it."""
    connect = min(settings.connect_timeout_s, settings.timeout_s)
    return httpx.AsyncClient(
        timeout=httpx.Timeout(settings.timeout_s, connect=connect),
        follow_redirects=False,
        # One of each endpoint's connections may hang as long as the whole attempt may take.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
        trust_env=False,
        headers={"user-agent": "imm-ray"},
    )


def open_sender(topic: Topic, client: httpx.AsyncClient, *, timeout_s: float) -> Sender:
    """Return the sender of a topic."""
    if topic.is_url:
        return WebhookSender(topic, client, timeout_s=timeout_s)
    return FileSender(topic)
