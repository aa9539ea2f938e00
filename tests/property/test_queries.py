"""Compiled queries against the slow and obvious reading of the same JSON."""

import operator
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imm_ray.api.file_query import SimpleQuery, read_condition, read_field, read_sort
from imm_ray.api.json_text import write_json
from imm_ray.api.render import file_body
from imm_ray.store import migrate
from imm_ray.store.database import Database
from imm_ray.store.query import page as queries
from imm_ray.store.query.function import fold
from imm_ray.store.query.page import Aggregate
from imm_ray.store.query.tree import EVERYTHING, Mentions
from imm_ray.store.searchable import number_of
from tests.property import query_reference as reference
from tests.property.query_world import KEYS, NUMBERS, TIMES, WORDS, World, build, files_of

TEXTS = "URI Filename Title CustomId MediaType ContentType ETag ObjectStatus Reason EXIF ObjectType"
PLAIN_NUMBERS = "Size ImageWidth ImageHeight FigureCount Orientation ImageScore.OverallQualityScore"
ORDERED = ("eq", "gt", "gte", "lt", "lte")
OF_TEXT = (*ORDERED, "prefix", "match-phrase")
RESERVED = ("figure-cluster-id-unavailable", "figure-cluster-id-independent")
AREAS = (
    ("geo-distance", "48.1,11.5;9000"),
    ("geo-distance", "0.25,180;40000"),
    ("geo-distance", "-33.9,151.2;30000000"),
    ("geo-bounding-box", "50,11;48,12"),
    ("geo-bounding-box", "1,179.5;-1,-179"),
    ("geo-polygon", "47,10;47,13;50,11.57"),
    ("geo-polygon", "-40,140;10,140;10,160;-20,150;-40,160"),
)


def leaf(
    fields: str, operations: tuple[str, ...], words: tuple[str, ...]
) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda field, operation, value: {"Field": field, "Operation": operation, "Value": value},
        st.sampled_from(fields.split()),
        st.sampled_from((*operations, "exist")),
        st.sampled_from(words),
    )


def group(parts: st.SearchStrategy[Any], *kinds: str) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda kind, inside: {"Operation": kind, "SubQueries": inside},
        st.sampled_from(kinds),
        st.lists(parts, min_size=1, max_size=3),
    )


FRAGMENTS = (
    *WORDS,
    "oss://b/first/0",
    "a",
    "A",
    ".jpg",
    "image",
    "S",
    "Failed",
    "100%",
    "_",
    "%",
    "",
)
PATHS = "Figures.FigureClusterId Figures.FigureId Figures.FigureType"
FIGURE_NUMBERS = (
    "Figures.FaceQuality Figures.FigureClusterConfidence Figures.Boundary.Width "
    "Figures.HeadPose.Pitch Figures.FigureConfidence"
)


def of_figures(world: int) -> st.SearchStrategy[Any]:
    clusters = tuple(f"Cluster-{world}-{name}" for name in (0, 1, 2, "staged"))
    return st.one_of(
        leaf("Figures.FigureClusterId", ("eq", "eq", "prefix"), (*clusters, *RESERVED)),
        leaf(PATHS, OF_TEXT, (*clusters, *RESERVED, "face", "0")),
        leaf(FIGURE_NUMBERS, ORDERED, NUMBERS),
        st.just({"Field": "Figures.Age", "Operation": "gt", "Value": "3"}),
    )


def of_labels() -> st.SearchStrategy[Any]:
    return st.one_of(
        leaf("Labels.LabelName Labels.Language", OF_TEXT, FRAGMENTS),
        leaf("Labels.LabelConfidence", ORDERED, NUMBERS),
    )


def elements(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    inside = st.recursive(parts, lambda inner: group(inner, "and", "or", "not"), max_leaves=4)
    return group(inside, "nested")


def trees(world: int) -> st.SearchStrategy[Any]:
    figures, labels = of_figures(world), of_labels()
    addresses = leaf("Addresses.City Addresses.Country", OF_TEXT, (*FRAGMENTS, "cn"))
    keys = " ".join(f"CustomLabels.{key}" for key in (*KEYS, "none"))
    leaves = st.one_of(
        leaf(TEXTS, OF_TEXT, FRAGMENTS),
        leaf(PLAIN_NUMBERS, ORDERED, NUMBERS),
        leaf("CreateTime UpdateTime ProduceTime FileModifiedTime", ORDERED, TIMES[1:]),
        leaf(keys, OF_TEXT, (*FRAGMENTS, "True", "3", "9.50")),
        st.sampled_from(AREAS).map(
            lambda area: {"Field": "LatLong", "Operation": area[0], "Value": area[1]}
        ),
        st.sampled_from(["LatLong", "Figures", "Labels", "Addresses", "Duration"]).map(
            lambda field: {"Field": field, "Operation": "exist"}
        ),
        figures,
        labels,
        addresses,
        elements(figures),
        elements(labels),
        elements(addresses),
    )
    return st.recursive(leaves, lambda parts: group(parts, "and", "or", "not"), max_leaves=6)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, list[World]]]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('queries') / 'imm.db'}")
    migrate.upgrade(database)
    yield database, [build(database, seed) for seed in range(12)]
    database.close()


def depth(query: dict[str, Any]) -> int:
    inside = query.get("SubQueries", [])
    return 1 + max(map(depth, inside)) if inside else 0


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), world=st.integers(0, 11))
def test_a_query_finds_what_it_says(
    library: tuple[Database, list[World]], data: st.DataObject, world: int
) -> None:
    database, worlds = library
    query = data.draw(trees(world).filter(lambda tree: depth(tree) <= 5))
    condition = read_condition(SimpleQuery.model_validate(query))
    dataset = worlds[world].dataset
    with database.read() as tx:
        bodies = {f.uri: file_body(f, dataset) for f in files_of(tx, dataset)}
        expected = sorted(uri for uri, body in bodies.items() if reference.holds(query, body))
        found = queries.page(tx, dataset, condition, limit=999)
        assert [item.file.uri for item in found] == expected
        assert queries.count(tx, dataset, condition) == len(expected)


def sort_value(body: dict[str, Any], path: str) -> list[Any]:
    found = reference.values(body, path)
    if not path.startswith("CustomLabels."):
        if found and path in reference.TIMES:
            return [reference.time(found[0])]
        return [found[0] if found else None]
    if not found:
        return [None, None]
    text = ("true" if found[0] else "false") if isinstance(found[0], bool) else str(found[0])
    return [number_of(text), text.casefold()]


SORTS = (
    "URI",
    "Filename",
    "Size",
    "CreateTime",
    "ProduceTime",
    "CustomId",
    "CustomLabels.city",
    "CustomLabels.n",
    "Duration",
    "ImageScore.OverallQualityScore",
    "FigureCount",
    "MediaType",
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    world=st.integers(0, 11),
    sort=st.lists(st.sampled_from(SORTS), max_size=5),
    orders=st.lists(st.sampled_from(["asc", "desc"]), max_size=5),
    limit=st.integers(1, 5),
)
def test_pages_follow_each_other_in_the_order_asked_for(
    library: tuple[Database, list[World]],
    world: int,
    sort: list[str],
    orders: list[str],
    limit: int,
) -> None:
    database, worlds = library
    dataset, orders = worlds[world].dataset, orders[: len(sort)]
    keys = read_sort(",".join(sort), ",".join(orders))
    given: list[str] = []
    with database.read() as tx:
        expected = [file_body(f, dataset) for f in files_of(tx, dataset)]
        after = None
        while found := queries.page(tx, dataset, EVERYTHING, sort=keys, limit=limit, after=after):
            given += [item.file.uri for item in found]
            after = found[-1].position
    expected.sort(key=lambda body: str(body["URI"]))
    wanted = list(zip(sort, orders + ["desc"] * (len(sort) - len(orders)), strict=True))
    for path, order in reversed(wanted):
        for part in reversed(range(len(sort_value(expected[0], path)))):
            there = [b for b in expected if sort_value(b, path)[part] is not None]
            missing = [b for b in expected if sort_value(b, path)[part] is None]
            at = operator.itemgetter(part)
            there.sort(key=lambda b: at(sort_value(b, path)), reverse=order == "desc")
            expected = there + missing  # equal ones stay as they were
    assert given == [body["URI"] for body in expected]


AGGREGATED = (
    "Size",
    "ImageWidth",
    "ImageScore.OverallQualityScore",
    "FigureCount",
    "Figures.FaceQuality",
    "Labels.LabelConfidence",
    "CustomLabels.n",
    "CustomLabels.city",
)
COUNTED = (*AGGREGATED, "Figures.FigureClusterId", "CustomId", "Labels.LabelName", "MediaType")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    world=st.integers(0, 11),
    path=st.sampled_from(COUNTED),
    operation=st.sampled_from(list(Aggregate)),
)
def test_aggregations_count_what_there_is(
    library: tuple[Database, list[World]], world: int, path: str, operation: Aggregate
) -> None:
    numeric = operation in (Aggregate.MIN, Aggregate.MAX, Aggregate.AVERAGE, Aggregate.SUM)
    if numeric and path not in AGGREGATED:
        path = "Size"
    database, worlds = library
    dataset, field = worlds[world].dataset, read_field(path)
    assert field is not None
    with database.read() as tx:
        bodies = [file_body(f, dataset) for f in files_of(tx, dataset)]
        if operation is Aggregate.GROUP:
            found = queries.groups(tx, dataset, EVERYTHING, field, limit=99)
        else:
            value = queries.aggregate(tx, dataset, EVERYTHING, field, operation)
    each = [[label_text(v) for v in reference.values(body, path)] for body in bodies]
    if path.startswith("CustomLabels."):
        each = [[str(v).casefold() for v in of_file] for of_file in each]
    if numeric:
        numbers = [n for of_file in each for v in of_file if (n := number_of(str(v))) is not None]
        expected = {
            Aggregate.MIN: min(numbers, default=None),
            Aggregate.MAX: max(numbers, default=None),
            Aggregate.SUM: sum(numbers),
            Aggregate.AVERAGE: sum(numbers) / len(numbers) if numbers else None,
        }[operation]
        assert value == (None if expected is None else pytest.approx(expected))
    elif operation is Aggregate.GROUP:
        counts = {v: sum(v in of_file for of_file in each) for of_file in each for v in of_file}
        assert {fold(str(g.value)) if field.is_label else g.value: g.count for g in found} == counts
        assert [g.count for g in found] == sorted(counts.values(), reverse=True)
    else:
        distinct = len({v for of_file in each for v in of_file})
        assert value == (distinct if operation is Aggregate.DISTINCT else sum(map(bool, each)))


def label_text(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=st.integers(0, 11), words=st.lists(st.sampled_from(FRAGMENTS[:-1]), min_size=1))
def test_a_fuzzy_query_finds_all_its_words(
    library: tuple[Database, list[World]], world: int, words: list[str]
) -> None:
    database, worlds = library
    dataset = worlds[world].dataset
    condition = Mentions(tuple(word for text in words for word in fold(text).split()))
    paths = ["URI", "CustomId", "Title", "Labels.LabelName", "Addresses.City", "Addresses.Country"]
    with database.read() as tx:
        found = {f.file.uri for f in queries.page(tx, dataset, condition, limit=999)}
        for file in files_of(tx, dataset):
            body = file_body(file, dataset)
            texts = [str(v) for path in paths for v in reference.values(body, path)]
            texts += [str(label_text(v)) for v in body.get("CustomLabels", {}).values()]
            folded = [text.casefold() for text in texts]
            expected = all(any(word in text for text in folded) for word in condition.words)
            assert (file.uri in found) == expected, write_json(body)
