"""What is told of every request: its RequestId in each line of the log, its time in the metrics."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextvars import copy_context
from time import monotonic
from typing import Protocol, TypeVar

from structlog.contextvars import bound_contextvars

from imm_ray.api.rpc import HttpRequest
from imm_ray.measure import REQUEST_SECONDS, Measures

T = TypeVar("T")

_OTHER = "other"
_IN_QUERY = re.compile(rb"(?:^|&)Action=(\w{1,64})(?:&|$)")


class Answered(Protocol):
    """An answer."""

    @property
    def status(self) -> int:
        """Its HTTP status."""


R = TypeVar("R", bound=Answered)


async def watched(
    http: HttpRequest,
    request_id: str,
    answer: Callable[[], Awaitable[R]],
    *,
    known: Callable[[str], bool],
    measures: Measures,
) -> R:
    """Return what ``answer`` returns, measured; what is logged meanwhile has the request's id.

    Parameters
    ----------
    known
        Whether there is an action of a name; others are all one in the metrics.
    """
    begun = monotonic()
    with bound_contextvars(request_id=request_id):
        response = await answer()
    name = _action(http)
    action = name if known(name) else _OTHER
    status = str(response.status)
    measures.observe(REQUEST_SECONDS, monotonic() - begun, action=action, status=status)
    return response


def _action(http: HttpRequest) -> str:
    if (name := http.header("x-acs-action")) is not None:
        return name
    found = _IN_QUERY.search(http.query)
    return found[1].decode() if found else ""


async def on(threads: Executor, run: Callable[[], T]) -> T:
    """Return what ``run`` returns on one of ``threads``, where the log knows the request too."""
    return await asyncio.get_running_loop().run_in_executor(threads, copy_context().run, run)
