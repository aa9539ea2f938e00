"""Where datasets live: found without waiting for doorbells, forgotten when they are gone."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imm_ray.model import DatasetId
from imm_ray.runtime.directory import Directory
from imm_ray.settings import load_settings
from imm_ray.store.database import Database, Tx

HERE, NEW = DatasetId("here"), DatasetId("new")


class Held(Database):
    """Has its write lock taken by somebody else until it is let go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked, self.let_go = threading.Event(), threading.Event()

    @contextmanager
    def write(self) -> Iterator[Tx]:
        self.asked.set()
        self.let_go.wait()
        with super().write() as tx:
            yield tx


class NoRay(Directory):
    """Gives the names of actors for their handles."""

    def _actor(self, host: str) -> Any:
        return host


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Held]:
    database = Held(f"sqlite:///{tmp_path / 'imm.db'}")
    yield database
    database.close()


@pytest.fixture
def directory(
    database: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Directory]:
    monkeypatch.setattr(
        "imm_ray.runtime.directory.ownership.place",
        lambda tx, dataset_id, hosts, **known: f"host of {dataset_id}",
    )
    monkeypatch.setattr("imm_ray.runtime.directory.ownership.find", lambda tx, dataset_id: None)
    yield NoRay(database, load_settings(data=tmp_path), 1)
    database.let_go.set()


def test_a_doorbell_that_waits_for_the_database_holds_no_question_up(
    directory: Directory, database: Held
) -> None:
    database.let_go.set()
    assert asyncio.run(directory.owner(HERE)) == "host of here"
    database.let_go.clear()
    database.asked.clear()
    directory.ring(NEW)
    database.asked.wait()

    async def ask() -> Any:
        async with asyncio.timeout(10):  # for ever, if it waited
            return await directory.owner(HERE)

    assert asyncio.run(ask()) == "host of here"


def test_places_of_datasets_do_not_add_up(
    directory: Directory, database: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imm_ray.runtime.directory._MOST_KNOWN", 3)
    database.let_go.set()

    async def ask() -> list[Any]:
        return [await directory.owner(DatasetId(str(number))) for number in range(10)]

    assert asyncio.run(ask()) == [f"host of {number}" for number in range(10)]
    assert len(directory._host_of) <= 3
    directory.drop(DatasetId("9"))
    assert DatasetId("9") not in directory._host_of
