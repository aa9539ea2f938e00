"""What a query over files may cost: words, phrases, counting."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
