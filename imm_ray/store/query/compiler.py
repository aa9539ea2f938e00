"""A tree of conditions as one SQL condition on a row of ``file``; every value is a parameter.

Notes
-----
SQL's third truth value stands for false: AND and OR carry it upwards unharmed, and NOT, the only
place where it would matter, turns it into false first.

A condition on one cluster's figures begins with the index of ``membership`` on the cluster, so its
cost follows the size of the cluster and not that of the dataset. A condition on a label begins with
the index on its key and value.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, literal, not_, or_, select, true
from sqlalchemy import exists as sql_exists

from imm_ray.store import tables
from imm_ray.store.query.expression import (
    F,
    Rows,
    Scope,
    Sql,
    files_of_cluster,
    rows_of,
    value_of,
)
from imm_ray.store.query.field import CLUSTER_ID, FIGURES, INDEPENDENT, UNAVAILABLE, FieldType
from imm_ray.store.query.function import Begins, Folded, Texts, fold, occurs
from imm_ray.store.query.tree import (
    Compare,
    Comparison,
    Condition,
    Exists,
    Group,
    InBox,
    InPolygon,
    Junction,
    Mentions,
    Nested,
    Never,
    Within,
)
from imm_ray.store.searchable import number_of, unit_vector

EARTH_RADIUS_M = 6_371_008.8


def compile_condition(condition: Condition, scope: Scope) -> ColumnElement[bool]:
    """Return ``condition`` as SQL."""
    match condition:
        case Group():
            return _group(condition, scope, None)
        case Nested():
            return _any_element(condition.array, condition.inside, scope)
        case Compare() | Exists():
            return _leaf(condition, scope)
        case Mentions():
            return _mentions(condition)
        case Never():
            return false()
        case _:
            return _place(condition)


def is_narrow(condition: Condition) -> bool:
    """Return whether the files that can match are named by a cluster or by a label's value."""
    match condition:
        case Group(Junction.AND, parts):
            return any(map(is_narrow, parts))
        case Nested(array, inside):
            return array == FIGURES and _needs_cluster(inside)
        case Compare():
            equal = condition.comparison is Comparison.EQ
            return _is_cluster(condition) or (condition.field.is_label and equal)
        case _:
            return False


def clusters_in(condition: Condition) -> Iterator[str]:
    """Yield the ids of figure clusters that ``condition`` asks for."""
    match condition:
        case Group():
            for part in condition.parts:
                yield from clusters_in(part)
        case Nested():
            yield from clusters_in(condition.inside)
        case Compare() if _is_cluster(condition):
            yield str(condition.value)


def _group(group: Group, scope: Scope, rows: Rows | None) -> ColumnElement[bool]:
    """Return a group about a file, or about one element when there are ``rows``."""
    parts = [
        compile_condition(part, scope) if rows is None else _inside(part, scope, rows)
        for part in group.parts
    ]
    if group.junction is Junction.AND:
        return and_(true(), *parts)
    either = or_(false(), *parts)
    return either if group.junction is Junction.OR else not_(func.coalesce(either, false()))


def _inside(condition: Condition, scope: Scope, rows: Rows) -> ColumnElement[bool]:
    """Return a condition on one element."""
    match condition:
        case Group():
            return _group(condition, scope, rows)
        case Compare():
            return _compare(rows.member(condition.field.member), condition, scope)
        case Exists():
            return rows.member(condition.field.member).is_not(None)
        case _:
            return false()


def _leaf(leaf: Compare | Exists, scope: Scope) -> ColumnElement[bool]:
    if leaf.field.is_label:
        return _label(leaf, scope)
    if leaf.field.array:
        return _any_element(leaf.field.array, leaf, scope)
    if leaf.field.type is FieldType.ARRAY:
        return _any_element(leaf.field.path, Group(Junction.AND, ()), scope)
    value = value_of(leaf.field, scope)
    return value.is_not(None) if isinstance(leaf, Exists) else _compare(value, leaf, scope)


def _compare(value: Sql, leaf: Compare, scope: Scope) -> ColumnElement[bool]:
    if leaf.comparison is Comparison.PREFIX:
        return Begins(value, literal(leaf.value))
    if leaf.comparison is Comparison.PHRASE:
        return occurs(Folded(value), Folded(literal(leaf.value)))
    wanted: Any = leaf.value
    if leaf.field.path == CLUSTER_ID:
        wanted = scope.heirs.get(wanted, wanted)
    return _ordered(value, leaf.comparison, wanted)


def _ordered(value: Sql, comparison: Comparison, wanted: Any) -> ColumnElement[bool]:
    conditions: dict[Comparison, ColumnElement[bool]] = {
        Comparison.EQ: value == wanted,
        Comparison.GT: value > wanted,
        Comparison.GTE: value >= wanted,
        Comparison.LT: value < wanted,
        Comparison.LTE: value <= wanted,
    }
    return conditions[comparison]


def _any_element(array: str, inside: Condition, scope: Scope) -> ColumnElement[bool]:
    if isinstance(inside, Compare) and _is_cluster(inside):
        return F.file_id.in_(files_of_cluster(str(inside.value), scope))
    of_clusters = array == FIGURES and _needs_cluster(inside)
    rows = rows_of(array, scope, in_clusters=of_clusters)
    condition = _inside(inside, scope, rows)
    if of_clusters:
        return F.file_id.in_(select(rows.file_id).select_from(rows.source).where(condition))
    query = select(literal(1)).select_from(rows.source).where(rows.of_file, condition)
    found = sql_exists(query.correlate(tables.file))
    if isinstance(inside, Compare) and _is_unseen(inside):
        # Figures are as old as what was last read of their file, so old files need no look at them.
        return and_(F.vector_seq > scope.figure_watermark, found)
    return found


def _needs_cluster(inside: Condition) -> bool:
    """Return whether a figure can only fulfil ``inside`` by being in a cluster that it names."""
    if isinstance(inside, Group):
        return inside.junction is Junction.AND and any(map(_needs_cluster, inside.parts))
    return isinstance(inside, Compare) and _is_cluster(inside)


def _is_unseen(leaf: Compare) -> bool:
    is_equal = leaf.comparison is Comparison.EQ
    return leaf.field.path == CLUSTER_ID and is_equal and leaf.value == UNAVAILABLE


def _is_cluster(leaf: Compare) -> bool:
    return (
        leaf.field.path == CLUSTER_ID
        and leaf.comparison is Comparison.EQ
        and leaf.value not in (INDEPENDENT, UNAVAILABLE)
    )


def _label(leaf: Compare | Exists, scope: Scope) -> ColumnElement[bool]:
    r = tables.file_label.c
    of_key = select(r.file_id).where(
        r.dataset_id == scope.dataset.dataset_id, r.label_key == fold(leaf.field.member)
    )
    if isinstance(leaf, Compare):
        of_key = of_key.where(_label_value(leaf))
    return F.file_id.in_(of_key)


def _label_value(leaf: Compare) -> ColumnElement[bool]:
    r, wanted = tables.file_label.c, fold(str(leaf.value))
    if leaf.comparison is Comparison.PREFIX:
        return Begins(r.value, literal(wanted))
    if leaf.comparison is Comparison.PHRASE:
        return occurs(r.value, literal(wanted))
    number = None if leaf.comparison is Comparison.EQ else number_of(str(leaf.value))
    if number is None:
        return _ordered(r.value, leaf.comparison, wanted)
    return _ordered(r.number, leaf.comparison, number)


def _mentions(condition: Mentions) -> ColumnElement[bool]:
    words = json.dumps(sorted(set(condition.words), key=lambda word: (-len(word), word)))
    word = Texts(literal(words)).table_valued("value")
    missing = select(literal(1)).select_from(word).where(not_(occurs(F.words, word.c.value)))
    return not_(sql_exists(missing.correlate(tables.file)))


def _place(condition: Within | InBox | InPolygon) -> ColumnElement[bool]:
    match condition:
        case Within():
            return _within(condition)
        case InBox():
            return _in_box(condition)
        case InPolygon():
            return _in_polygon(condition)


def _within(circle: Within) -> ColumnElement[bool]:
    x, y, z = unit_vector(circle.latitude, circle.longitude)
    angle = min(circle.metres / EARTH_RADIUS_M, math.pi)
    longest = 2 * math.sin(angle / 2)  # the chord of a great circle's arc
    dx, dy, dz = F.place_x - x, F.place_y - y, F.place_z - z
    return dx * dx + dy * dy + dz * dz <= longest * longest


def _in_box(box: InBox) -> ColumnElement[bool]:
    high = F.latitude.between(box.bottom, box.top)
    if box.left <= box.right:
        return and_(high, F.longitude.between(box.left, box.right))
    return and_(high, or_(F.longitude >= box.left, F.longitude <= box.right))


def _in_polygon(polygon: InPolygon) -> ColumnElement[bool]:
    """Return whether a ray from the place to the east crosses the border an odd number of times."""
    crossings: Sql = literal(0)
    ends = zip(polygon.corners, (*polygon.corners[1:], polygon.corners[0]), strict=True)
    for low, high in (sorted(edge) for edge in ends):
        if low[0] == high[0]:
            continue
        slope = (high[1] - low[1]) / (high[0] - low[0])
        at = literal(low[1]) + literal(slope) * (F.latitude - low[0])
        crossed = and_(F.latitude >= low[0], F.latitude < high[0], F.longitude < at)
        crossings = crossings + case((crossed, 1), else_=0)
    return and_(F.latitude.is_not(None), crossings % 2 == 1)
