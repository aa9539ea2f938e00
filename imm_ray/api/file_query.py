"""``SimpleQuery``: the grammar of queries over files, as the store's tree of conditions.

What a query may say is checked here, in full, before anything is asked of the store.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import AfterValidator
from pydantic import Field as Limited

from imm_ray.api.schema import AsJson, Wire, is_label_key, read_time
from imm_ray.api.unfilled import is_array, is_unfilled
from imm_ray.store.query.field import LABELS, Field, FieldType, field_at
from imm_ray.store.query.tree import (
    EVERYTHING,
    Compare,
    Comparison,
    Condition,
    Exists,
    Group,
    InBox,
    InPolygon,
    Junction,
    Nested,
    Never,
    SortKey,
    Within,
)
from imm_ray.store.searchable import number_of

MAX_CONDITIONS = 100
MAX_DEPTH = 5
MAX_SORT_FIELDS = 5
MAX_CORNERS = 500
MAX_VALUE = 16_384
MAX_PHRASE = 1024

_COMPARISONS = {comparison.value: comparison for comparison in Comparison}
_JUNCTIONS = {junction.value: junction for junction in Junction}
_GEO = ("geo-distance", "geo-bounding-box", "geo-polygon")
_EXIST, _NESTED = "exist", "nested"
_OPERATIONS = (*_COMPARISONS, _EXIST, *_GEO, *_JUNCTIONS, _NESTED)
_ORDERED_ONLY = (FieldType.NUMBER, FieldType.TIME)
_OF_TEXTS = (Comparison.PREFIX, Comparison.PHRASE)
_DEGREES = re.compile(r"-?\d{1,3}(?:\.\d{1,20})?")


class SimpleQuery(Wire):
    """One condition, or a group of them, as sent."""

    field: Annotated[str, Limited(max_length=256)] | None = None
    value: Annotated[str, Limited(max_length=MAX_VALUE)] | None = None
    operation: str | None = None
    sub_queries: list["SimpleQuery"] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, as a query that the SDK made without arguments."""
        return not (self.field or self.operation or self.value or self.sub_queries)


def read_condition(query: SimpleQuery | None) -> Condition:
    """Return a query as a condition; one that says nothing holds for every file.

    Raises
    ------
    ValueError
        It says what is wrong, and in which condition.
    """
    if query is None or query.is_empty:
        return EVERYTHING
    return _Reader().read(query, depth=0)


def read_sort(sort: str, order: str) -> list[SortKey]:
    """Return what to sort by: fields and their directions, ``desc`` where none is given.

    Raises
    ------
    ValueError
    """
    names = [name.strip() for name in sort.split(",")] if sort.strip() else []
    orders = [word.strip().lower() for word in order.split(",")] if order.strip() else []
    if len(names) > MAX_SORT_FIELDS:
        raise ValueError(f"it has more than {MAX_SORT_FIELDS} fields")
    if len(orders) > len(names):
        raise ValueError("Order has more directions than Sort has fields")
    if wrong := [word for word in orders if word not in ("asc", "desc")]:
        raise ValueError(f"the direction {wrong[0][:40]!r} of Order is neither asc nor desc")
    orders += ["desc"] * (len(names) - len(orders))
    keys = [_sort_key(name, order == "desc") for name, order in zip(names, orders, strict=True)]
    return [key for key in keys if key is not None]


def read_field(path: str) -> Field | None:
    """Return the member at ``path``; None for one of IMM's that no file has here.

    Raises
    ------
    ValueError
        IMM's File has no such member.
    """
    field = field_at(path)
    if field is not None:
        if field.is_label:
            is_label_key(field.member)
        return field
    if is_unfilled(path):
        return None
    hint = f", as in {LABELS}city" if path.startswith(LABELS[:-1]) else ""
    raise ValueError(f"{path[:200]!r} is not a field of a file that can be searched{hint}")


@dataclass(slots=True)
class _Reader:
    """Reads one query and counts what it holds."""

    conditions: int = 0
    corners: int = 0

    def read(self, query: SimpleQuery, *, depth: int, array: str = "") -> Condition:
        operation = (query.operation or "").lower()
        if operation not in _OPERATIONS:
            said = repr(query.operation[:40]) if query.operation else "a missing Operation"
            raise ValueError(f"{said} is not one of {', '.join(_OPERATIONS)}")
        if operation not in _JUNCTIONS and operation != _NESTED:
            return self._leaf(query, operation, array)
        if depth >= MAX_DEPTH:
            raise ValueError(f"groups are nested deeper than {MAX_DEPTH} levels")
        parts = query.sub_queries
        if not parts:
            raise ValueError(f"the operation {operation} has no SubQueries")
        if operation == _NESTED:
            return self._nested(parts, depth, array)
        read = tuple(self.read(part, depth=depth + 1, array=array) for part in parts)
        return Group(_JUNCTIONS[operation], read)

    def _nested(self, parts: Sequence[SimpleQuery], depth: int, outer: str) -> Condition:
        if outer:
            raise ValueError("nested stands inside nested")
        arrays = {field.partition(".")[0] for part in parts for field in _fields_in(part)}
        if len(arrays) != 1 or not is_array(array := arrays.pop()):
            raise ValueError("the conditions in nested are not about the elements of one array")
        read = tuple(self.read(part, depth=depth + 1, array=array) for part in parts)
        if field_at(array) is None:
            return Never()
        return Nested(array, Group(Junction.AND, read))

    def _leaf(self, query: SimpleQuery, operation: str, array: str) -> Condition:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise ValueError(f"there are more than {MAX_CONDITIONS} conditions")
        field, value = _said(query, operation, array)
        if field is None:
            return Never()
        if operation == _EXIST:
            return Exists(field)
        if operation in _GEO:
            return self._geo(field, operation, value)
        return _compare(field, _COMPARISONS[operation], value)

    def _geo(self, field: Field, operation: str, value: str) -> Condition:
        if field.type is not FieldType.PLACE:
            raise ValueError(f"{operation} is for LatLong, and not for {field.path}")
        if operation == "geo-distance":
            return _distance(value)
        points = [_point(part) for part in value.split(";")]
        if operation == "geo-bounding-box":
            return _box(points, value)
        self.corners += len(points)
        if len(points) < 3:
            raise ValueError("a polygon has at least 3 points 'latitude,longitude;…'")
        if self.corners > MAX_CORNERS:
            raise ValueError(f"the polygons have more than {MAX_CORNERS} points")
        return InPolygon(tuple(points))


def _said(query: SimpleQuery, operation: str, array: str) -> tuple[Field | None, str]:
    """Return the field and the value of a condition that has what its operation needs."""
    if not query.field:
        raise ValueError(f"a condition with the operation {operation} has no Field")
    if query.sub_queries:
        raise ValueError(f"the operation {operation} has SubQueries; only groups have them")
    field = read_field(query.field)
    if array and "." not in query.field:
        raise ValueError(f"{query.field!r} is not a member of the elements of an array")
    if query.value is None and operation != _EXIST:
        raise ValueError(f"the condition on {query.field} has no Value")
    return field, query.value or ""


def _fields_in(query: SimpleQuery) -> list[str]:
    inside = [field for part in query.sub_queries or () for field in _fields_in(part)]
    return [query.field, *inside] if query.field else inside


def _compare(field: Field, comparison: Comparison, value: str) -> Condition:
    if field.type is FieldType.PLACE:
        raise ValueError(f"{field.path} is compared with {', '.join(_GEO)} and {_EXIST} only")
    if field.type is FieldType.ARRAY:
        raise ValueError(f"{field.path} is an array: compare a member of its elements")
    if field.type in _ORDERED_ONLY and comparison in _OF_TEXTS:
        raise ValueError(f"{comparison} is for texts, and {field.path} is a {field.type}")
    if comparison is Comparison.PHRASE and len(value) > MAX_PHRASE:
        raise ValueError(
            f"the value of {comparison} on {field.path} has {len(value)} characters, and may have "
            f"{MAX_PHRASE}"
        )
    if field.type is FieldType.TIME:
        return Compare(field, comparison, read_time(value))
    if field.type is FieldType.NUMBER:
        number = number_of(value)
        if number is None:
            raise ValueError(f"{value[:40]!r} is not a number, and {field.path} is")
        return Compare(field, comparison, number)
    return Compare(field, comparison, value)


def _distance(value: str) -> Condition:
    place, semicolon, far = value.partition(";")
    metres = number_of(far.strip()) if semicolon else None
    if metres is None or metres < 0:
        raise ValueError(f"{value[:80]!r} is not 'latitude,longitude;metres'")
    return Within(*_point(place), metres)


def _box(points: Sequence[tuple[float, float]], value: str) -> Condition:
    if len(points) != 2 or points[0][0] < points[1][0]:
        raise ValueError(
            f"{value[:80]!r} is not a top left and a bottom right corner "
            "'latitude,longitude;latitude,longitude'"
        )
    (top, left), (bottom, right) = points
    return InBox(top=top, left=left, bottom=bottom, right=right)


def _point(text: str) -> tuple[float, float]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 2 and all(map(_DEGREES.fullmatch, parts)):
        latitude, longitude = map(float, parts)
        if abs(latitude) <= 90 and abs(longitude) <= 180:
            return latitude, longitude
    raise ValueError(f"{text[:64]!r} is not 'latitude,longitude' in degrees")


def _sort_key(path: str, descending: bool) -> SortKey | None:
    field = read_field(path)
    if field is None:
        return None
    if field.array or field.type in (FieldType.ARRAY, FieldType.PLACE):
        raise ValueError(f"files can not be sorted by {path}, which is an array or a place")
    return SortKey(field, descending)


def _check(query: SimpleQuery) -> SimpleQuery:
    read_condition(query)
    return query


Query: TypeAlias = Annotated[SimpleQuery, AfterValidator(_check), AsJson]
