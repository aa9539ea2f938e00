"""What a query over files may cost: words, phrases, counting."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.wire.rig import Rig

HERE = {"ProjectName": "limits", "DatasetName": "album"}


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        rig.call("CreateProject", ProjectName="limits")
        rig.call("CreateDataset", **HERE)
        yield rig


def phrase(value: str) -> str:
    return json.dumps({"Field": "Title", "Operation": "match-phrase", "Value": value})


def test_a_fuzzy_query_has_at_most_32_different_words(album: Rig) -> None:
    words = [f"word{number}" for number in range(32)]
    said = " ".join([*words, *map(str.upper, words)])
    assert album.call("FuzzyQuery", Query=said, **HERE)["TotalHits"] == 0
    code, message = album.refusal("FuzzyQuery", Query=f"{said} one-more", **HERE)
    assert (code, "33 different words" in message) == ("InvalidArgument", True)


def test_the_value_of_a_phrase_has_at_most_1024_characters(album: Rig) -> None:
    assert album.call("SimpleQuery", Query=phrase("ü" * 1024), **HERE)["TotalHits"] == 0
    code, message = album.refusal("SimpleQuery", Query=phrase("ü" * 1025), **HERE)
    assert (code, "1025 characters" in message) == ("InvalidArgument", True)
    longest = {"Field": "Title", "Operation": "eq", "Value": "ü" * 16_384}
    body: dict[str, Any] = album.call("SimpleQuery", Query=json.dumps(longest), **HERE)
    assert body["Files"] == []


def statements(album: Rig, action: str, **given: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the answer, and what it asked of the database."""
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    event.listen(album.database.engine, "before_cursor_execute", note)
    body = album.call(action, **HERE, **given)
    event.remove(album.database.engine, "before_cursor_execute", note)
    return body, seen


def counted(seen: list[str]) -> int:
    return sum(
        statement.startswith("SELECT count(*)") and "FROM file" in statement for statement in seen
    )


@pytest.mark.parametrize(
    ("action", "query"),
    [("FuzzyQuery", "oss"), ("SimpleQuery", json.dumps({"Field": "URI", "Operation": "exist"}))],
)
def test_hits_are_counted_for_the_first_page_alone(album: Rig, action: str, query: str) -> None:
    album.call(
        "BatchIndexFileMeta",
        Files=json.dumps([{"URI": f"oss://b/{n}.jpg"} for n in "abcd"]),
        **HERE,
    )
    asked: dict[str, Any] = {"Query": query, "MaxResults": 2, "Sort": "ProduceTime"}
    first, seen = statements(album, action, **asked)
    assert (first["TotalHits"], counted(seen)) == (4, 1)
    album.call("IndexFileMeta", File=json.dumps({"URI": "oss://b/e.jpg"}), **HERE)
    second, seen = statements(album, action, NextToken=first["NextToken"], **asked)
    assert (second["TotalHits"], counted(seen)) == (4, 0)
    third, seen = statements(album, action, NextToken=second["NextToken"], **asked)
    assert (third["TotalHits"], len(third["Files"]), counted(seen)) == (4, 1, 0)
    everything, seen = statements(album, action, Query=query)
    assert (everything["TotalHits"], counted(seen)) == (5, 0)  # all are on the page


def test_hits_that_nobody_wants_are_not_counted(album: Rig) -> None:
    album.call(
        "BatchIndexFileMeta", Files=json.dumps([{"URI": f"oss://b/{n}.jpg"} for n in "abc"]), **HERE
    )
    asked: dict[str, Any] = {"MaxResults": 1, "WithoutTotalHits": "true"}
    first, seen = statements(album, "SimpleQuery", **asked)
    second, more = statements(album, "SimpleQuery", NextToken=first["NextToken"], **asked)
    assert ("TotalHits" in first, "TotalHits" in second, counted(seen + more)) == (False, False, 0)


def test_a_request_reads_the_state_of_the_dataset_once(album: Rig) -> None:
    fields = [{"Field": field, "Operation": "count"} for field in ("Size", "Title", "ETag")]
    query = json.dumps({"Field": "Figures.FigureClusterId", "Operation": "eq", "Value": "C"})
    for more in ({}, {"Aggregations": json.dumps(fields)}):
        _, seen = statements(album, "SimpleQuery", Query=query, **more)
        marks = [s for s in seen if s.startswith("SELECT dataset.figure_watermark")]
        assert len(marks) == 1
