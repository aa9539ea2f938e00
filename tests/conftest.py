"""Fixtures for all tests, and the rule which missing parts are a failure instead of a skip."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from imm_ray.store import migrate
from imm_ray.store.database import Database
from tests.postgres import Databases, NoServer, PostgresServer

SHARED = Path(__file__).parents[2] / "shared"


def missing(part: str, why: str) -> NoReturn:
    """Skip the test, or fail it where ``IMM_RAY_REQUIRE`` says that ``part`` must be there."""
    if part in os.environ.get("IMM_RAY_REQUIRE", "").split(","):
        pytest.fail(f"{part} is required by IMM_RAY_REQUIRE, but {why}")
    pytest.skip(f"needs {part}: {why}")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside the repository."""
    if not (SHARED / "data").is_dir():
        missing("shared", f"there is no reference folder at {SHARED.name}/ beside the repository")
    return SHARED


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL, started when the first test asks for it."""
    try:
        server = PostgresServer()
    except NoServer as error:
        missing("postgres", str(error))
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres(postgres_server: PostgresServer) -> Databases:
    """Databases of the private PostgreSQL, with the current schema."""
    return Databases(postgres_server, _migrate)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of a test's own: the test runs once with each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'imm.db'}"
        return
    databases: Databases = request.getfixturevalue("postgres")
    with databases.fresh() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)


def _migrate(url: str) -> None:
    database = Database(url)
    try:
        migrate.upgrade(database)
    finally:
        database.close()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, which reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one file in one process, and all that start Ray in one.

    They share what is dear to make; two Rays at once would be too much for a small machine.
    """
    for item in items:
        ray = item.get_closest_marker("ray") is not None
        item.add_marker(pytest.mark.xdist_group("ray" if ray else str(item.path)))
