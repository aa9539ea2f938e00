"""EXIF of a picture as checked text: a fixed list of tags, everything else is dropped."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

ORIENTATION = int(ExifTags.Base.Orientation)
_MAX_TEXT = 256
_TIME = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", re.ASCII)
_ZONE = re.compile(r"[+-]\d\d:\d\d", re.ASCII)

_MAIN = {
    ExifTags.Base.Make: "Make",
    ExifTags.Base.Model: "Model",
    ExifTags.Base.Software: "Software",
    ExifTags.Base.Orientation: "Orientation",
    ExifTags.Base.DateTime: "DateTime",
    ExifTags.Base.Artist: "Artist",
    ExifTags.Base.Copyright: "Copyright",
    ExifTags.Base.ImageDescription: "ImageDescription",
}
_DETAIL = {
    ExifTags.Base.DateTimeOriginal: "DateTimeOriginal",
    ExifTags.Base.DateTimeDigitized: "DateTimeDigitized",
    ExifTags.Base.OffsetTimeOriginal: "OffsetTimeOriginal",
    ExifTags.Base.ExposureTime: "ExposureTime",
    ExifTags.Base.FNumber: "FNumber",
    ExifTags.Base.ISOSpeedRatings: "ISOSpeedRatings",
    ExifTags.Base.FocalLength: "FocalLength",
    ExifTags.Base.FocalLengthIn35mmFilm: "FocalLengthIn35mmFilm",
    ExifTags.Base.ExposureBiasValue: "ExposureBiasValue",
    ExifTags.Base.Flash: "Flash",
    ExifTags.Base.WhiteBalance: "WhiteBalance",
    ExifTags.Base.LensModel: "LensModel",
}


@dataclass(frozen=True, slots=True)
class Exif:
    """What is known of how a picture was taken."""

    orientation: int = 1
    produce_time: str = ""
    """RFC 3339 if a zone is known, else ``YYYY-MM-DDThh:mm:ss``; or ''."""
    lat_long: str = ""
    """``latitude,longitude`` in degrees, or ''."""
    tags: Mapping[str, str] = field(default_factory=dict)


def read_exif(image: Image.Image) -> Exif:
    """Return the EXIF of an opened picture; parts that are broken are left out."""
    main = _block(image.getexif)
    detail = _block(lambda: image.getexif().get_ifd(ExifTags.IFD.Exif))
    position = _block(lambda: image.getexif().get_ifd(ExifTags.IFD.GPSInfo))
    tags = _texts(main, _MAIN) | _texts(detail, _DETAIL)
    orientation = main.get(ORIENTATION)
    return Exif(
        orientation=orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1,
        produce_time=_produce_time(tags),
        lat_long=_lat_long(position),
        tags=tags,
    )


def _block(read: Callable[[], Mapping[int, Any]]) -> dict[int, Any]:
    try:
        return dict(read())
    except Exception:  # noqa: BLE001 - a broken EXIF block is no reason to refuse the picture
        return {}


def _texts(block: Mapping[int, Any], names: Mapping[Any, str]) -> dict[str, str]:
    texts = {name: _text(block.get(int(tag))) for tag, name in names.items()}
    return {name: text for name, text in texts.items() if text}


def _text(value: Any) -> str:
    """Return a value of EXIF as text of printable characters, or ''."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        kept = "".join(c for c in value[: 4 * _MAX_TEXT] if c.isprintable())
        return kept.strip()[:_MAX_TEXT]
    number = _number(value)
    return "" if number is None else f"{number:.10g}"


def _number(value: Any) -> float | None:
    """Return a rational, integer or float of EXIF as a finite float, or None."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _produce_time(tags: Mapping[str, str]) -> str:
    for name in ("DateTimeOriginal", "DateTimeDigitized", "DateTime"):
        match = _TIME.fullmatch(tags.get(name, ""))
        if match is None:
            continue
        zone = tags.get("OffsetTimeOriginal", "") if name == "DateTimeOriginal" else ""
        local = "{}-{}-{}T{}".format(*match.groups())
        for text in (local + zone, local) if _ZONE.fullmatch(zone) else (local,):
            if _is_time(text):
                return text
    return ""


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _lat_long(block: Mapping[int, Any]) -> str:
    latitude = _degrees(block, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, 90)
    longitude = _degrees(block, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, 180)
    if latitude is None or longitude is None:
        return ""
    return f"{latitude:.6f},{longitude:.6f}"


def _degrees(block: Mapping[int, Any], tag: int, reference: int, limit: int) -> float | None:
    parts = block.get(int(tag))
    if not isinstance(parts, tuple) or len(parts) != 3:
        return None
    numbers = [_number(part) for part in parts]
    if any(number is None for number in numbers):
        return None
    degrees = float(sum(number / 60**i for i, number in enumerate(numbers) if number is not None))
    if not 0 <= degrees <= limit:
        return None
    return -degrees if str(block.get(int(reference), "")).upper() in ("S", "W") else degrees
