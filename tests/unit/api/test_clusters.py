"""Reads of clusters through the service, and what another account may see of them: nothing."""

from typing import Any

import pytest

from imm_ray.api.actions.registry import ACTIONS
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
    }
    if action in ("CreateProject", "ListProjects"):
        body = rig.call(action, "otherak", **given)
        assert body.get("Projects", []) == []
    else:
        code, message = rig.refusal(action, "otherak", **given)
        assert (code, message) == (
            "ResourceNotFound",
            "The specified resource project is not found.",
        )
    assert rig.call("GetDataset", ProjectName="p", DatasetName="d")["Dataset"]["FileCount"] == 6
