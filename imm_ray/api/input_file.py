"""``InputFile``: what a client says of a file that it wants indexed."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field

from imm_ray.api.schema import LabelMap, Rfc3339, ShortText, Uri, Wire
from imm_ray.model import JsonObject

_LAT_LONG = re.compile(r"\s*(-?\d{1,3}(?:\.\d{1,20})?)\s*,\s*(-?\d{1,3}(?:\.\d{1,20})?)\s*")


def _is_lat_long(text: str) -> str:
    match = _LAT_LONG.fullmatch(text)
    if match is None or abs(float(match[1])) > 90 or abs(float(match[2])) > 180:
        raise ValueError(f"{text[:64]!r} is not 'latitude,longitude' in degrees")
    return text


def _is_clip(milliseconds: list[int]) -> list[int]:
    if len(milliseconds) != 2 or not 0 <= milliseconds[0] <= milliseconds[1]:
        raise ValueError("it is not a start and an end in milliseconds")
    return milliseconds


Text: TypeAlias = Annotated[str, Field(max_length=1024)]
Ratio: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class Clip(Wire):
    """A stretch of a video that a label holds for."""

    time_range: Annotated[list[int], AfterValidator(_is_clip)]


class Label(Wire):
    """``Label``."""

    language: ShortText | None = None
    label_name: ShortText | None = None
    label_alias: ShortText | None = None
    parent_label_name: ShortText | None = None
    label_level: Annotated[int, Field(ge=1, le=3)] | None = None
    label_confidence: Ratio | None = None
    centric_score: Ratio | None = None
    clips: Annotated[list[Clip], Field(max_length=1000)] | None = None


class Address(Wire):
    """``Address``."""

    language: ShortText | None = None
    address_line: Text | None = None
    country: ShortText | None = None
    province: ShortText | None = None
    city: ShortText | None = None
    district: ShortText | None = None
    township: ShortText | None = None


class InputFile(Wire):
    """``InputFile``. ``Figures`` is honoured by the update actions only, and ignored here."""

    uri: Annotated[Uri, Field(alias="URI")]
    custom_id: ShortText | None = None
    custom_labels: LabelMap | None = None
    media_type: Literal["image", "video", "audio", "document", "archive", "other"] | None = None
    content_type: ShortText | None = None
    file_hash: ShortText | None = None
    oss_uri: Annotated[Text | None, Field(alias="OSSURI")] = None
    labels: Annotated[list[Label], Field(max_length=1000)] | None = None
    addresses: Annotated[list[Address], Field(max_length=100)] | None = None
    lat_long: Annotated[str, AfterValidator(_is_lat_long)] | None = None
    produce_time: Rfc3339 | None = None
    title: Text | None = None
    artist: Text | None = None
    album_artist: Text | None = None
    composer: Text | None = None
    performer: Text | None = None
    album: Text | None = None

    @property
    def attributes(self) -> JsonObject:
        """What is said of the file beside its URI, in wire spelling; what is not said is absent."""
        said: dict[str, Any] = self.model_dump(
            by_alias=True, exclude={"uri"}, exclude_defaults=True
        )
        return said
