from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.album import Album


@pytest.fixture
def album(tmp_path: Path, store_url: str) -> Iterator[Album]:
    """Six files with a face each: ``a0`` to ``a2`` and ``b0`` to ``b2``."""
    album = Album(tmp_path, store_url)
    album.index("a0", "a1", "a2", "b0", "b1", "b2")
    yield album
    album.database.close()
