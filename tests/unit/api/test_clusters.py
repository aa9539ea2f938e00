"""Reads of clusters through the service, and what another account may see of them: nothing."""

from typing import Any

import pytest

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.model import NO_CLUSTER, ClusterId, ClusterKind, Retirement
from imm_ray.store import lineage, ownership, staging, tables
from imm_ray.store.staging import Move, RunEnd, StatedCluster
from tests.wire.rig import Rig

URIS = [f"oss://b/{number}.jpg" for number in range(6)]


def clustered(rig: Rig) -> dict[str, str]:
    names = rig.album(*URIS)
    rig.index(rig.rung[-1])
    rig.call("CreateFigureClusteringTask", **names)
    rig.run(rig.rung[-1], [URIS[:3], URIS[3:5], URIS[5:]])
    return names


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ({}, [0, 1, 2]),
        ({"Order": "desc"}, [2, 1, 0]),
        ({"Sort": "FaceCount"}, [2, 1, 0]),
        ({"Sort": "ImageCount", "Order": "desc"}, [0, 1, 2]),
        ({"Sort": "UpdateTime"}, [0, 1, 2]),
        ({"Sort": "Name", "Order": "desc"}, [2, 1, 0]),
        ({"Sort": "Gender"}, [0, 1, 2]),
    ],
)
def test_figure_clusters_are_sorted_and_paged(
    rig: Rig, sort: dict[str, str], order: list[int]
) -> None:
    names, found, token = clustered(rig), [], ""
    for _ in range(3):
        page = rig.call(
            "QueryFigureClusters",
            MaxResults="1",
            NextToken=token,
            WithTotalCount="True",
            **sort,
            **names,
        )
        found += [cluster["ObjectId"] for cluster in page["FigureClusters"]]
        assert page["TotalCount"] == 3
        token = page.get("NextToken", "")
    assert found == [f"Cluster-{number:04}" for number in order]
    assert token == ""


def test_a_page_token_is_for_one_query_and_one_account(rig: Rig) -> None:
    names = clustered(rig)
    page = rig.call("QueryFigureClusters", MaxResults="1", **names)
    token = page["NextToken"]
    for other in (
        {"Order": "desc"},
        {"Sort": "FaceCount"},
        {"DatasetName": "e"},
    ):
        if "DatasetName" in other:
            rig.call("CreateDataset", ProjectName="p", **other)
        code, message = rig.refusal("QueryFigureClusters", NextToken=token, **{**names, **other})
        assert (code, "NextToken" in message) == ("InvalidArgument", True)
    assert rig.refusal("QuerySimilarImageClusters", NextToken=token, **names)[0] == (
        "InvalidArgument"
    )
    rig.call("CreateProject", "otherak", ProjectName="p")
    rig.call("CreateDataset", "otherak", **names)
    assert rig.refusal("QueryFigureClusters", "otherak", NextToken=token, **names)[0] == (
        "InvalidArgument"
    )
    assert len(rig.call("QueryFigureClusters", NextToken=token, **names)["FigureClusters"]) == 2


def test_a_dataset_made_again_is_another(rig: Rig) -> None:
    names = clustered(rig)
    token = rig.call("QueryFigureClusters", MaxResults="1", **names)["NextToken"]
    rig.call("BatchDeleteFileMeta", URIs=URIS, **names)
    rig.call("DeleteDataset", **names)
    rig.call("CreateDataset", **names)
    assert rig.call("QueryFigureClusters", **names)["FigureClusters"] == []
    assert rig.refusal("QueryFigureClusters", NextToken=token, **names)[0] == "InvalidArgument"


def test_clusters_by_id(rig: Rig) -> None:
    names = clustered(rig)
    one = rig.call("GetFigureCluster", ObjectId="Cluster-0000", **names)["FigureCluster"]
    assert (one["FaceCount"], one["Cover"]["URI"]) == (3, URIS[0])
    assert rig.refusal("GetFigureCluster", ObjectId="Cluster-x", **names)[0] == "ResourceNotFound"
    many = rig.call(
        "BatchGetFigureCluster", ObjectIds=["Cluster-0002", "x", "Cluster-0000"], **names
    )
    assert [cluster["ObjectId"] for cluster in many["FigureClusters"]] == [
        "Cluster-0002",
        "Cluster-0000",
    ]
    rig.call("CreateProject", "otherak", ProjectName="p")
    rig.call("CreateDataset", "otherak", **names)
    foreign = rig.refusal("GetFigureCluster", "otherak", ObjectId="Cluster-0000", **names)
    assert foreign[0] == "ResourceNotFound"


def test_deleting_files_shrinks_clusters(rig: Rig) -> None:
    names = clustered(rig)
    rung = len(rig.rung)
    rig.call("BatchDeleteFileMeta", URIs=[URIS[0], URIS[5], "oss://b/none"], **names)
    assert len(rig.rung) == rung + 1
    found = rig.call("QueryFigureClusters", **names)["FigureClusters"]
    assert [(cluster["ObjectId"], cluster["FaceCount"]) for cluster in found] == [
        ("Cluster-0000", 2),
        ("Cluster-0001", 2),
    ]
    rig.call("DeleteFileMeta", URI=URIS[0], **names)
    assert len(rig.rung) == rung + 1


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_look_up_is_within_the_account(rig: Rig, action: str) -> None:
    clustered(rig)
    given: dict[str, Any] = {
        "ProjectName": "p",
        "DatasetName": "d",
        "URI": URIS[0],
        "URIs": URIS,
        "File": {"URI": URIS[0]},
        "Files": [{"URI": URIS[0]}],
        "ObjectId": "Cluster-0000",
        "ObjectIds": ["Cluster-0000"],
        "TaskId": rig.call("ListTasks", ProjectName="p")["Tasks"][0]["TaskId"],
        "TaskType": "FaceClustering",
        "AcceptLanguage": "en-US",
        "Query": {},
        "SourceURI": URIS[0],
        "Source": {"URI1": URIS[0], "URI2": URIS[1]},
        "Sources": [{"URI": URIS[0]}],
        "Content": "eA==",
        "From": "Cluster-0000",
        "To": "Cluster-0001",
        "FigureCluster": {"ObjectId": "Cluster-0000"},
        "FigureIds": ["figure"],
        "EditId": "edit",
    }
    if "Binding" in action:
        given["URI"] = "oss://b"
    if action == "SemanticQuery":
        del given["SourceURI"]
    if action in ("CreateProject", "ListProjects", "ListRegions"):
        body = rig.call(action, "otherak", **given)
        assert body.get("Projects", []) == []
    else:
        code, message = rig.refusal(action, "otherak", **given)
        assert (code, message) == (
            "ResourceNotFound",
            "The specified resource project is not found.",
        )
    assert rig.call("GetDataset", ProjectName="p", DatasetName="d")["Dataset"]["FileCount"] == 6


def retire(rig: Rig, heirs: dict[str, str]) -> None:
    """Publish a run of the owner that retires figure clusters."""
    with rig.database.write() as tx:
        lease = ownership.take(tx, rig.rung[-1], "rig", 1)
        kind, now = ClusterKind.FIGURE, rig.clock()
        retirements = [Retirement(ClusterId(a), ClusterId(b)) for a, b in heirs.items()]
        gone = [StatedCluster(ClusterId(cluster_id), "", False) for cluster_id in heirs]
        members = tx.execute(
            tables.membership.select().where(tables.membership.c.cluster_id.in_(heirs))
        ).all()
        moves = [Move(m.item_id, m.file_id, NO_CLUSTER, 0.0) for m in members]
        staging.stage_members(tx, lease, kind, 2, moves)
        staging.stage_states(tx, lease, kind, 2, gone, now)
        lineage.retire(tx, lease, kind, 2, retirements, now)
        end = RunEnd(watermark=0, edits_until=0, at=now)
        assert staging.publish(tx, lease, kind, 2, end, rig.notices.task)


def test_a_retired_id_answers_with_its_heir(rig: Rig) -> None:
    names = clustered(rig)
    heir = rig.call("GetFigureCluster", ObjectId="Cluster-0002", **names)["FigureCluster"]
    retire(rig, {"Cluster-0000": "Cluster-0001", "Cluster-0001": "Cluster-0002"})
    for object_id in ("Cluster-0000", "Cluster-0001", "Cluster-0002"):
        found = rig.call("GetFigureCluster", ObjectId=object_id, **names)["FigureCluster"]
        assert found == heir
    many = rig.call(
        "BatchGetFigureCluster", ObjectIds=["Cluster-0001", "x", "Cluster-0002"], **names
    )
    assert many["FigureClusters"] == [heir]
    listed = rig.call("QueryFigureClusters", **names)["FigureClusters"]
    assert listed == [heir]


def test_a_retired_id_without_an_heir_is_unknown(rig: Rig) -> None:
    names = clustered(rig)
    retire(rig, {"Cluster-0000": "", "Cluster-0001": "Cluster-0000"})
    for object_id in ("Cluster-0000", "Cluster-0001"):
        refusal = rig.refusal("GetFigureCluster", ObjectId=object_id, **names)
        assert refusal == (
            "ResourceNotFound",
            "The specified resource figure-cluster is not found.",
        )
    many = rig.call("BatchGetFigureCluster", ObjectIds=["Cluster-0001", "Cluster-0002"], **names)
    assert [found["ObjectId"] for found in many["FigureClusters"]] == ["Cluster-0002"]


def test_an_id_of_another_dataset_or_kind_leads_nowhere(rig: Rig) -> None:
    names = clustered(rig)
    retire(rig, {"Cluster-0000": "Cluster-0001"})
    rig.call("CreateDataset", ProjectName="p", DatasetName="e")
    other = {**names, "DatasetName": "e"}
    for object_id in ("Cluster-0000", "Cluster-0001"):
        code, _ = rig.refusal("GetFigureCluster", ObjectId=object_id, **other)
        assert code == "ResourceNotFound"
    rig.call("CreateSimilarImageClusteringTask", **names)
    rig.run(rig.rung[-1], [URIS[:3]])
    similar = rig.call("QuerySimilarImageClusters", **names)["SimilarImageClusters"]
    code, _ = rig.refusal("GetFigureCluster", ObjectId=similar[0]["ObjectId"], **names)
    assert code == "ResourceNotFound"
