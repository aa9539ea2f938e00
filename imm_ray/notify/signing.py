"""Signatures of what is posted, and the check of them: Standard Webhooks, ``v1``.

The sender adds three headers, the receiver compares (standardwebhooks.com, specification 1.0):

====================  ==============================================================================
header                what it is
====================  ==============================================================================
webhook-id            the id of the message, the same at every attempt
webhook-timestamp     when this attempt was made, in whole seconds since 1970
webhook-signature     one ``v1,`` and base64 of HMAC-SHA256 for each key, over ``id.timestamp.body``
====================  ==============================================================================

Any library of that specification can check them; `Receiver` is one to take over.
"""

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime

from imm_ray.topic import signing_key

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

TOLERANCE_S = 300
"""A message whose timestamp is further away than this is old, or from the future."""
_MOST_SIGNATURES = 16
_MOST_REMEMBERED = 100_000


class Forged(Exception):
    """The message is not the sender's, or an old one sent again. Answer 403 and do nothing."""


def sign(body: bytes, *, message_id: str, timestamp: int, keys: Iterable[bytes]) -> dict[str, str]:
    """Return the headers that sign a body with each of ``keys``; none without a key."""
    signatures = [f"v1,{_signature(body, message_id, str(timestamp), key)}" for key in keys]
    if not signatures:
        return {}
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(signatures)}


class Receiver:
    """Accepts what was signed with one of the secrets, each message once.

    A receiver that runs as several processes, or restarts, keeps the ids of the messages that it
    has acted on in its own database instead: the sender delivers at least once, for a day or more.

    Parameters
    ----------
    secrets
        ``whsec_…``, as configured for the topic; several while one replaces another.

    Examples
    --------
    >>> from datetime import UTC
    >>> secret = "whsec_" + base64.b64encode(bytes(24)).decode()
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> signed = sign(b"{}", message_id="m", timestamp=int(now.timestamp()), keys=[bytes(24)])
    >>> receiver = Receiver([secret])
    >>> receiver.accept(b"{}", signed, now), receiver.accept(b"{}", signed, now)
    (True, False)
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._keys = [signing_key(secret) for secret in secrets]
        self._seen: OrderedDict[str, None] = OrderedDict()

    def accept(self, body: bytes, headers: Mapping[str, str], now: datetime) -> bool:
        """Return whether to act on a message: False for one that has been accepted before.

        Answer 204 either way: what is answered otherwise is sent again.

        Parameters
        ----------
        body
            The bytes as they came, before anything reads them.
        headers
            With names in any case.

        Raises
        ------
        Forged
        """
        message_id = check(body, headers, keys=self._keys, now=now)
        if message_id in self._seen:
            return False
        self._seen[message_id] = None
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return True


def check(body: bytes, headers: Mapping[str, str], *, keys: Iterable[bytes], now: datetime) -> str:
    """Return the id of a message that is signed with one of ``keys`` and is not old.

    Raises
    ------
    Forged
    """
    sent = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp, signatures = sent[ID], sent[TIMESTAMP], sent[SIGNATURE]
    except KeyError as error:
        raise Forged(f"the header {error.args[0]} is missing") from None
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len(str(2**40))):
        raise Forged(f"{TIMESTAMP} is no number of seconds")
    if abs(int(timestamp) - now.timestamp()) > TOLERANCE_S:
        raise Forged(f"{TIMESTAMP} is more than {TOLERANCE_S} s away: it is sent again, or late")
    given = [text.removeprefix("v1,") for text in signatures.split(" ") if text.startswith("v1,")]
    right = False
    for key in keys:
        own = _signature(body, message_id, timestamp, key).encode()
        for signature in given[:_MOST_SIGNATURES]:
            right |= hmac.compare_digest(own, signature.encode())
    if not right:
        raise Forged("no signature fits")
    return message_id


def _signature(body: bytes, message_id: str, timestamp: str, key: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
