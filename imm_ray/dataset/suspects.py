"""Embeds pictures that are no files of the dataset, though one of them may kill the embedder."""

import asyncio
from collections.abc import Sequence

import structlog

from imm_ray.dataset.ports import Embedder, EmbedderDied, EmbedderUnavailable
from imm_ray.model import Outcome, Refused, Source

ATTEMPTS = 3
"""A picture with which alone the embedder died so often is refused."""

_log = structlog.get_logger(__name__)


class InTurn:
    """An embedder that is asked for one chunk after the other, in the order of the requests.

    What shares it has one chunk of work done each in turn, and no picture is in hand together with
    one of somebody else, on whom it could put the blame for the embedder's death.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._turn = asyncio.Lock()

    async def embed(self, sources: Sequence[Source]) -> Sequence[Outcome]:
        """Return one outcome for each source, in their order (raises as an `Embedder`)."""
        async with self._turn:
            return await self._embedder.embed(sources)


async def embed_all(
    embedder: Embedder, sources: Sequence[Source], *, size: int, retry_s: float
) -> list[Outcome]:
    """Return one outcome for each source, in their order; ``size`` go together.

    When the embedder dies with several in hand each is tried alone. While there is none this waits.
    """
    outcomes: list[Outcome] = []
    for start in range(0, len(sources), size):
        part = sources[start : start + size]
        found = await _attempt(embedder, part, retry_s)
        if found is None:
            found = [await _alone(embedder, source, retry_s) for source in part]
        outcomes += found
    return outcomes


async def _alone(embedder: Embedder, source: Source, retry_s: float) -> Outcome:
    for _ in range(ATTEMPTS):
        found = await _attempt(embedder, [source], retry_s)
        if found is not None:
            return found[0]
    return Refused(f"The file stopped the analysis {ATTEMPTS} times.")


async def _attempt(
    embedder: Embedder, sources: Sequence[Source], retry_s: float
) -> Sequence[Outcome] | None:
    """Return the outcomes, None when the embedder died."""
    while True:
        try:
            return await embedder.embed(sources)
        except EmbedderDied as error:
            _log.warning("embedder died", files=len(sources), why=str(error))
            return None
        except EmbedderUnavailable as error:
            _log.warning("embedder unavailable", why=str(error))
            await asyncio.sleep(retry_s)
