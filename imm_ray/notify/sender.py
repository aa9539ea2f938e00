"""Sends one message once; whether and when to try again is decided by `notify.backoff`."""

import json
import os
from pathlib import Path
from typing import Protocol

import httpx

from imm_ray.crash_point import reached
from imm_ray.model import Message

_BODY_READ = 4096
"""Of an endpoint's error answer, no more than this is looked at."""


class DeliveryFailed(Exception):
    """The message did not arrive; the text says why."""


class Sender(Protocol):
    """Delivers messages to one target."""

    def send(self, message: Message) -> None:
        """Return when the message has arrived.

        Raises
        ------
        DeliveryFailed
        """


class FileSender:
    """Appends each message as one line of JSON to a file; on return it survives a power cut."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, message: Message) -> None:
        """Append the message's body, which is one JSON object, as a line."""
        line = json.dumps(json.loads(message.body), ensure_ascii=False, separators=(",", ":"))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(line.encode() + b"\n")
                file.flush()
                reached("topic_file.written")
                os.fsync(file.fileno())
                reached("topic_file.synced")
        except OSError as error:
            raise DeliveryFailed(f"cannot write {self._path}: {error.strerror}") from error


class WebhookSender:
    """Posts each message to an HTTP endpoint in the shape of an MNS topic's simplified push.

    The body is the message text; its stable id is in ``x-mns-message-id``, so that a receiver can
    drop one that it has seen (MNS documentation, "HttpEndpoint"). Any 2xx answer is success.
    Redirects are not followed.
    """

    def __init__(self, url: str, client: httpx.Client) -> None:
        self._url = url
        self._client = client

    def send(self, message: Message) -> None:
        """Post the message."""
        headers = {
            "content-type": "application/json;charset=utf-8",
            "x-mns-message-id": message.message_id,
            "x-mns-message-tag": message.event_type,
        }
        try:
            with self._client.stream(
                "POST", self._url, content=message.body.encode(), headers=headers
            ) as answer:
                if not answer.is_success:
                    text = next(answer.iter_bytes(_BODY_READ), b"")[:200].decode(errors="replace")
                    raise DeliveryFailed(f"the endpoint answered {answer.status_code}: {text}")
        except httpx.HTTPError as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}") from error


def open_sender(target: str, client: httpx.Client) -> Sender:
    """Return the sender for a topic's target: an http(s) URL, else the path of a file."""
    if target.startswith(("http://", "https://")):
        return WebhookSender(target, client)
    return FileSender(Path(target.removeprefix("file://")))
