"""One replica of the Embedder: fetch, decode, detect, embed."""

import asyncio
from collections.abc import Sequence

from imm_ray.dataset.analysis import PictureAnalyzer
from imm_ray.embed.models import EmbeddedModels
from imm_ray.media.buckets import Buckets
from imm_ray.media.decoder import Decoder
from imm_ray.model import Outcome, Source
from imm_ray.runtime.logging import configure_logging
from imm_ray.settings import Settings


def build_analyzer(settings: Settings) -> PictureAnalyzer:
    """Return the analysis with the settings' buckets, limits and models."""
    return PictureAnalyzer(
        Buckets(settings.buckets, settings.file_roots, settings.limits),
        Decoder(settings.limits),
        EmbeddedModels(settings.models.face, settings.models.image),
        threads=settings.models.analysis_threads,
    )


class Replica:
    """A decoder pool and one copy of each model."""

    def __init__(self, settings: Settings) -> None:
        configure_logging()
        self._analyzer = build_analyzer(settings)

    async def embed(self, sources: Sequence[Source]) -> list[Outcome]:
        """Return one outcome for each source."""
        return await asyncio.to_thread(self._analyzer.analyze_many, sources)
