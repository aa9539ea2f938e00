"""One source to one outcome, with readers, decoders and models that answer as they are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from imm_ray.dataset.analysis import PictureAnalyzer
from imm_ray.errors import SourceError
from imm_ray.model import DetectedFace, Indexed, Pixels, Refused, Source, SourceStat, Vector

STAT = SourceStat(size=3, etag="e1", content_hash="h1")


@dataclass
class Fetched:
    data: bytes
    stat: SourceStat


@dataclass
class ScriptedReader:
    stats: int = 0
    reads: int = 0
    current: SourceStat = STAT

    def stat(self, uri: str, account: str) -> SourceStat:
        self.stats += 1
        self._refuse(uri)
        return replace(self.current, content_hash="")

    def read(self, uri: str, account: str) -> Fetched:
        self.reads += 1
        self._refuse(uri)
        return Fetched(uri.encode(), self.current)

    def _refuse(self, uri: str) -> None:
        if "missing" in uri:
            raise SourceError("File does not exist.")


@dataclass
class Decoded:
    pixels: Pixels
    width: int = 400
    height: int = 300
    orientation: int = 6
    content_type: str = "image/png"
    produce_time: str = "2020-01-02T03:04:05"
    lat_long: str = "1.000000,2.000000"
    exif: Mapping[str, str] = field(default_factory=lambda: {"Make": "maker"})


class ScriptedDecoder:
    def decode(self, data: bytes) -> Decoded:
        if b"damaged" in data:
            raise SourceError("The image is truncated or damaged.")
        return Decoded(np.zeros((30, 40, 3), np.uint8))


@dataclass
class Seen:
    faces: tuple[DetectedFace, ...] = ()
    vector: Vector | None = None
    image_score: float = 0.5


class ScriptedModels:
    def analyze(self, pixels: Pixels, width: int, height: int) -> Seen:
        assert (width, height, pixels.shape) == (400, 300, (30, 40, 3))
        return Seen(vector=np.ones(1, np.float16))


@pytest.fixture
def reader() -> ScriptedReader:
    return ScriptedReader()


@pytest.fixture
def analyzer(reader: ScriptedReader) -> PictureAnalyzer:
    return PictureAnalyzer(reader, ScriptedDecoder(), ScriptedModels(), threads=2)


def test_a_picture_is_indexed_with_all_that_is_known(analyzer: PictureAnalyzer) -> None:
    outcome = analyzer.analyze(Source(uri="oss://b/a.jpg"))
    assert isinstance(outcome, Indexed)
    assert (outcome.stat, outcome.content_type, outcome.unchanged) == (STAT, "image/png", False)
    analysis = outcome.analysis
    assert analysis is not None
    assert (analysis.width, analysis.height, analysis.orientation) == (400, 300, 6)
    assert (analysis.produce_time, analysis.lat_long) == (
        "2020-01-02T03:04:05",
        "1.000000,2.000000",
    )
    assert analysis.exif == {"Make": "maker"}
    assert analysis.image_score == 0.5


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("oss://b/missing.jpg", "File does not exist."),
        ("oss://b/missing.mp4", "File does not exist."),
        ("oss://b/damaged.jpg", "The image is truncated or damaged."),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(
    analyzer: PictureAnalyzer, uri: str, reason: str
) -> None:
    assert analyzer.analyze(Source(uri=uri)) == Refused(reason)


def test_neighbours_of_a_bad_file_are_indexed_in_order(analyzer: PictureAnalyzer) -> None:
    uris = [f"oss://b/{i}-{'damaged' if i % 3 == 0 else 'good'}.jpg" for i in range(20)]
    outcomes = analyzer.analyze_many([Source(uri=uri) for uri in uris])
    assert [isinstance(outcome, Refused) for outcome in outcomes] == [i % 3 == 0 for i in range(20)]


@pytest.mark.parametrize(
    ("uri", "media_type"),
    [
        ("oss://b/a.jpg", "video"),
        ("oss://b/a", "document"),
        ("oss://b/a.MP4", ""),
        ("oss://b/a.mp3", ""),
    ],
)
def test_other_media_are_indexed_as_metadata_only(
    analyzer: PictureAnalyzer, reader: ScriptedReader, uri: str, media_type: str
) -> None:
    outcome = analyzer.analyze(Source(uri=uri, media_type=media_type))
    assert isinstance(outcome, Indexed)
    assert outcome.analysis is None
    assert not outcome.unchanged
    assert reader.reads == 0


@pytest.mark.parametrize("uri", ["oss://b/a", "oss://b/a.txt", "oss://b/a.pdf"])
def test_everything_else_must_be_a_picture(
    analyzer: PictureAnalyzer, reader: ScriptedReader, uri: str
) -> None:
    analyzer.analyze(Source(uri=uri))
    assert reader.reads == 1


def test_what_is_declared_an_image_is_read_whatever_its_name(
    analyzer: PictureAnalyzer, reader: ScriptedReader
) -> None:
    analyzer.analyze(Source(uri="oss://b/a.mp4", media_type="image"))
    assert reader.reads == 1


def test_an_equal_etag_saves_the_reading(analyzer: PictureAnalyzer, reader: ScriptedReader) -> None:
    outcome = analyzer.analyze(Source(uri="oss://b/a.jpg", known=STAT))
    assert isinstance(outcome, Indexed)
    assert outcome.unchanged
    assert outcome.stat == STAT
    assert reader.reads == 0


def test_equal_bytes_under_another_etag_save_the_models(
    analyzer: PictureAnalyzer, reader: ScriptedReader
) -> None:
    reader.current = replace(STAT, etag="e2")
    outcome = analyzer.analyze(Source(uri="oss://b/a.jpg", known=STAT))
    assert isinstance(outcome, Indexed)
    assert outcome.unchanged
    assert outcome.stat.etag == "e2"


@pytest.mark.parametrize("known", [replace(STAT, etag="e0", content_hash="h0"), SourceStat()])
def test_changed_bytes_are_analysed_again(analyzer: PictureAnalyzer, known: SourceStat) -> None:
    outcome = analyzer.analyze(Source(uri="oss://b/a.jpg", known=known))
    assert isinstance(outcome, Indexed)
    assert outcome.analysis is not None
