"""Merges of many people: what they cost, and what ids of other clusters are worth."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from imm_ray.model import ClusterId, DatasetId
from imm_ray.store import datasets, people
from tests.wire.rig import Rig
from tests.wire.test_large_updates import statements

COUNT = 60
URIS = [f"oss://b/{number:03}.jpg" for number in range(COUNT)]
NAMES = {"ProjectName": "p", "DatasetName": "d"}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Sixty people of one photo each, and the photos in two groups of similar ones."""
    with Rig(tmp_path) as rig:
        rig.album(*URIS)
        with rig.database.read() as tx:
            dataset_id = datasets.get(tx, "100000", "p", "d").dataset_id
        rig.index(dataset_id)
        rig.call("CreateFigureClusteringTask", **NAMES)
        rig.run(dataset_id, [[uri] for uri in URIS])
        rig.call("CreateSimilarImageClusteringTask", **NAMES)
        rig.run(dataset_id, [URIS[:30], URIS[30:]])
        yield rig


def merged(rig: Rig, engine: Engine, count: int) -> int:
    froms = [f"Cluster-{number:04}" for number in range(1, count + 1)]
    with statements(engine) as seen:
        rig.call("CreateFigureClustersMergingTask", To="Cluster-0000", Froms=froms, **NAMES)
    return len(seen)


def test_many_are_merged_with_as_many_statements_as_one(rig: Rig) -> None:
    engine = rig.database.engine
    assert merged(rig, engine, COUNT - 1) <= merged(rig, engine, 1)


def test_one_unknown_id_of_many_makes_no_task(rig: Rig) -> None:
    for unknown in ("Cluster-none", "SimilarImageCluster-0001"):
        froms = ["Cluster-0001", unknown, "Cluster-0002"]
        code, message = rig.refusal(
            "CreateFigureClustersMergingTask", To="Cluster-0000", Froms=froms, **NAMES
        )
        assert code == "ResourceNotFound"
        assert "figure-cluster" in message
    tasks = rig.call("ListTasks", ProjectName="p", TaskTypes=["FigureClustersMerging"])["Tasks"]
    assert tasks == []


def test_only_people_are_people(rig: Rig) -> None:
    asked = ["SimilarImageCluster-0000", "Cluster-0003", "none", "Cluster-0001", "Cluster-0003"]
    with rig.database.read() as tx:
        dataset_id = datasets.get(tx, "100000", "p", "d").dataset_id
        found = people.current(tx, dataset_id, asked)
        assert list(found) == ["Cluster-0003", "Cluster-0001"]
        assert all(ClusterId(object_id) == to for object_id, to in found.items())
        stranger = DatasetId("another")
        assert people.current(tx, stranger, asked) == {}
    body = rig.call("BatchGetFigureCluster", ObjectIds=asked, **NAMES)
    assert [c["ObjectId"] for c in body["FigureClusters"]] == ["Cluster-0003", "Cluster-0001"]
