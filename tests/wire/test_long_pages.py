"""Pages of files with the longest URIs and sort values that can be stored."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from imm_ray.api.paging import PageScope, PageTokens
from imm_ray.api.schema import MAX_URI_BYTES
from tests.wire.rig import Rig

REQUEST_LINE = 64 * 1024
NAMES = {"ProjectName": "p", "DatasetName": "d"}
SORTS = ("Title", "Artist", "Album", "Performer", "AlbumArtist")
ALPHABETS = {
    "of many bytes": [chr(code) for code in range(0x10000, 0x30000)],
    "escaped in JSON": ["\\", '"'],
    "of controls": [chr(code) for code in range(1, 32)],
    "of letters": list("abcdefghijklmnopqrstuvwxyz"),
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        rig.album()
        yield rig


def longest_uri(letters: list[str], seed: int) -> str:
    """Return a URI of as many bytes as there may be, nothing of it like another."""
    chosen = random.Random(seed)
    uri = "oss://b/"
    while len((uri + (letter := chosen.choice(letters))).encode()) <= MAX_URI_BYTES:
        uri += letter
    return uri


def said(letters: list[str], seed: int) -> dict[str, Any]:
    chosen = random.Random(seed)
    return {name: "".join(chosen.choices(letters, k=1024)) for name in SORTS} | {
        "CustomLabels": {"note": "".join(chosen.choices(letters, k=1024))}
    }


def paged(rig: Rig, **query: str) -> tuple[list[str], int]:
    """Return the URIs of a listing, page by page, and the length of the longest request."""
    found: list[str] = []
    longest, token = 0, ""
    while True:
        asked = {**query, "NextToken": token} if token else query
        request = rig.request("SimpleQuery", MaxResults="1", **asked, **NAMES)
        longest = max(longest, len(request.query))
        page = rig.call("SimpleQuery", MaxResults="1", **asked, **NAMES)
        found += [file["URI"] for file in page["Files"]]
        if not (token := page.get("NextToken", "")):
            return found, longest


@pytest.mark.parametrize("sort", ["", "Filename," + ",".join(SORTS[:4]), ",".join(SORTS)])
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_the_longest_values_are_paged(rig: Rig, alphabet: str, sort: str) -> None:
    letters = ALPHABETS[alphabet]
    in_uris = ALPHABETS["of letters"] if alphabet == "of controls" else letters
    uris = [longest_uri(in_uris, seed) for seed in range(3)]
    for seed, uri in enumerate(uris):
        rig.call("IndexFileMeta", File={"URI": uri, **said(letters, seed)}, **NAMES)
    found, longest = paged(rig, Sort=sort)
    assert sorted(found) == sorted(uris)
    assert longest < REQUEST_LINE - 8 * 1024


def test_labels_that_grow_when_folded_are_paged(rig: Rig) -> None:
    letters = [chr(0x390), chr(0x3B0), chr(0x1FB7), chr(0x149)]
    keys = [f"k{number}" for number in range(5)]
    uris = [longest_uri(ALPHABETS["of many bytes"], seed) for seed in range(3)]
    for seed, uri in enumerate(uris):
        chosen = random.Random(seed)
        labels = {key: "".join(chosen.choices(letters, k=1024)) for key in keys}
        rig.call("IndexFileMeta", File={"URI": uri, "CustomLabels": labels}, **NAMES)
    found, longest = paged(rig, Sort=",".join(f"CustomLabels.{key}" for key in keys))
    assert sorted(found) == sorted(uris)
    assert longest < REQUEST_LINE - 8 * 1024


@pytest.mark.parametrize("length", [1, 500, 509, 510, 512, 5000])
def test_a_position_of_any_length_comes_back(length: int) -> None:
    tokens = PageTokens(b"secret")
    scope = PageScope(account="1", action="SimpleQuery", resource="d", query={})
    token = tokens.issue(scope, ["ü" * length, 7])
    assert tokens.read(scope, token) == ["ü" * length, 7]
    assert quote(token.rstrip("="), safe="") == token.rstrip("=")
