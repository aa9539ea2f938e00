"""Clocks, vectors, pictures and an embedder whose answers are given in advance."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from imm_ray.model import (
    Box,
    DetectedFace,
    HeadPose,
    ImageAnalysis,
    Indexed,
    Outcome,
    Refused,
    Source,
    SourceStat,
    Vector,
)


class ManualClock:
    """A clock that moves only when told."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime(2026, 11, 21, 22, 7, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def advance(self, by: timedelta) -> None:
        """Move the time forward."""
        self.now += by


def wall_clock() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


def random_vector(seed: str, dimension: int) -> Vector:
    """Return a unit vector that follows from ``seed`` alone."""
    digest = hashlib.sha256(seed.encode()).digest()
    wide = np.random.default_rng(list(digest)).standard_normal(dimension)
    vector: Vector = (wide / np.linalg.norm(wide)).astype(np.float16)
    return vector


def near(vector: Vector, seed: str, cosine: float) -> Vector:
    """Return a unit vector at ``cosine`` to ``vector``; ``seed`` says in which direction."""
    base = vector.astype(np.float64)
    base /= np.linalg.norm(base)
    other = random_vector(seed, len(vector)).astype(np.float64)
    other -= other @ base * base
    other /= np.linalg.norm(other)
    vector_near: Vector = (cosine * base + np.sqrt(1 - cosine**2) * other).astype(np.float16)
    return vector_near


def face(vector: Vector, *, left: int = 0, quality: float = 0.95) -> DetectedFace:
    """Return a good frontal face of 100 x 100 pixels."""
    return DetectedFace(
        box=Box(left, 0, 100, 100),
        confidence=0.99,
        quality=quality,
        sharpness=0.9,
        head_pose=HeadPose(0.0, 0.0, 0.0),
        vector=vector,
    )


def picture(
    name: str, *faces: DetectedFace, vector: Vector | None = None, score: float = 0.5
) -> Indexed:
    """Return the outcome of a 640 x 480 JPEG with these faces."""
    return Indexed(
        stat=SourceStat(
            size=1000, etag=name, content_hash=hashlib.sha256(name.encode()).hexdigest()
        ),
        content_type="image/jpeg",
        analysis=ImageAnalysis(
            width=640,
            height=480,
            orientation=1,
            content_type="image/jpeg",
            faces=faces,
            vector=vector,
            image_score=score,
        ),
    )


class FakeEmbedder:
    """An embedder whose answers are given in advance; a URI it does not know is Refused.

    ``calls`` holds the URIs of every call. A ``hook`` that raises makes a call fail.
    """

    def __init__(self, outcomes: Mapping[str, Outcome] | None = None) -> None:
        self.outcomes: dict[str, Outcome] = dict(outcomes or {})
        self.calls: list[list[str]] = []
        self.hook: Callable[[Sequence[Source]], None] = lambda sources: None

    async def embed(self, sources: Sequence[Source]) -> Sequence[Outcome]:
        """Return the prepared outcomes."""
        self.calls.append([source.uri for source in sources])
        self.hook(sources)
        missing = Refused("File does not exist.")
        return [self.outcomes.get(source.uri, missing) for source in sources]


def upload_uri(content: bytes) -> str:
    """Return the URI under which a `FakeEmbedder` is asked for an uploaded picture."""
    return f"upload:{hashlib.sha256(content).hexdigest()}"
