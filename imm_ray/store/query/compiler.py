"""A tree of conditions as one SQL condition on a row of ``file``; every value is a parameter.

Notes
-----
SQL's third truth value stands for false: AND and OR carry it upwards unharmed, and NOT, the only
place where it would matter, turns it into false first.

A condition on one cluster's figures begins with the index of ``membership`` on the cluster, so its
cost follows the size of the cluster and not that of the dataset. A condition on a figure begins
with its key, one on a label with the index on its key and value; alternatives of such conditions
begin with the union of what each of them names.
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union,
)
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
from imm_ray.store.query.field import (
    CLUSTER_ID,
    FIGURE_ID,
    FIGURES,
    INDEPENDENT,
    UNAVAILABLE,
    FieldType,
)
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
    """Return whether the files that can match are named by figures, by clusters or by labels.

    A group of alternatives names them when each of its parts does.
    """
    match condition:
        case Group(Junction.AND, parts):
            return any(map(is_narrow, parts))
        case Group(Junction.OR, parts):
            return bool(parts) and all(map(is_narrow, parts))
        case Nested(array, inside):
            return array == FIGURES and _names_figures(inside)
        case Compare():
            equal = condition.comparison is Comparison.EQ
            return _names_figures(condition) or (condition.field.is_label and equal)
        case _:
            return False


def clusters_in(condition: Condition) -> Iterator[str]:
    """Yield the ids of figure clusters that ``condition`` asks for."""
    return _named_in(condition, _is_cluster)


def _named_in(condition: Condition, is_name: Callable[[Compare], bool]) -> Iterator[str]:
    match condition:
        case Group():
            for part in condition.parts:
                yield from _named_in(part, is_name)
        case Nested():
            yield from _named_in(condition.inside, is_name)
        case Compare() if is_name(condition):
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
    if group.junction is Junction.NOT:
        return not_(func.coalesce(either, false()))
    if rows is None and is_narrow(group):
        # SQLite looks up what one list of ids names, and reads every file for two lists.
        return and_(F.file_id.in_(union(*_named(group, scope))), either)
    return either


def _named(condition: Condition, scope: Scope) -> Iterator[Select[Any]]:
    """Yield queries of ids, among which are all files that match a narrow ``condition``."""
    match condition:
        case Group(Junction.AND, parts):
            yield from _named(next(filter(is_narrow, parts)), scope)
        case Group(Junction.OR, parts):
            for part in parts:
                yield from _named(part, scope)
        case Nested():
            yield _files_of_figures(condition.inside, scope)
        case Compare() if condition.field.is_label:
            yield _labelled(condition, scope)
        case Compare():
            yield _files_of_figures(condition, scope)


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
    if array == FIGURES and _names_figures(inside):
        return F.file_id.in_(_files_of_figures(inside, scope))
    rows = rows_of(array, scope)
    condition = _inside(inside, scope, rows)
    query = select(literal(1)).select_from(rows.source).where(rows.of_file, condition)
    found = sql_exists(query.correlate(tables.file))
    if isinstance(inside, Compare) and _is_unseen(inside):
        # Figures are as old as what was last read of their file, so old files need no look at them.
        return and_(F.vector_seq > scope.figure_watermark, found)
    return found


def _files_of_figures(inside: Condition, scope: Scope) -> Select[Any]:
    """Return the ids of the files with one of the figures that ``inside`` names."""
    if isinstance(inside, Compare) and _is_cluster(inside):
        return files_of_cluster(str(inside.value), scope)
    if in_clusters := _names(inside, _is_cluster):
        ids = {scope.heirs.get(cluster, cluster) for cluster in clusters_in(inside)}
    else:
        ids = set(_named_in(inside, _is_figure))
    rows = rows_of(FIGURES, scope, in_clusters=in_clusters)
    key = rows.member("FigureClusterId" if in_clusters else "FigureId")
    # All ids once more: within alternatives that say more of a figure no index would be searched.
    condition = and_(key.in_(sorted(ids)), _inside(inside, scope, rows))
    return select(rows.file_id).select_from(rows.source).where(condition)


def _names_figures(inside: Condition) -> bool:
    """Return whether a figure can only fulfil ``inside`` by its id, or by its cluster's."""
    return _names(inside, _is_cluster) or _names(inside, _is_figure)


def _names(inside: Condition, is_name: Callable[[Compare], bool]) -> bool:
    match inside:
        case Group(Junction.AND, parts):
            return any(_names(part, is_name) for part in parts)
        case Group(Junction.OR, parts):
            return bool(parts) and all(_names(part, is_name) for part in parts)
        case Compare():
            return is_name(inside)
        case _:
            return False


def _is_unseen(leaf: Compare) -> bool:
    is_equal = leaf.comparison is Comparison.EQ
    return leaf.field.path == CLUSTER_ID and is_equal and leaf.value == UNAVAILABLE


def _is_cluster(leaf: Compare) -> bool:
    return (
        leaf.field.path == CLUSTER_ID
        and leaf.comparison is Comparison.EQ
        and leaf.value not in (INDEPENDENT, UNAVAILABLE)
    )


def _is_figure(leaf: Compare) -> bool:
    return leaf.field.path == FIGURE_ID and leaf.comparison is Comparison.EQ


def _label(leaf: Compare | Exists, scope: Scope) -> ColumnElement[bool]:
    return F.file_id.in_(_labelled(leaf, scope))


def _labelled(leaf: Compare | Exists, scope: Scope) -> Select[Any]:
    """Return the ids of the files with a label."""
    r = tables.file_label.c
    of_key = select(r.file_id).where(
        r.dataset_id == scope.dataset.dataset_id, r.label_key == fold(leaf.field.member)
    )
    return of_key.where(_label_value(leaf)) if isinstance(leaf, Compare) else of_key


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
