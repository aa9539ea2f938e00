"""Texts in a database whose language is English: by their bytes all the same."""

from pathlib import Path

import pytest

from imm_ray.api.file_query import SimpleQuery, read_condition, read_sort
from imm_ray.errors import InvalidArgument
from imm_ray.model import Dataset, Project
from imm_ray.store import datasets, files, projects
from imm_ray.store.files import InputFile
from imm_ray.store.query import page as queries
from tests.unit.store.album import Album

WORDS = ["b", "Z", "a", "ä", "_", "-a", "A", "é", "zz", "Ab"]


@pytest.fixture
def album(tmp_path: Path, store_url: str) -> Album:
    return Album(tmp_path, store_url)


def index(album: Album, **titles: str) -> Dataset:
    with album.database.write() as tx:
        dataset = datasets.get(tx, "a", "p", "d")
        inputs = [InputFile(uri, {"URI": uri, "Title": said}) for uri, said in titles.items()]
        files.index(tx, dataset, inputs, album.clock())
    return dataset


def found(album: Album, dataset: Dataset, query: dict[str, str], sort: str = "URI") -> list[str]:
    condition = read_condition(SimpleQuery.model_validate(query))
    with album.database.read() as tx:
        rows = queries.page(tx, dataset, condition, sort=read_sort(sort, "asc"), limit=100)
    album.database.close()
    return [row.file.uri for row in rows]


def test_names_are_in_the_order_of_their_bytes(album: Album) -> None:
    now = album.clock()
    with album.database.write() as tx:
        for name in WORDS:
            projects.create(tx, Project(account="b", name=name, created_at=now, updated_at=now))
    with album.database.read() as tx:
        names = [project.name for project in projects.page(tx, "b", limit=100)]
        after = [project.name for project in projects.page(tx, "b", limit=100, after="Z")]
        begun = [project.name for project in projects.page(tx, "b", limit=100, prefix="A")]
    album.database.close()
    assert names == sorted(WORDS)
    assert after == sorted(word for word in WORDS if word > "Z")
    assert begun == ["A", "Ab"]


def test_what_clients_say_is_in_the_order_of_its_bytes(album: Album) -> None:
    dataset = index(album, **{f"u{n}": word for n, word in enumerate(WORDS)})
    uris = {word: f"u{n}" for n, word in enumerate(WORDS)}
    everything = {"Field": "Title", "Operation": "gte", "Value": ""}
    assert found(album, dataset, everything, "Title") == [uris[word] for word in sorted(WORDS)]
    above = {"Field": "Title", "Operation": "gt", "Value": "Z"}
    expected = [uris[word] for word in sorted(WORDS) if word > "Z"]
    assert found(album, dataset, above, "Title") == expected


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("An der STRASSE", "straße"),
        ("An der Straße", "STRASSE"),
        ("ΟΔΟΣ", "οδος"),
        ("οδος", "ΟΔΟΣ"),
        ("50% _off_ \\", "% _OFF_ \\"),
    ],
)
def test_a_phrase_is_found_whatever_the_case_of_its_letters(
    album: Album, said: str, asked: str
) -> None:
    dataset = index(album, x=said, y="another")
    query = {"Field": "Title", "Operation": "match-phrase", "Value": asked}
    assert found(album, dataset, query) == ["x"]


def test_a_prefix_is_taken_as_it_is(album: Album) -> None:
    dataset = index(album, x="a%b", y="axb", z="A%b")
    assert found(album, dataset, {"Field": "Title", "Operation": "prefix", "Value": "a%"}) == ["x"]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_uri_too_long_for_an_index_is_the_clients_fault(album: Album) -> None:
    """IMM's URIs have 1100 bytes at most; what can be compressed may be longer."""
    long = "".join(chr(0x4E00 + n) for n in range(1360))
    with pytest.raises(InvalidArgument, match="too long"):
        index(album, **{long: "x"})
    album.database.close()
