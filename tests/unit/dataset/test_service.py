import asyncio
from pathlib import Path

import pytest

from imm_ray.dataset.service import DatasetService
from imm_ray.model import ClusterKind
from imm_ray.store import datasets
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, Owner


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path, exact_items=0)


def stream(owner: Owner) -> None:
    """Index and cluster faces of two people one after the other, and delete one at last.

    Each of the first tasks consolidates because the dataset has grown; the last one does not.
    """
    for number in range(6):
        name = "ann" if number % 2 else "bob"
        vector = near(random_vector(name, DIMENSION), f"{number}", 0.9)
        owner.index({f"oss://b/{number}": picture(f"{number}", face(vector))})
        owner.cluster()
    owner.delete("oss://b/0")
    owner.cluster()


def visible_run(owner: Owner) -> int:
    with owner.database.read() as tx:
        return datasets.visible_run(tx, owner.dataset_id, ClusterKind.FIGURE)


def rest(owner: Owner, *, consolidate_after_s: float) -> None:
    async def work() -> None:
        service = DatasetService(
            owner.engine, owner.embedder, retry_s=0, consolidate_after_s=consolidate_after_s
        )
        await service.run(idle_s=0)
        service.close()

    asyncio.run(work())


def test_a_dataset_that_rests_is_consolidated(owner: Owner) -> None:
    stream(owner)
    before, run = owner.people(), visible_run(owner)
    assert owner.figures.wants_consolidation
    rest(owner, consolidate_after_s=0)
    assert not owner.figures.wants_consolidation
    assert owner.people() == before
    assert visible_run(owner) == run + 1


def test_a_dataset_that_leaves_before_is_not(owner: Owner) -> None:
    stream(owner)
    run = visible_run(owner)
    rest(owner, consolidate_after_s=3600)
    assert visible_run(owner) == run


def test_a_dataset_that_is_exact_needs_no_consolidation(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    stream(owner)
    run = visible_run(owner)
    rest(owner, consolidate_after_s=0)
    assert visible_run(owner) == run
