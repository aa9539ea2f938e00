"""What an action is given that asks models or owners, instead of a transaction."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from imm_ray.api.ports import Owners, Pictures, Ports, ThumbnailCache
from imm_ray.errors import InvalidArgument, ServiceUnavailable
from imm_ray.model import ImageAnalysis, Outcome, Picture, Refused
from imm_ray.store.database import Database, Tx

T = TypeVar("T")


class InThread(Protocol):
    """Runs what blocks away from the event loop."""

    def __call__(self, run: Callable[[], T], /) -> Awaitable[T]:
        """Return what ``run`` returns."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A response that is no JSON."""

    content: bytes
    content_type: str


class Asking:
    """Reads, models and owners for one request; its handler is cancelled when time is up.

    Parameters
    ----------
    deadline
        When a read is stopped, by `time.monotonic`.
    """

    def __init__(
        self,
        database: Database,
        ports: Ports | None,
        in_thread: InThread,
        *,
        deadline: float | None = None,
    ) -> None:
        self._database = database
        self._deadline = deadline
        self._ports = ports
        self._in_thread = in_thread

    @property
    def pictures(self) -> Pictures:
        """Models and decoders."""
        return self._given.pictures

    @property
    def owners(self) -> Owners:
        """Owners of datasets."""
        return self._given.owners

    @property
    def thumbnails(self) -> ThumbnailCache:
        """Thumbnails that were made before."""
        return self._given.thumbnails

    async def read(self, run: Callable[[Tx], T]) -> T:
        """Return what ``run`` reads in a transaction of its own."""
        return await self.in_thread(lambda: self._read(run))

    async def in_thread(self, run: Callable[[], T]) -> T:
        """Return what ``run`` returns; it may block."""
        return await self._in_thread(run)

    async def look(self, picture: Picture, parameter: str) -> ImageAnalysis:
        """Return what is in the picture of a parameter.

        Raises
        ------
        InvalidArgument
            It can not be read or decoded.
        ServiceUnavailable
            Its bucket or the models do not answer.
        """
        return analysis_of(await self.pictures.look(picture), parameter)

    @property
    def _given(self) -> Ports:
        if self._ports is None:
            raise ServiceUnavailable(
                "This server runs without models and owners of datasets, so it can not look into "
                "pictures. Ask one that was started with `imm-ray serve`."
            )
        return self._ports

    def _read(self, run: Callable[[Tx], T]) -> T:
        with self._database.read(deadline=self._deadline) as tx:
            return run(tx)


def analysis_of(outcome: Outcome, parameter: str) -> ImageAnalysis:
    """Return the analysis of a picture that was looked at, or raise as `Asking.look` does."""
    if isinstance(outcome, Refused):
        if outcome.transient:
            raise ServiceUnavailable(f"{outcome.reason} Try again.")
        raise InvalidArgument.of(parameter, outcome.reason.rstrip("."))
    if outcome.analysis is None:
        raise InvalidArgument.of(parameter, "it is no picture")
    return outcome.analysis
