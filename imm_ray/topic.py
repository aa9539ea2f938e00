"""A topic that clients may name in a request: where its messages go, in which shape, signed how.

A part of the settings; `imm_ray.settings` gives `Topic` out again.

Notes
-----
*Who chooses the address.* Only the operator: a client names a topic, never a URL (IMM offers no
webhooks of a client's own either). So an address may be private, as most receivers inside a company
are, and nothing that a client says can make this service call anything that is not configured.
Redirects are not followed, so an endpoint can not send it elsewhere.
"""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from imm_ray.share import Share

Shape = Literal["mns-simplified", "mns-xml", "cloudevents"]
"""How a message is written: as an MNS topic pushes it, or as EventBridge does."""

KEY_MARK = "whsec_"
_SHORTEST_SECRET = 24  # bytes; the specification's own bounds, "Signature scheme"
_LONGEST_SECRET = 64


class Topic(Share):
    """Where the messages of a topic go.

    ``target`` is an http(s) URL, or the path of a file that gets a line of JSON for each message.
    In the settings a topic is its target alone, or a table. For RocketMQ's topics the name may be
    ``INSTANCE/TOPIC``; without such an entry, ``TOPIC`` alone serves every instance.
    """

    format: Annotated[
        Shape,
        Field(
            description="mns-simplified: the message is the body; mns-xml: it is in a Notification "
            "element; cloudevents: an event as of EventBridge. A file has no mns-xml"
        ),
    ] = "mns-simplified"
    secret: SecretStr | None = Field(
        None,
        description="signs what is posted (Standard Webhooks): whsec_ and the base64 of 24 to 64 "
        "bytes",
    )
    secret_file: Path | None = Field(
        None,
        description="a file with such secrets, one a line, read at every attempt; each of them "
        "signs, so that a receiver can change from one to the next",
    )
    subscription: str = Field("", description="MNS's SubscriptionName; '' = the topic's name")

    @field_validator("secret", mode="after")
    @classmethod
    def _usable(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            signing_key(secret.get_secret_value())
        return secret

    @field_validator("secret_file", mode="after")
    @classmethod
    def _absolute_file(cls, file: Path | None) -> Path | None:
        return None if file is None else file.expanduser().absolute()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("give one of secret and secret_file")
        if not self.is_url:
            if self.signed:
                raise ValueError("what is written to a file is not signed: leave the secret out")
            if self.format == "mns-xml":
                raise ValueError("a file has a line of JSON for each message: mns-xml is for URLs")
            return self
        _check_url(self.target)
        return self

    @property
    def is_url(self) -> bool:
        """Whether messages are posted; else they are written to a file."""
        return self.target.lower().startswith(("http://", "https://"))

    @property
    def signed(self) -> bool:
        """Whether there is a secret."""
        return self.secret is not None or self.secret_file is not None

    def keys(self) -> list[bytes]:
        """Return the keys that sign, the newest as the operator has ordered them; often none.

        Raises
        ------
        OSError
            The file with the secrets can not be read.
        ValueError
            It has none, or one that is no secret. The message shows nothing of it.
        """
        if self.secret is not None:
            return [signing_key(self.secret.get_secret_value())]
        if self.secret_file is None:
            return []
        lines = [line.strip() for line in self.secret_file.read_text().splitlines()]
        keys = [signing_key(line) for line in lines if line]
        if not keys:
            raise ValueError("the file with the secrets is empty")
        return keys


def signing_key(secret: str) -> bytes:
    """Return the key that a secret stands for.

    >>> signing_key("whsec_" + base64.b64encode(bytes(24)).decode()) == bytes(24)
    True

    Raises
    ------
    ValueError
        It is not base64, or not 24 to 64 bytes. The message shows nothing of it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(KEY_MARK), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST_SECRET <= len(key) <= _LONGEST_SECRET:
        raise ValueError(
            f"a signing secret is {KEY_MARK} and the base64 of {_SHORTEST_SECRET} to "
            f"{_LONGEST_SECRET} random bytes"
        ) from None
    return key


def _check_url(url: str) -> None:
    """Refuse what two readers of URLs could read differently, and passwords in plain sight."""
    parts = urlsplit(url)
    strange = any(ord(mark) <= ord(" ") or ord(mark) > ord("~") or mark == "\\" for mark in url)
    if strange or not parts.hostname:
        raise ValueError("the URL of a topic is http(s)://HOST[:PORT]/PATH in plain ASCII")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL of a topic has no user and no password: sign with a secret")
    if parts.fragment:
        raise ValueError("the URL of a topic has no fragment (#...)")
    _ = parts.port  # raises ValueError when it is none
