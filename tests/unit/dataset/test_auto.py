"""Figures that are clustered without a task, and another number of faces that found a person."""

import random
from pathlib import Path

import pytest

from imm_ray.dataset.rules import DatasetRules
from imm_ray.model import Outcome
from imm_ray.settings import Clustering
from imm_ray.store import datasets, work
from imm_ray.store.results import Result
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, Owner

AUTO = DatasetRules(auto=True, min_entity_count=2)


def portraits(name: str, *numbers: int, cosine: float = 0.9) -> dict[str, Outcome]:
    base = random_vector(name, DIMENSION)
    return {
        f"oss://b/{name}{i}": picture(f"{name}{i}", face(near(base, f"{name}{i}", cosine)))
        for i in numbers
    }


def following(owner: Owner, holding: DatasetRules) -> Owner:
    owner.holding = holding
    owner.restart()
    return owner


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return following(Owner(tmp_path), AUTO)


def people(owner: Owner) -> list[set[str]]:
    """Return the files of each person."""
    return sorted((set(uris) for uris in owner.people().values()), key=sorted)


def left(owner: Owner, *, auto: bool = True) -> bool:
    with owner.database.read() as tx:
        return work.datasets_with_work(tx, auto=auto) != []


def test_every_batch_is_clustered_without_a_task(owner: Owner) -> None:
    ann = portraits("ann", 0, 1)
    owner.index(ann)
    assert left(owner)
    owner.drain()
    assert people(owner) == [set(ann)]
    (cluster,) = owner.figure_clusters()
    more = portraits("ann", 2)
    owner.index(more)
    owner.drain()
    assert [c.cluster_id for c in owner.figure_clusters()] == [cluster.cluster_id]
    assert people(owner) == [set(ann | more)]
    assert not left(owner)


def test_without_the_rule_nothing_is_clustered(tmp_path: Path) -> None:
    owner = following(Owner(tmp_path), DatasetRules(min_entity_count=2))
    owner.index(portraits("ann", 0, 1))
    owner.drain()
    assert people(owner) == []
    assert not left(owner, auto=False)
    assert left(owner, auto=True)


def test_a_file_that_waits_holds_back_what_came_after_it(owner: Owner) -> None:
    first, second = portraits("ann", 0, 1), portraits("ann", 2, 3)
    owner.index(first)
    owner.index(second)
    files = {file.uri: file for file in owner.engine.pull(10, [])}
    owner.engine.commit([Result(files[uri], second[uri]) for uri in second])
    assert not owner.engine.run_new()
    assert people(owner) == []
    owner.engine.commit([Result(files[uri], first[uri]) for uri in first])
    assert owner.engine.run_new()
    assert people(owner) == [set(first | second)]
    assert not owner.engine.run_new()


def test_a_crash_between_indexing_and_clustering_loses_nothing(owner: Owner) -> None:
    ann = portraits("ann", 0, 1)
    owner.index(ann)
    files = owner.engine.pull(10, [])
    owner.engine.commit([Result(file, ann[file.uri]) for file in files])
    owner.restart()
    assert left(owner)
    owner.drain()
    assert people(owner) == [set(ann)]
    assert not left(owner)


def test_a_delete_is_looked_at_without_a_task(owner: Owner) -> None:
    ann = portraits("ann", 0, 1, 2)
    owner.index(ann)
    owner.drain()
    owner.delete("oss://b/ann0")
    owner.drain()
    assert people(owner) == [{"oss://b/ann1", "oss://b/ann2"}]
    assert not left(owner)


def test_a_task_covers_what_the_rule_has_covered(owner: Owner) -> None:
    ann = portraits("ann", 0, 1)
    owner.index(ann)
    owner.drain()
    assert owner.cluster().ledger["items_new"] == 0
    owner.index(portraits("ann", 2))
    owner.cluster()
    assert people(owner) == [set(ann) | {"oss://b/ann2"}]


def test_an_implausible_run_is_stopped_once(tmp_path: Path) -> None:
    rules = Clustering(min_entity_count=2, implausible_from=3, implausible_share=0.5)
    owner = following(Owner(tmp_path, rules=rules), AUTO)
    ann = portraits("ann", *range(4))
    owner.index(ann)
    files = owner.engine.pull(10, [])
    owner.engine.commit([Result(file, ann[file.uri]) for file in files])
    assert not owner.engine.run_new()
    assert people(owner) == []
    with owner.database.read() as tx:
        looked_at = datasets.acknowledged(tx, owner.dataset_id)
    assert not owner.engine.run_new()
    owner.index(portraits("bob", *range(5)) | portraits("cid", *range(5)))
    owner.drain()
    assert len(people(owner)) == 3
    with owner.database.read() as tx:
        assert datasets.acknowledged(tx, owner.dataset_id) > looked_at


@pytest.mark.parametrize("seed", range(3))
def test_batches_end_where_one_task_does(tmp_path: Path, seed: int) -> None:
    shuffled = random.Random(seed)
    faces = [
        item
        for name in ("ann", "bob", "cid", "dee")
        for item in portraits(name, *range(4), cosine=0.8).items()
    ]
    shuffled.shuffle(faces)
    (tmp_path / "auto").mkdir()
    (tmp_path / "task").mkdir()
    auto = following(Owner(tmp_path / "auto"), DatasetRules(auto=True, min_entity_count=1))
    at = 0
    while at < len(faces):
        size = shuffled.randint(1, 5)
        auto.index(dict(faces[at : at + size]))
        auto.drain()
        at += size
    task = following(Owner(tmp_path / "task"), DatasetRules(min_entity_count=1))
    task.index(dict(faces))
    task.cluster()
    assert people(auto) == people(task)


def test_fewer_faces_found_a_person_from_the_next_run_on(tmp_path: Path) -> None:
    owner = following(Owner(tmp_path, minimum=3), DatasetRules(min_entity_count=3))
    ann = portraits("ann", 0, 1)
    owner.index(ann)
    owner.cluster()
    assert people(owner) == []
    owner.holding = DatasetRules(min_entity_count=2)
    owner.drain()
    assert people(owner) == []
    owner.cluster()
    assert people(owner) == [set(ann)]
    (cluster,) = owner.figure_clusters()
    owner.holding = DatasetRules(min_entity_count=5)
    owner.index(portraits("bob", *range(4)))
    owner.cluster()
    assert [c.cluster_id for c in owner.figure_clusters()] == [cluster.cluster_id]


def test_a_template_without_models_holds_for_files_from_then_on(owner: Owner) -> None:
    seen: list[str] = []
    owner.embedder.hook = lambda sources: seen.extend(source.media_type for source in sources)
    owner.index(portraits("ann", 0))
    owner.drain()
    owner.holding = DatasetRules(analyzes=False, min_entity_count=2)
    owner.index(portraits("ann", 1))
    owner.drain()
    assert seen == ["", "other"]
