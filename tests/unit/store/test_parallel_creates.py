"""Processes that create the same thing at once: one database each, one file."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from imm_ray.errors import ImmError
from imm_ray.model import Binding, Dataset, DatasetId, Project, Quotas
from imm_ray.store import bindings, datasets, migrate, projects
from imm_ray.store.database import Database, Tx
from imm_ray.testing import ManualClock

NOW = ManualClock()()
MANY = 6


@pytest.fixture
def url(store_url: str) -> str:
    database = Database(store_url)
    migrate.upgrade(database)
    database.close()
    return store_url


def project(name: str) -> Project:
    return Project(account="a", name=name, max_dataset_count=3, created_at=NOW, updated_at=NOW)


def dataset(dataset_id: str, name: str) -> Dataset:
    return Dataset(
        dataset_id=DatasetId(dataset_id),
        account="a",
        project="p",
        name=name,
        quotas=Quotas(dataset_max_bind_count=2),
        face_model="f",
        image_model="i",
        created_at=NOW,
        updated_at=NOW,
    )


def together(url: str, create: Callable[[Tx, int], None]) -> Counter[str]:
    """Run ``create`` on many connections at once; return the codes, '' for a success."""
    start = threading.Barrier(MANY)

    def run(number: int) -> str:
        database = Database(url, busy_timeout_s=60)
        start.wait()
        try:
            with database.write() as tx:
                create(tx, number)
        except ImmError as error:
            return error.code
        finally:
            database.close()
        return ""

    with ThreadPoolExecutor(MANY) as pool:
        return Counter(pool.map(run, range(MANY)))


def bind(tx: Tx, uri: str) -> None:
    found = datasets.get(tx, "a", "p", "d")
    bindings.create(tx, found, Binding(uri=uri, created_at=NOW, updated_at=NOW))


def test_one_name_is_given_once_and_the_last_places_too(url: str) -> None:
    taken = {"": 1, "ResourceAlreadyExists": MANY - 1}
    assert together(url, lambda tx, _: projects.create(tx, project("p"))) == taken
    assert together(url, lambda tx, n: datasets.create(tx, dataset(f"{n}", "d"))) == taken
    assert together(url, lambda tx, _: bind(tx, "oss://b")) == taken
    full = {"": 2, "LimitExceededError": MANY - 2}
    assert together(url, lambda tx, n: datasets.create(tx, dataset(f"e{n}", f"e{n}"))) == full
    full = {"": 1, "LimitExceededError": MANY - 1}
    assert together(url, lambda tx, n: bind(tx, f"oss://b{n}")) == full
