"""One replica of the Embedder: fetch, decode, detect, embed."""

import asyncio
import time
from collections.abc import Callable, Sequence

from imm_ray.dataset.analysis import PictureAnalyzer
from imm_ray.embed.models import EmbeddedModels
from imm_ray.media.buckets import Buckets
from imm_ray.media.decoder import Decoder
from imm_ray.model import Outcome, Source
from imm_ray.runtime.logging import configure_logging
from imm_ray.settings import Settings

LONGEST_CALL_S = 900.0
"""Some files of a chunk may each take the whole fetch timeout; a call beyond this hangs."""


class ReplicaStuck(Exception):
    """A call hangs: the replica is to be replaced."""


def build_analyzer(settings: Settings) -> PictureAnalyzer:
    """Return the analysis with the settings' buckets, limits and models."""
    return PictureAnalyzer(
        Buckets(settings.buckets, settings.file_roots, settings.limits),
        Decoder(settings.limits),
        EmbeddedModels(settings.models.face, settings.models.image),
        threads=settings.models.analysis_threads,
    )


class Replica:
    """A decoder pool and one copy of each model.

    Notes
    -----
    A read that hangs (a dead network file system) can not be interrupted. `check_health` then
    fails, Ray Serve replaces the replica, and the owner learns which files it had in hand.
    """

    def __init__(
        self, analyzer: PictureAnalyzer, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._analyzer = analyzer
        self._clock = clock
        self._begun: dict[int, float] = {}

    @classmethod
    def of(cls, settings: Settings) -> "Replica":
        """Return a replica with the models of the settings."""
        configure_logging()
        return cls(build_analyzer(settings))

    async def embed(self, sources: Sequence[Source]) -> list[Outcome]:
        """Return one outcome for each source."""
        call = id(sources)
        self._begun[call] = self._clock()
        try:
            return await asyncio.to_thread(self._analyzer.analyze_many, sources)
        finally:
            del self._begun[call]

    def check_health(self) -> None:
        """Return when no call hangs.

        Raises
        ------
        ReplicaStuck
        """
        longest = self._clock() - min(self._begun.values(), default=self._clock())
        if longest > LONGEST_CALL_S:
            raise ReplicaStuck(f"a call has been under way for {longest:.0f} s")
