"""One replica of the Embedder: fetch, decode, detect, embed."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from imm_ray.dataset.analysis import PictureAnalyzer
from imm_ray.dataset.thumbnails import Thumbnailer
from imm_ray.embed.models import EmbeddedModels
from imm_ray.measure import REFUSED, UNMEASURED, Measures
from imm_ray.media.buckets import Buckets
from imm_ray.media.decoder import Decoder
from imm_ray.model import Outcome, Picture, Refused, Source, Thumbnail
from imm_ray.runtime.logging import configure_logging
from imm_ray.runtime.measures import RayMeasures
from imm_ray.settings import Settings

T = TypeVar("T")

LONGEST_ASKED_S = 60.0
"""No client waits so long for one picture; a look beyond this hangs, and all others behind it."""

LONGEST_CALL_S = 900.0
"""Some files of a chunk may each take the whole fetch timeout; a call beyond this hangs."""


MOST_ASKED = 32
"""Clients that wait for an answer at once; more would only wait longer than they can."""

_ASKING_THREADS = 2  # beside the indexing, which must neither stop nor hold them up


class ReplicaStuck(Exception):
    """A call hangs: the replica is to be replaced."""


def build_replica(settings: Settings, measures: Measures = UNMEASURED) -> "Replica":
    """Return a replica with the settings' buckets, limits and models."""
    buckets = Buckets(settings.buckets, settings.file_roots, settings.limits)
    decoder = Decoder(settings.limits)
    analyzer = PictureAnalyzer(
        buckets,
        decoder,
        EmbeddedModels(settings.models.face, settings.models.image),
        threads=settings.models.analysis_threads,
    )
    return Replica(analyzer, Thumbnailer(buckets, decoder), measures=measures)


class Replica:
    """A decoder pool and one copy of each model.

    Notes
    -----
    A read that hangs (a dead network file system) can not be interrupted. `check_health` then
    fails, Ray Serve replaces the replica, and the owner learns which files it had in hand.
    """

    def __init__(
        self,
        analyzer: PictureAnalyzer,
        thumbnailer: Thumbnailer,
        *,
        clock: Callable[[], float] = time.monotonic,
        measures: Measures = UNMEASURED,
    ) -> None:
        self._analyzer = analyzer
        self._thumbnailer = thumbnailer
        self._clock = clock
        self._measures = measures
        self._ends: dict[object, float] = {}
        """When each call that is under way counts as hanging."""
        self._asked = 0
        self._askers = ThreadPoolExecutor(_ASKING_THREADS, thread_name_prefix="imm-ray-asked")

    @classmethod
    def of(cls, settings: Settings) -> "Replica":
        """Return a replica with the models of the settings."""
        configure_logging()
        return build_replica(settings, RayMeasures())

    async def embed(self, sources: Sequence[Source]) -> list[Outcome]:
        """Return one outcome for each source."""
        call = object()
        self._ends[call] = self._clock() + LONGEST_CALL_S
        try:
            outcomes = await asyncio.to_thread(self._analyzer.analyze_many, sources)
        finally:
            del self._ends[call]
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                transient = "yes" if outcome.transient else "no"
                self._measures.count(REFUSED, transient=transient)
        return outcomes

    async def look(self, picture: Picture) -> Outcome:
        """Return what is in a picture that a client waits for."""
        return await self._asked_for(lambda: self._analyzer.look(picture))

    async def thumbnail(self, wanted: Thumbnail) -> bytes | Refused:
        """Return a small JPEG that a client waits for."""
        return await self._asked_for(lambda: self._thumbnailer.make(wanted))

    async def _asked_for(self, run: Callable[[], T]) -> T | Refused:
        if self._asked >= MOST_ASKED:
            return Refused("Too many requests look into pictures.", transient=True)
        call = object()
        self._asked += 1

        def begin() -> T:  # its end is its own: who asked may have gone before it
            self._ends[call] = self._clock() + LONGEST_ASKED_S
            try:
                return run()
            finally:
                del self._ends[call]

        try:
            return await asyncio.get_running_loop().run_in_executor(self._askers, begin)
        finally:
            self._asked -= 1

    def check_health(self) -> None:
        """Return when no call hangs.

        Raises
        ------
        ReplicaStuck
        """
        now = self._clock()
        if (end := min(list(self._ends.values()), default=now)) < now:
            raise ReplicaStuck(f"a call should have ended {now - end:.0f} s ago")
