"""What queries search files by, derived from what is stored of them: words, time, place, labels.

Notes
-----
Every write of a file's attributes, or of what the models read from it, writes these in the same
transaction. They are never the source of anything.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert

from imm_ray.model import DatasetId, JsonObject
from imm_ray.store import tables
from imm_ray.store.database import Tx
from imm_ray.store.query.function import fold

_TEXTS = ("CustomId", "Title", "Artist", "AlbumArtist", "Composer", "Performer", "Album")
_LABEL_TEXTS = ("LabelName", "LabelAlias", "ParentLabelName")
_ADDRESS_TEXTS = ("AddressLine", "Country", "Province", "City", "District", "Township")


def described(
    uri: str, attributes: JsonObject, *, produce_time: str = "", lat_long: str = ""
) -> dict[str, Any]:
    """Return the derived columns of a file; what the client said wins over what the file says.

    A time without a zone counts as UTC.
    """
    return {
        "words": fold("\n".join(text for text in _texts(uri, attributes) if text)),
        "produced_at": _time(attributes.get("ProduceTime") or produce_time),
        **_place(attributes.get("LatLong") or lat_long),
    }


def read_from(row: Any) -> dict[str, str]:
    """Return what a file's row knows of its picture, as `described` takes it."""
    if row.image_score is None:
        return {}
    return {"produce_time": row.produce_time, "lat_long": row.lat_long}


def relabel(tx: Tx, dataset_id: DatasetId, said: Mapping[str, JsonObject]) -> None:
    """Store the labels in what was ``said`` (file id to attributes) in place of those there were.

    A file of which no ``CustomLabels`` are said keeps its own. Keys that differ in case only are
    one label, which has the value given last.
    """
    labels = {i: given["CustomLabels"] for i, given in said.items() if "CustomLabels" in given}
    if not labels:
        return
    r = tables.file_label
    tx.execute(delete(r).where(r.c.file_id.in_(list(labels))))
    rows = [row for file_id, given in labels.items() for row in _rows(dataset_id, file_id, given)]
    if rows:
        tx.execute(insert(r), rows)


def unit_vector(latitude: float, longitude: float) -> tuple[float, float, float]:
    """Return a place on the unit sphere, where distances need no trigonometry.

    >>> unit_vector(90, 0)[2]
    1.0
    """
    across = math.cos(math.radians(latitude))
    return (
        across * math.cos(math.radians(longitude)),
        across * math.sin(math.radians(longitude)),
        math.sin(math.radians(latitude)),
    )


def number_of(text: str) -> float | None:
    """Return the number that ``text`` says, or None.

    >>> number_of("1e2"), number_of("nan"), number_of("1_0")
    (100.0, None, None)
    """
    try:
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def label_text(value: Any) -> str:
    """Return the value of a label as text: JSON's ``true`` and ``false``, Python's numbers."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rows(dataset_id: DatasetId, file_id: str, labels: JsonObject) -> Iterable[dict[str, Any]]:
    rows = {}
    for key, value in labels.items():
        said = label_text(value)
        rows[fold(key)] = {
            "file_id": file_id,
            "label_key": fold(key),
            "dataset_id": dataset_id,
            "value": fold(said),
            "said": said,
            "number": number_of(said),
        }
    return rows.values()


def _texts(uri: str, attributes: JsonObject) -> Iterator[Any]:
    yield uri
    yield from (attributes.get(name) for name in _TEXTS)
    for label in attributes.get("Labels", ()):
        yield from (label.get(name) for name in _LABEL_TEXTS)
    for address in attributes.get("Addresses", ()):
        yield from (address.get(name) for name in _ADDRESS_TEXTS)
    yield from map(label_text, attributes.get("CustomLabels", {}).values())


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _place(text: str) -> dict[str, float | None]:
    names = ("latitude", "longitude", "place_x", "place_y", "place_z")
    degrees = [number_of(part) for part in text.split(",")]
    if len(degrees) != 2 or degrees[0] is None or degrees[1] is None:
        return dict.fromkeys(names)
    latitude, longitude = degrees[0], degrees[1]
    place = (latitude, longitude, *unit_vector(latitude, longitude))
    return dict(zip(names, place, strict=True))
