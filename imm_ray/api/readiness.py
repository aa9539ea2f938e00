"""Whether requests can be served now, for whoever balances load (Kubernetes: ``readinessProbe``).

``GET /healthz`` says that the process answers; it is for a ``livenessProbe``: restarting it would
not bring back a database. ``GET /readyz`` says that requests will be served: 200, or 503. Neither
asks for a signature, and neither says why; that is in the log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

import structlog

Check = Callable[[], Awaitable[object]]
"""Returns when a part works, and raises when it does not."""

PATIENCE_S = 3.0
"""A part that takes longer to answer is not ready."""
REMEMBERED_S = 1.0
"""So long an answer is given again: anybody may ask, and the parts have other work."""

_log = structlog.get_logger(__name__)


class Readiness:
    """Asks each part whether it works.

    Parameters
    ----------
    checks
        By the name of the part.
    clock
        Seconds of a clock that no one sets.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._checks = checks
        self._patience_s = patience_s
        self._clock = clock
        self._lock = asyncio.Lock()
        self._asked_at: float | None = None
        self._missing: tuple[str, ...] = ()

    async def is_ready(self) -> bool:
        """Return whether every part works."""
        async with self._lock:  # all who ask at once are told what the first of them learns
            now = self._clock()
            if self._asked_at is None or now - self._asked_at >= REMEMBERED_S:
                await self._ask()
                self._asked_at = now
            return not self._missing

    async def _ask(self) -> None:
        names = list(self._checks)
        answers = await asyncio.gather(*map(self._works, names))
        missing = tuple(name for name, works in zip(names, answers, strict=True) if not works)
        if missing != self._missing:
            _log.warning("readiness changed", missing=list(missing))
        self._missing = missing

    async def _works(self, name: str) -> bool:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._checks[name]()
        except Exception as error:  # noqa: BLE001 - whatever it is, the part does not work
            _log.info("not ready", part=name, why=f"{type(error).__name__}: {error}")
            return False
        return True
