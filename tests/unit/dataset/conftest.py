from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.dataset.owner import Owner

ON_BOTH = ("test_engine", "test_lineage", "test_door")
"""What an engine writes, each way once; the other tests are about what it computes."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_url" in metafunc.fixturenames:
        on_both = metafunc.module.__name__.rpartition(".")[2] in ON_BOTH
        kinds = ["sqlite", "postgresql"] if on_both else ["sqlite"]
        metafunc.parametrize("store_url", kinds, indirect=True)


@pytest.fixture
def owner(tmp_path: Path, store_url: str) -> Iterator[Owner]:
    owner = Owner(tmp_path, url=store_url)
    yield owner
    owner.database.close()
