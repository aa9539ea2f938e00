"""What a handler is given beside its transaction and its parameters, and what it gives back."""

import secrets
import string
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from imm_ray.api.admission import Admission
from imm_ray.api.asking import Asking, Raw
from imm_ray.api.notification import NotificationBuilder
from imm_ray.api.paging import PageScope, PageTokens, Position
from imm_ray.api.ports import Ports
from imm_ray.model import DatasetId
from imm_ray.settings import Settings

T = TypeVar("T")
Ask: TypeAlias = Callable[[Asking], Awaitable[Mapping[str, Any] | Raw]]
"""What an action does outside of transactions; it returns the response."""

_BASE62 = string.digits + string.ascii_letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all calls share."""

    settings: Settings
    tokens: PageTokens
    notifications: NotificationBuilder
    admission: Admission
    ports: Ports | None = None
    """None where there are neither models nor owners: actions that ask them are then refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One verified request."""

    action: str
    account: str
    request_id: str
    now: datetime
    parameters: Mapping[str, str]
    """As sent; a handler reads its validated parameters instead."""
    surroundings: Surroundings
    check_dataset: Callable[[str], None]
    """Refuses with NoPermission where a policy denies the action on that dataset of the project."""

    @property
    def tasks_since(self) -> datetime:
        """A task that started before this has expired."""
        return self.now - timedelta(days=self.surroundings.settings.tasks.retention_days)

    def position(self, token: str, resource: str) -> Position | None:
        """Return where the page that ``token`` asks for begins."""
        return self.surroundings.tokens.read(self._scope(resource), token)

    def page(
        self,
        found: Sequence[T],
        limit: int,
        *,
        resource: str,
        position: Callable[[T], Position],
    ) -> tuple[Sequence[T], dict[str, Any]]:
        """Return one page and, when there is more, the NextToken.

        ``found`` holds up to ``limit`` + 1 items: the last one only tells that there is more.
        """
        if len(found) <= limit:
            return found, {}
        items = found[:limit]
        token = self.surroundings.tokens.issue(self._scope(resource), position(items[-1]))
        return items, {"NextToken": token}

    def _scope(self, resource: str) -> PageScope:
        return PageScope(
            account=self.account, action=self.action, resource=resource, query=self.parameters
        )


@dataclass(frozen=True, slots=True)
class Written:
    """The response of a write, and the datasets whose owners are to be woken once it is durable."""

    body: Mapping[str, Any]
    ring: tuple[DatasetId, ...] = ()
    ask: Ask | None = None
    """Set by an action that asks: it makes the response, in the place of ``body``."""


def new_request_id() -> str:
    """Return a RequestId: an upper-case UUID."""
    return str(uuid.uuid4()).upper()


def new_event_id() -> str:
    """Return an EventId in IMM's pattern: three hex digits, a hyphen, 27 letters and digits."""
    tail = "".join(secrets.choice(_BASE62) for _ in range(27))
    return f"{secrets.randbelow(4096):03X}-{tail}"
