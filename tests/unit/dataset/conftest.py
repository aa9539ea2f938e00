from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.dataset.owner import Owner


@pytest.fixture
def owner(tmp_path: Path, store_url: str) -> Iterator[Owner]:
    owner = Owner(tmp_path, url=store_url)
    yield owner
    owner.database.close()
