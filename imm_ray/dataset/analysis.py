"""One file from its URI to its outcome: fetch once, decode once, every model."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from imm_ray.errors import SourceError
from imm_ray.media.buckets import content_type
from imm_ray.model import (
    DetectedFace,
    ImageAnalysis,
    Indexed,
    Outcome,
    Picture,
    Pixels,
    Refused,
    Source,
    SourceStat,
    Vector,
)

_log = structlog.get_logger(__name__)

_OTHER_MEDIA = frozenset({"video", "audio", "document", "archive", "other"})


class Fetched(Protocol):
    """A stored object's bytes."""

    @property
    def data(self) -> bytes:
        """The bytes."""

    @property
    def stat(self) -> SourceStat:
        """Which version they are, with their hash."""


class Reader(Protocol):
    """Reads objects by URI, from what an account may use; every refusal is a `SourceError`."""

    def stat(self, uri: str, account: str) -> SourceStat:
        """Return what tells this version of the object from another."""

    def read(self, uri: str, account: str) -> Fetched:
        """Return the object's bytes."""


class Decoded(Protocol):
    """An upright picture."""

    @property
    def pixels(self) -> Pixels:
        """BGR, reduced."""

    @property
    def width(self) -> int:
        """Of the full size."""

    @property
    def height(self) -> int:
        """Of the full size."""

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1–8."""

    @property
    def content_type(self) -> str:
        """By content."""

    @property
    def produce_time(self) -> str:
        """When it was taken, or ''."""

    @property
    def lat_long(self) -> str:
        """Where it was taken, or ''."""

    @property
    def exif(self) -> Mapping[str, str]:
        """Some EXIF tags."""


class Decoder(Protocol):
    """Decodes pictures; every refusal is a `SourceError`."""

    def decode(self, data: bytes) -> Decoded:
        """Return the picture in ``data``."""


class Seen(Protocol):
    """What the models see in a picture."""

    @property
    def faces(self) -> tuple[DetectedFace, ...]:
        """The faces."""

    @property
    def vector(self) -> Vector | None:
        """The whole picture's embedding."""

    @property
    def image_score(self) -> float:
        """Overall quality, 0–1."""


class Models(Protocol):
    """All models of one replica."""

    def analyze(self, pixels: Pixels, width: int, height: int) -> Seen:
        """Return what is in an upright picture."""


class PictureAnalyzer:
    """Turns sources into outcomes, several at once.

    A file that can not be indexed is an outcome like any other: no exception ends a batch.
    """

    def __init__(self, reader: Reader, decoder: Decoder, models: Models, *, threads: int) -> None:
        self._reader = reader
        self._decoder = decoder
        self._models = models
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="imm-ray-analysis")

    def analyze_many(self, sources: Sequence[Source]) -> list[Outcome]:
        """Return one outcome for each source, in their order."""
        return list(self._threads.map(self.analyze, sources))

    def analyze(self, source: Source) -> Outcome:
        """Return the outcome of one source."""
        return _outcome(lambda: self._analyze(source), source.uri)

    def look(self, picture: Picture) -> Outcome:
        """Return the outcome of a picture that is given by its place or by its bytes."""
        if isinstance(picture, Source):
            return self.analyze(picture)
        return _outcome(lambda: self._look_at(picture), "an upload")

    def _analyze(self, source: Source) -> Indexed:
        if is_other_media(source):
            return _metadata_only(source, self._reader.stat(source.uri, source.account))
        known = source.known
        if known is not None and known.etag:
            stat = self._reader.stat(source.uri, source.account)
            if (stat.etag, stat.size) == (known.etag, known.size):
                return _unchanged(known)
        fetched = self._reader.read(source.uri, source.account)
        if known is not None and fetched.stat.content_hash == known.content_hash:
            return _unchanged(fetched.stat)
        return self._indexed(fetched.data, fetched.stat)

    def _look_at(self, data: bytes) -> Indexed:
        content_hash = hashlib.sha256(data).hexdigest()
        return self._indexed(data, SourceStat(size=len(data), content_hash=content_hash))

    def _indexed(self, data: bytes, stat: SourceStat) -> Indexed:
        decoded = self._decoder.decode(data)
        seen = self._models.analyze(decoded.pixels, decoded.width, decoded.height)
        return Indexed(
            stat=stat, content_type=decoded.content_type, analysis=_analysis(decoded, seen)
        )


def is_other_media(source: Source) -> bool:
    """Return whether a file is indexed as metadata only: no picture, and known to be none.

    The client said so (``MediaType``), or its name is that of a video or sound. Everything else
    must be a picture.
    """
    if source.media_type:
        return source.media_type in _OTHER_MEDIA
    return content_type(source.uri).startswith(("video/", "audio/"))


def _outcome(analyze: Callable[[], Indexed], name: str) -> Outcome:
    try:
        return analyze()
    except SourceError as error:
        return Refused(error.reason, transient=error.transient)
    except Exception:  # noqa: BLE001 - one file must not stop its dataset
        _log.exception("analysis failed", uri=name)
        return Refused("The file could not be analysed: an internal error, see the log.")


def _metadata_only(source: Source, stat: SourceStat) -> Indexed:
    return Indexed(stat=stat, content_type=content_type(source.uri), analysis=None)


def _unchanged(stat: SourceStat) -> Indexed:
    return Indexed(stat=stat, content_type="", analysis=None, unchanged=True)


def _analysis(decoded: Decoded, seen: Seen) -> ImageAnalysis:
    return ImageAnalysis(
        width=decoded.width,
        height=decoded.height,
        orientation=decoded.orientation,
        content_type=decoded.content_type,
        faces=seen.faces,
        vector=seen.vector,
        image_score=seen.image_score,
        produce_time=decoded.produce_time,
        lat_long=decoded.lat_long,
        exif=decoded.exif,
    )
