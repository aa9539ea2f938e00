"""``NextToken``: an opaque position in one list, which nobody but this service can make.

Layout before base64url: ``tag:16 bytes  position:JSON``, the JSON compressed by zlib when it is
longer than 512 bytes (it then begins with 0x78; JSON begins with ``[``). The tag is HMAC-SHA256,
cut to 16 bytes, over the scope and the position as it stands there. A token therefore works only
for the account, action, place and query that it was made for. MaxResults may change from page to
page.
"""

import base64
import binascii
import hashlib
import hmac
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from imm_ray.api.json_text import write_json
from imm_ray.errors import InvalidArgument

Position: TypeAlias = Sequence[str | int]
"""The sort values of the last item that was given out."""

MAX_TOKEN = 48 * 1024
"""Characters of the longest token: that of a URI of 4096 bytes and five sort values of 1024 folded
characters. A request line has 64 KiB, and SDKs put all parameters there."""

_TAG = 16
_LONG = 512
_FREE = frozenset({"NextToken", "MaxResults"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageScope:
    """The list that a position lies in."""

    account: str
    action: str
    resource: str
    """The identity of the dataset, or the name of the project, or ''."""
    query: Mapping[str, str]
    """The parameters of the request."""


class PageTokens:
    """Makes and reads tokens with a key derived from the server's ``secret``."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.new(secret, b"imm-ray page token v1", hashlib.sha256).digest()

    def issue(self, scope: PageScope, position: Position) -> str:
        """Return the token of ``position`` in ``scope``."""
        content = write_json(list(position)).encode()
        if len(content) > _LONG:  # escapes double what clients write, and compress well
            content = zlib.compress(content)
        return base64.urlsafe_b64encode(self._tag(scope, content) + content).decode()

    def read(self, scope: PageScope, token: str) -> Position | None:
        """Return the position of ``token``, None for '' (the first page).

        Raises
        ------
        InvalidArgument
            The token was not made here, or for another scope.
        """
        if not token:
            return None
        try:
            sealed = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise _refused() from error
        tag, content = sealed[:_TAG], sealed[_TAG:]
        canonical = base64.urlsafe_b64encode(sealed).decode() == token
        if not hmac.compare_digest(tag, self._tag(scope, content)) or not canonical:
            raise _refused()
        plain = content if content.startswith(b"[") else zlib.decompress(content)
        position: list[str | int] = json.loads(plain)
        return position

    def _tag(self, scope: PageScope, content: bytes) -> bytes:
        query = {name: scope.query[name] for name in sorted(scope.query.keys() - _FREE)}
        sealed = write_json([scope.account, scope.action, scope.resource, query])
        digest = hashlib.sha256(sealed.encode()).digest()
        return hmac.new(self._key, digest + content, hashlib.sha256).digest()[:_TAG]


def _refused() -> InvalidArgument:
    return InvalidArgument.of(
        "NextToken", "it was not returned by this action for these parameters"
    )
