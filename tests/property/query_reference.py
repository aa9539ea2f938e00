"""What a query means, the slow and obvious way: over the JSON that GetFileMeta returns."""

import math
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

ARRAYS = ("Figures", "Labels", "Addresses")
TIMES = ("CreateTime", "UpdateTime", "FileModifiedTime", "ProduceTime")


def holds(query: Json, file: Json) -> bool:
    operation, parts = query["Operation"], query.get("SubQueries", [])
    if operation == "and":
        return all(holds(part, file) for part in parts)
    if operation == "or":
        return any(holds(part, file) for part in parts)
    if operation == "not":
        return not any(holds(part, file) for part in parts)
    if operation == "nested":
        array = array_of(query)
        return any(
            all(holds(part, {array: [element]}) for part in parts)
            for element in file.get(array, [])
        )
    found = values(file, query["Field"])
    if operation == "exist":
        return bool(found)
    return any(fulfils(query["Field"], operation, value, query["Value"]) for value in found)


def array_of(query: Json) -> str:
    while query.get("SubQueries"):
        query = query["SubQueries"][0]
    return str(query["Field"]).split(".")[0]


def values(file: Json, path: str) -> list[Any]:
    if path.startswith("CustomLabels."):
        wanted = path.removeprefix("CustomLabels.").casefold()
        labels = {key.casefold(): said for key, said in file.get("CustomLabels", {}).items()}
        return [labels[wanted]] if wanted in labels else []
    here: list[Any] = [file]
    for name in path.split("."):
        there = [value[name] for value in here if isinstance(value, dict) and name in value]
        here = [item for value in there for item in (value if isinstance(value, list) else [value])]
    return [value for value in here if value != ""]


def fulfils(path: str, operation: str, value: Any, wanted: str) -> bool:
    if operation.startswith("geo-"):
        return is_there(operation, place(value), wanted)
    if path.startswith("CustomLabels."):
        return label_fulfils(operation, value, wanted)
    if path in TIMES:
        return ordered(operation, time(value), time(wanted))
    if isinstance(value, int | float):
        return ordered(operation, value, float(wanted))
    if operation == "prefix":
        return str(value).startswith(wanted)
    if operation == "match-phrase":
        return wanted.casefold() in str(value).casefold()
    return ordered(operation, str(value), wanted)


def label_fulfils(operation: str, value: Any, wanted: str) -> bool:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value).casefold()
    wanted = wanted.casefold()
    if operation == "prefix":
        return text.startswith(wanted)
    if operation == "match-phrase":
        return wanted in text
    if operation != "eq" and is_number(wanted):
        return is_number(text) and ordered(operation, float(text), float(wanted))
    return ordered(operation, text, wanted)


def ordered(operation: str, value: Any, wanted: Any) -> bool:
    return bool(
        {
            "eq": value == wanted,
            "gt": value > wanted,
            "gte": value >= wanted,
            "lt": value < wanted,
            "lte": value <= wanted,
        }[operation]
    )


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def time(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def place(text: str) -> tuple[float, float]:
    latitude, longitude = text.split(",")
    return float(latitude), float(longitude)


def is_there(operation: str, at: tuple[float, float], wanted: str) -> bool:
    if operation == "geo-distance":
        centre, _, metres = wanted.partition(";")
        return metres_between(at, place(centre)) <= float(metres)
    corners = [place(point) for point in wanted.split(";")]
    if operation == "geo-bounding-box":
        (top, left), (bottom, right) = corners
        across = left <= at[1] <= right if left <= right else not right < at[1] < left
        return bottom <= at[0] <= top and across
    return abs(winding(at, corners)) % 2 == 1


def metres_between(a: tuple[float, float], b: tuple[float, float]) -> float:
    low, high = math.radians(a[0]), math.radians(b[0])
    across = math.radians(b[1] - a[1])
    h = math.sin((high - low) / 2) ** 2 + math.cos(low) * math.cos(high) * math.sin(across / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(h))


def winding(at: tuple[float, float], corners: list[tuple[float, float]]) -> int:
    """Return how often the border turns around the place: the sum of its angles."""
    angles = [math.atan2(corner[1] - at[1], corner[0] - at[0]) for corner in corners]
    turned = 0.0
    for before, after in zip(angles, angles[1:] + angles[:1], strict=True):
        turned += (after - before + math.pi) % (2 * math.pi) - math.pi
    return round(turned / (2 * math.pi))
