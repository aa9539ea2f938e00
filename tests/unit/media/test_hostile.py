"""The hostile corpus: every file gets a verdict, the same each time, and no child dies."""

import csv
import random
from pathlib import Path

import pytest

from imm_ray.errors import SourceError
from imm_ray.media.decoder import Decoder
from imm_ray.settings import Limits


def verdict(decoder: Decoder, path: Path) -> str:
    """Return 'decodable' or the reason."""
    try:
        decoder.decode(path.read_bytes())
    except SourceError as error:
        return error.reason
    return "decodable"


@pytest.mark.timeout(240)
def test_the_hostile_corpus(shared: Path) -> None:
    folder = shared / "data" / "hostile_dev"
    with (folder / "manifest.csv").open(newline="") as file:
        expected = {row["path"]: row["expected"] for row in csv.DictReader(file)}
    paths = list(expected)
    with Decoder(Limits()) as decoder:
        first = {path: verdict(decoder, folder / path) for path in paths}
        random.Random(1).shuffle(paths)
        second = {path: verdict(decoder, folder / path) for path in paths}
    assert first == second
    for path, meaning in expected.items():
        if meaning == "decodable":
            assert first[path] == "decodable", path
        elif meaning == "must be rejected":
            assert first[path] != "decodable", path
        assert "died" not in first[path], path
