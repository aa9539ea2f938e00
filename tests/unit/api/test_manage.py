"""UpdateProject, UpdateDataset, DatasetConfig, ListRegions, and the limits of both resources."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from imm_ray.store import tables
from tests.wire.rig import Rig

HERE = {"ProjectName": "p", "DatasetName": "d"}
FIGURE = {"AutoClustering": True, "AutoGenerate": False, "MinEntityCount": 2}
CONFIG = {"SmartCluster": {"Figure": FIGURE}}


def project(rig: Rig, **given: Any) -> dict[str, Any]:
    body: dict[str, Any] = rig.call("GetProject", ProjectName="p", **given)["Project"]
    return body


def dataset(rig: Rig, **given: Any) -> dict[str, Any]:
    body: dict[str, Any] = rig.call("GetDataset", **HERE, **given)["Dataset"]
    return body


def disturbed(rig: Rig) -> list[str]:
    """Return the datasets whose groups the next run shall look at again."""
    d = tables.dataset.c
    with rig.database.read() as tx:
        return list(tx.scalars(select(d.name).where(d.disturbed_seq > 0).order_by(d.name)))


def test_an_update_of_a_project_changes_what_is_supplied(rig: Rig) -> None:
    rig.call("CreateProject", ProjectName="p", Description="a", Tag=[{"Key": "k", "Value": "v"}])
    before = project(rig)
    rig.clock.move(seconds=5)
    changed = rig.call("UpdateProject", ProjectName="p", DatasetMaxFileCount="7")["Project"]
    assert changed == project(rig, WithStatistics="true")
    news = {"DatasetMaxFileCount": 7, "UpdateTime": "2026-11-21T22:07:35Z"}
    assert changed == before | news
    changed = rig.call(
        "UpdateProject",
        ProjectName="p",
        ServiceRole="r",
        TemplateId="Official:FaceManagement",
        Description="b",
        ProjectMaxDatasetCount="3",
        DatasetMaxBindCount="4",
        DatasetMaxEntityCount="5",
        DatasetMaxRelationCount="6",
        DatasetMaxTotalFileSize="8",
        Tag=[{"Key": "n", "Value": "w"}],
    )["Project"]
    assert changed == before | news | {
        "ServiceRole": "r",
        "TemplateId": "Official:FaceManagement",
        "Description": "b",
        "ProjectMaxDatasetCount": 3,
        "DatasetMaxBindCount": 4,
        "DatasetMaxEntityCount": 5,
        "DatasetMaxRelationCount": 6,
        "DatasetMaxTotalFileSize": 8,
        "Tags": [{"TagKey": "n", "TagValue": "w"}],
    }
    assert rig.call("UpdateProject", ProjectName="p", Description="", Tag=[])["Project"] == changed
    assert rig.refusal("UpdateProject", ProjectName="q")[0] == "ResourceNotFound"
    assert rig.refusal("UpdateProject", "otherak", ProjectName="p")[0] == "ResourceNotFound"


def test_an_update_of_a_dataset_changes_what_is_supplied(rig: Rig) -> None:
    rig.album("oss://b/1.jpg")
    before = dataset(rig)
    rung = len(rig.rung)
    rig.clock.move(seconds=5)
    changed = rig.call("UpdateDataset", **HERE, Description="图")["Dataset"]
    assert changed == dataset(rig, WithStatistics="true")
    assert changed == before | {"Description": "图", "UpdateTime": "2026-11-21T22:07:35Z"}
    workflow = [{"Name": "n", "Value": "v"}]
    changed = rig.call(
        "UpdateDataset",
        **HERE,
        TemplateId="Official:DefaultEmptyId",
        WorkflowParameters=workflow,
        DatasetMaxFileCount="1",
    )["Dataset"]
    assert (changed["TemplateId"], changed["WorkflowParameters"], changed["Description"]) == (
        "Official:DefaultEmptyId",
        workflow,
        "图",
    )
    kept = rig.call("UpdateDataset", **HERE, WorkflowParameters=[])["Dataset"]
    assert kept["WorkflowParameters"] == workflow
    assert len(rig.rung) == rung
    refused = rig.refusal("IndexFileMeta", File={"URI": "oss://b/2.jpg"}, **HERE)
    assert refused == ("LimitExceededError", "The dataset may have 1 files.")
    missing = {"ProjectName": "p", "DatasetName": "none"}
    assert rig.refusal("UpdateDataset", **missing)[1].endswith("dataset is not found.")


def test_the_config_of_older_sdks_is_kept_and_returned(rig: Rig) -> None:
    rig.call("CreateProject", ProjectName="p", DatasetConfig=CONFIG)
    assert project(rig)["DatasetConfig"] == CONFIG
    rig.call("CreateDataset", **HERE)
    assert "DatasetConfig" not in dataset(rig)
    said = {
        **CONFIG,
        "Insights": {"Language": "en", "Image": {"Caption": {"Enable": False, "Prompt": "x"}}},
        "ReverseImage": {"Image": {"Enable": False}},
    }
    said["SmartCluster"] = {"Figure": {**FIGURE, "EnabledFeatures": ["a"]}}
    rig.call("UpdateDataset", **HERE, DatasetConfig=said)
    assert dataset(rig)["DatasetConfig"] == said
    assert len(rig.rung) == 1
    (listed,) = rig.call("ListDatasets", ProjectName="p")["Datasets"]
    assert listed["DatasetConfig"] == said
    rig.call("UpdateDataset", **HERE, Description="x")
    assert dataset(rig)["DatasetConfig"] == said
    rig.call("UpdateDataset", **HERE, DatasetConfig={})
    assert "DatasetConfig" not in dataset(rig)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"Insights": {"Video": {"Caption": {"Enable": True}}}}, "no model for it"),
        ({"Insights": {"Video": {"Label": [{"Enable": True}]}}}, "no model for it"),
        ({"ReverseImage": {"Image": {"Enable": True}}}, "no model for it"),
        ({"SmartCluster": {"Figure": {"MinEntityCount": 0}}}, "MinEntityCount"),
        ({"SmartCluster": {"Figure": {"MinEntityCount": 1001}}}, "MinEntityCount"),
        ({"SmartCluster": {"Figure": {"MinEntityCount": "2"}}}, "MinEntityCount"),
        ({"SmartCluster": {"Figure": {"AutoClustering": "yes"}}}, "AutoClustering"),
        ({"Insights": {"Language": "x" * 16_400}}, "more than 16384 bytes"),
        ([1], "DatasetConfig"),
        ("{", "DatasetConfig"),
    ],
)
def test_a_config_that_asks_for_what_is_not_here_is_refused(
    rig: Rig, config: object, why: str
) -> None:
    rig.album()
    for action in ("CreateDataset", "UpdateDataset", "UpdateProject"):
        given = {"ProjectName": "p", "DatasetName": action if action[0] == "C" else "d"}
        code, message = rig.refusal(action, DatasetConfig=config, **given)
        assert code == "InvalidArgument"
        assert why in message


def test_the_limits_of_min_entity_count(rig: Rig) -> None:
    rig.album()
    for number in (1, 1000):
        config = {"SmartCluster": {"Figure": {"MinEntityCount": number}}}
        assert (
            rig.call("UpdateDataset", **HERE, DatasetConfig=config)["Dataset"]["DatasetConfig"]
            == config
        )


def test_another_min_entity_count_makes_the_next_run_look_at_every_group(rig: Rig) -> None:
    rig.call("CreateProject", ProjectName="p")
    own = {"SmartCluster": {"Figure": {"MinEntityCount": 4}}}
    rig.call("CreateDataset", **HERE)
    rig.call("CreateDataset", ProjectName="p", DatasetName="own", DatasetConfig=own)
    rig.call("CreateProject", ProjectName="q")
    rig.call("CreateDataset", ProjectName="q", DatasetName="other")
    rig.call("UpdateProject", ProjectName="p", DatasetConfig={"SmartCluster": {"Figure": {}}})
    rig.call("UpdateDataset", **HERE, Description="x", DatasetMaxFileCount="9")
    assert disturbed(rig) == []
    rig.call("UpdateProject", ProjectName="p", DatasetConfig=CONFIG)
    assert disturbed(rig) == ["d"]
    own["SmartCluster"]["Figure"]["MinEntityCount"] = 5
    rig.call("UpdateDataset", ProjectName="p", DatasetName="own", DatasetConfig=own)
    assert disturbed(rig) == ["d", "own"]


def test_regions(rig: Rig, tmp_path: Path) -> None:
    for language in ("zh-CN", "en-US", "ja"):
        found = rig.call("ListRegions", AcceptLanguage=language)["Regions"]
        assert found == [{"RegionId": "local", "LocalName": "local"}]
    assert rig.refusal("ListRegions")[1] == (
        "The parameter AcceptLanguage is required but not provided."
    )
    assert rig.refusal("ListRegions", AcceptLanguage="fr")[0] == "InvalidArgument"
    (tmp_path / "other").mkdir()
    with Rig(tmp_path / "other", server={"region": "lab-1"}) as other:
        (region,) = other.call("ListRegions", AcceptLanguage="ja")["Regions"]
        assert region["RegionId"] == "lab-1"


def test_names_and_texts_at_their_limits(rig: Rig) -> None:
    longest = "_" + "n" * 127
    rig.call("CreateProject", ProjectName=longest, Description="图" * 256)
    rig.call("CreateDataset", ProjectName=longest, DatasetName=longest, Description="d" * 256)
    rig.call("UpdateProject", ProjectName=longest, Description="e" * 256)
    rig.call("UpdateDataset", ProjectName=longest, DatasetName=longest, Description="e" * 256)
    for action, given in (
        ("CreateProject", {"ProjectName": longest + "n"}),
        ("CreateProject", {"ProjectName": "1a"}),
        ("CreateProject", {"ProjectName": "a b"}),
        ("CreateProject", {"ProjectName": "~a"}),
        ("CreateProject", {"ProjectName": "p", "Description": "d" * 257}),
        ("UpdateProject", {"ProjectName": longest, "Description": "d" * 257}),
        ("CreateDataset", {"ProjectName": longest, "DatasetName": longest + "n"}),
        ("CreateDataset", {"ProjectName": longest, "DatasetName": "-a"}),
        ("CreateDataset", {"ProjectName": longest, "DatasetName": "x", "Description": "d" * 257}),
        (
            "UpdateDataset",
            {"ProjectName": longest, "DatasetName": longest, "Description": 257 * "d"},
        ),
        ("ListProjects", {"MaxResults": "201"}),
        ("ListDatasets", {"ProjectName": longest, "MaxResults": "201"}),
    ):
        assert rig.refusal(action, **given)[0] == "InvalidArgument", (action, given)


def tags(count: int) -> list[dict[str, str]]:
    return [{"Key": f"k{number}", "Value": "v" * 256} for number in range(count)]


def test_tags_at_their_limits(rig: Rig) -> None:
    rig.call("CreateProject", ProjectName="p", Tag=tags(20))
    rig.call("UpdateProject", ProjectName="p", Tag=tags(20))
    (found,) = rig.call("ListProjects", Tag=tags(20))["Projects"]
    assert len(found["Tags"]) == 20
    assert rig.call("ListProjects", Tag=[{"Key": "k0", "Value": "other"}])["Projects"] == []
    for action in ("CreateProject", "UpdateProject", "ListProjects"):
        for wrong in (tags(21), [{"Key": "k", "Value": "v" * 257}], [{"Key": ""}], tags(1) * 2):
            assert rig.refusal(action, ProjectName="p", Tag=wrong)[0] == "InvalidArgument"


@pytest.mark.parametrize("action", ["CreateProject", "UpdateProject", "CreateDataset"])
def test_quotas_beyond_their_limits(rig: Rig, action: str) -> None:
    rig.album()
    name = "new" if action.startswith("Create") else "p"
    given = {"ProjectName": "p", "DatasetName": name} if "Dataset" in action else {}
    given = given or {"ProjectName": name}
    limits = {"DatasetMaxBindCount": 10, "DatasetMaxFileCount": 10**8}
    if "Project" in action:
        limits["ProjectMaxDatasetCount"] = 10**9
    for quota, most in limits.items():
        code, message = rig.refusal(action, **given, **{quota: str(most + 1)})
        assert (code, quota in message) == ("LimitExceededError", True)
        assert rig.refusal(action, **given, **{quota: "0"})[0] == "InvalidArgument"
    rig.call(action, **given, **{quota: str(most) for quota, most in limits.items()})


def test_an_account_has_100_projects(rig: Rig) -> None:
    for number in range(100):
        rig.call("CreateProject", ProjectName=f"p{number}")
    assert rig.refusal("CreateProject", ProjectName="one-more") == (
        "LimitExceededError",
        "An account may have 100 projects.",
    )
    rig.call("CreateProject", "otherak", ProjectName="one-more")
    rig.call("DeleteProject", ProjectName="p0")
    rig.call("CreateProject", ProjectName="one-more")


def test_a_project_has_as_many_datasets_as_it_may(rig: Rig) -> None:
    rig.call("CreateProject", ProjectName="p", ProjectMaxDatasetCount="2")
    for name in ("a", "b"):
        rig.call("CreateDataset", ProjectName="p", DatasetName=name)
    refused = rig.refusal("CreateDataset", ProjectName="p", DatasetName="c")
    assert refused == ("LimitExceededError", "The project may have 2 datasets.")
    rig.call("UpdateProject", ProjectName="p", ProjectMaxDatasetCount="3")
    rig.call("CreateDataset", ProjectName="p", DatasetName="c")
    rig.call("UpdateProject", ProjectName="p", ProjectMaxDatasetCount="1")
    rig.call("DeleteDataset", ProjectName="p", DatasetName="a")
    assert rig.refusal("CreateDataset", ProjectName="p", DatasetName="a")[0] == "LimitExceededError"


def test_a_dataset_has_as_many_files_as_it_may(rig: Rig) -> None:
    rig.call("CreateProject", ProjectName="p", DatasetMaxFileCount="3")
    rig.call("CreateDataset", **HERE)
    three = [{"URI": f"oss://b/{number}"} for number in range(3)]
    one_more = {"URI": "oss://b/3"}
    assert rig.refusal("BatchIndexFileMeta", Files=[*three, one_more], **HERE)[0] == (
        "LimitExceededError"
    )
    rig.call("BatchIndexFileMeta", Files=three, **HERE)
    assert rig.refusal("IndexFileMeta", File=one_more, **HERE)[0] == "LimitExceededError"
    rig.call("BatchIndexFileMeta", Files=three, **HERE)
    rig.call("DeleteFileMeta", URI="oss://b/0", **HERE)
    rig.call("IndexFileMeta", File=one_more, **HERE)
    assert dataset(rig)["FileCount"] == project(rig)["FileCount"] == 3


def test_a_dataset_takes_files_until_it_is_full_of_bytes(rig: Rig) -> None:
    rig.call("CreateProject", ProjectName="p")
    rig.call("CreateDataset", **HERE, DatasetMaxTotalFileSize="1001")
    for number in range(2):
        rig.call("IndexFileMeta", File={"URI": f"oss://b/{number}"}, **HERE)
        rig.index(rig.rung[-1])
        assert dataset(rig)["TotalFileSize"] == (number + 1) * 1000
    refused = rig.refusal("IndexFileMeta", File={"URI": "oss://b/2"}, **HERE)
    assert refused[0] == "LimitExceededError"
    rig.call("UpdateDataset", **HERE, DatasetMaxTotalFileSize="2001")
    rig.call("IndexFileMeta", File={"URI": "oss://b/2"}, **HERE)


def answers(rig: Rig, requests: Sequence[Any]) -> list[str]:
    """Send requests at once; return their codes, '' for a success."""

    async def send() -> list[Any]:
        return await asyncio.gather(*(rig.service.handle(request) for request in requests))

    bodies = [json.loads(response.body) for response in asyncio.run(send())]
    return sorted(body.get("Code", "") for body in bodies)


def test_of_parallel_creates_of_one_name_one_succeeds(tmp_path: Path) -> None:
    with Rig(tmp_path, buckets={"b": str(tmp_path)}) as rig:
        for action, given in (
            ("CreateProject", {"ProjectName": "p"}),
            ("CreateDataset", HERE),
            ("CreateBinding", {**HERE, "URI": "oss://b"}),
        ):
            requests = [rig.request(action, **given) for _ in range(8)]
            assert answers(rig, requests) == ["", *["ResourceAlreadyExists"] * 7], action


def test_parallel_creates_take_the_last_place_once(tmp_path: Path) -> None:
    buckets = {f"b{number}": str(tmp_path) for number in range(8)}
    with Rig(tmp_path, buckets=buckets) as rig:
        rig.call("CreateProject", ProjectName="p", ProjectMaxDatasetCount="2")
        creates = [
            rig.request("CreateDataset", ProjectName="p", DatasetName=f"d{number}")
            for number in range(8)
        ]
        assert answers(rig, creates) == ["", "", *["LimitExceededError"] * 6]
        (one, _) = rig.call("ListDatasets", ProjectName="p")["Datasets"]
        here = {"ProjectName": "p", "DatasetName": one["DatasetName"]}
        rig.call("UpdateDataset", DatasetMaxBindCount="3", **here)
        creates = [rig.request("CreateBinding", URI=f"oss://{name}", **here) for name in buckets]
        assert answers(rig, creates) == ["", "", "", *["LimitExceededError"] * 5]
        creates = [
            rig.request("IndexFileMeta", File={"URI": f"oss://b0/{number}"}, **here)
            for number in range(8)
        ]
        rig.call("UpdateDataset", DatasetMaxFileCount="5", **here)
        assert answers(rig, creates) == [*[""] * 5, *["LimitExceededError"] * 3]


def test_parallel_updates_lose_nothing(rig: Rig) -> None:
    rig.album()
    changes = {
        "Description": "x",
        "TemplateId": "Official:FaceManagement",
        "DatasetMaxFileCount": "3",
        "DatasetMaxBindCount": "4",
        "DatasetMaxTotalFileSize": "5",
    }
    for action, given in (("UpdateProject", {"ProjectName": "p"}), ("UpdateDataset", HERE)):
        requests = [rig.request(action, **given, **{k: v}) for k, v in changes.items()]
        assert answers(rig, requests) == [""] * len(changes)
    for body in (project(rig), dataset(rig)):
        assert {name: str(body[name]) for name in changes} == changes
