"""Conditions that name figures, clusters or labels are looked up, in alternatives too."""

import re
from dataclasses import replace
from typing import Any

import pytest

from imm_ray.model import DatasetId
from imm_ray.store.query import page as queries
from tests.unit.store.album import Album
from tests.unit.store.test_query import here, leaf, plan_of, read


def person(cluster_id: str) -> dict[str, Any]:
    return leaf("Figures.FigureClusterId", "eq", cluster_id)


def junction(operation: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"Operation": operation, "SubQueries": list(parts)}


def good(part: dict[str, Any]) -> dict[str, Any]:
    return junction("and", part, leaf("Figures.FaceQuality", "gte", "0"))


def found(album: Album, query: dict[str, Any]) -> str:
    with album.database.read() as tx:
        files = queries.page(tx, here(album), read(query), limit=10)
        assert queries.count(tx, here(album), read(query)) == len(files)
    return " ".join(item.file.uri for item in files)


@pytest.fixture
def people(album: Album) -> Album:
    """``A``: a0 a1, ``B``: b0 (``C`` went into it), alone: a2 b1 b2."""
    album.run({"A": ["a0", "a1"], "B": ["b0"], "C": ["b1"]})
    album.run({"B": ["b1"]}, retired={"C": "B"})
    return album


def test_alternatives_of_narrow_conditions_find_what_each_finds(people: Album) -> None:
    figure = leaf("Figures.FigureId", "eq", people.figure("a2"))
    either = junction("or", person("A"), person("B"))
    assert found(people, either) == "a0 a1 b0 b1"
    assert found(people, junction("or", person("A"), person("C"))) == "a0 a1 b0 b1"
    assert found(people, figure) == "a2"
    assert found(people, junction("or", figure, person("B"))) == "a2 b0 b1"
    assert found(people, junction("or", figure, leaf("URI", "eq", "b2"))) == "a2 b2"
    assert found(people, junction("and", either, leaf("URI", "gt", "a0"))) == "a1 b0 b1"
    assert found(people, junction("or", good(person("A")), person("nobody"))) == "a0 a1"
    assert found(people, junction("not", either)) == "a2 b2"
    assert found(people, junction("nested", junction("or", figure, person("A")))) == "a0 a1 a2"
    assert found(people, junction("nested", junction("or", person("C"), good(person("A"))))) == (
        "a0 a1 b0 b1"
    )
    assert found(people, junction("nested", good(figure))) == "a2"
    assert found(people, junction("nested", figure, person("A"))) == ""


def test_a_figure_of_another_dataset_is_not_found(people: Album) -> None:
    figure = leaf("Figures.FigureId", "eq", people.figure("a2"))
    other = replace(here(people), dataset_id=DatasetId("other"))
    with people.database.read() as tx:
        for query in (figure, junction("or", figure, person("A"))):
            assert queries.count(tx, other, read(query)) == 0


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # plans are SQLite's own
@pytest.mark.parametrize("sort", ["", "CreateTime", "Size,URI"])
@pytest.mark.parametrize(
    "query",
    [
        junction("or", person("A"), person("B")),
        junction("or", person("A"), leaf("CustomLabels.City", "eq", "Rome")),
        junction("and", junction("or", good(person("A")), person("B")), leaf("Size", "gt", "1")),
        leaf("Figures.FigureId", "eq", "f"),
        junction("or", leaf("Figures.FigureId", "eq", "f"), person("A")),
        junction("nested", good(leaf("Figures.FigureId", "eq", "f"))),
        junction("nested", junction("or", good(person("A")), good(person("B")))),
    ],
)
def test_no_file_is_read_that_is_not_named(album: Album, query: dict[str, Any], sort: str) -> None:
    plan = plan_of(album, query, sort)
    assert re.search(r"SEARCH file USING INDEX \w+ \(file_id=\?\)", plan), plan
    assert not re.search(r"SCAN (file|g|m)\b", plan), plan
    assert "(dataset_id=? AND kind=?)" not in plan, plan
    assert not re.search(r"dataset_id=\?\)", plan), plan


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # plans are SQLite's own
def test_alternatives_of_which_one_is_wide_are_not_hidden_from_the_order(album: Album) -> None:
    wide = junction("or", person("A"), leaf("URI", "prefix", "a"))
    assert "USING INDEX sqlite_autoindex_file_2 (dataset_id=?)" in plan_of(album, wide)
