from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Databases
from tests.unit.dataset.owner import Owner

ON_BOTH = ("test_engine", "test_door", "test_leaving")
"""What an engine writes, each way once; the other tests are about what it computes."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_url" in metafunc.fixturenames and metafunc.module.__name__.endswith(ON_BOTH):
        metafunc.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database; SQLite's, where a module is not run with each kind."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'imm.db'}"
        return
    databases: Databases = request.getfixturevalue("postgres")
    with databases.fresh() as url:
        yield url


@pytest.fixture
def owner(tmp_path: Path, store_url: str) -> Iterator[Owner]:
    owner = Owner(tmp_path, url=store_url)
    yield owner
    owner.database.close()
