"""The actions through the service: real store, real signatures, no HTTP."""

import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.model import DatasetId
from imm_ray.store import outbox
from imm_ray.store.database import Tx
from tests.wire.rig import Rig

URIS = [f"oss://b/{number}.jpg" for number in range(6)]


def waiting_messages(rig: Rig) -> list[Any]:
    with rig.database.read() as tx:
        return [item.message for item in outbox.due(tx, rig.clock(), limit=100)]


def dataset_of(rig: Rig) -> DatasetId:
    return rig.rung[-1]


def test_ids_have_imms_patterns(rig: Rig) -> None:
    names = rig.album()
    made = rig.call("CreateFigureClusteringTask", **names)
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", made["RequestId"])
    assert re.fullmatch(r"[0-9A-F]{3}-[0-9A-Za-z]{27}", made["EventId"])
    assert re.fullmatch(
        r"FigureClustering-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["TaskId"]
    )
    similar = rig.call("CreateSimilarImageClusteringTask", **names)
    assert similar["TaskId"].startswith("SimilarImageClustering-")


def test_a_request_works_once(rig: Rig) -> None:
    for action, given in (
        ("ListProjects", {}),
        ("CreateProject", {"ProjectName": "once"}),
        ("GetProject", {"ProjectName": "none"}),
        ("GetProject", {"ProjectName": "1 wrong name"}),
        ("DeleteProject", {"ProjectName": "none"}),
        ("CreateProject", {"ProjectName": "1 wrong name"}),
    ):
        http = rig.request(action, **given)
        first = rig.send(http)
        assert b"SignatureNonceUsed" not in first.body
        again = rig.send(http)
        assert json.loads(again.body)["Code"] == "SignatureNonceUsed", action


def test_a_refused_write_can_not_be_replayed_when_it_would_succeed(rig: Rig) -> None:
    http = rig.request("DeleteProject", ProjectName="p")
    rig.send(http)
    rig.call("CreateProject", ProjectName="p")
    assert json.loads(rig.send(http).body)["Code"] == "SignatureNonceUsed"
    rig.call("GetProject", ProjectName="p")


def test_nonces_outlive_the_process(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        http = rig.request("CreateProject", ProjectName="p")
        assert rig.send(http).status == 200
    with Rig(tmp_path) as rig:
        assert json.loads(rig.send(http).body)["Code"] == "SignatureNonceUsed"


def test_an_unsigned_or_forged_request_leaves_no_nonce(rig: Rig) -> None:
    http = rig.request("ListProjects")
    forged = replace(http, query=b"Prefix=x")
    assert json.loads(rig.send(forged).body)["Code"] == "SignatureDoesNotMatch"
    assert rig.send(http).status == 200


def test_an_unknown_action_is_found_before_the_signature(rig: Rig) -> None:
    assert rig.refusal("CreateStory") == (
        "InvalidApi.NotFound",
        "Specified api is not found, please check your url and method.",
    )
    assert rig.refusal("CreateStory", "nobody")[0] == "InvalidApi.NotFound"
    assert rig.refusal("ListProjects", "nobody")[0] == "InvalidAccessKeyId.NotFound"


def test_post_only_actions(rig: Rig) -> None:
    only_post = {name for name, action in ACTIONS.items() if "GET" not in action.methods}
    assert only_post == {
        "DeleteDataset",
        "BatchIndexFileMeta",
        "BatchDeleteFileMeta",
        "ImmRaySearchByImage",
    }
    assert rig.refusal("DeleteDataset", method="GET")[0] == "UnsupportedHTTPMethod"
    assert rig.call("ListProjects", method="GET")["Projects"] == []


def test_without_signatures_everybody_is_root(tmp_path: Path) -> None:
    with Rig(tmp_path, auth={"mode": "none"}) as rig:
        http = replace(
            rig.request("CreateProject", ProjectName="p"),
            headers=(("x-acs-action", "CreateProject"), ("x-acs-version", "2020-09-30")),
        )
        assert rig.send(http).status == 200
        assert json.loads(rig.send(http).body)["Code"] == "ResourceAlreadyExists"


def test_an_unexpected_error_tells_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(given: object) -> Any:
        def run(tx: Tx, call: object) -> Any:
            raise RuntimeError("the secret inside")

        return run

    broken = {**ACTIONS, "ListProjects": replace(ACTIONS["ListProjects"], prepare=explode)}
    monkeypatch.setattr("imm_ray.api.service.ACTIONS", broken)
    with caplog.at_level(logging.ERROR):
        response = rig.send(rig.request("ListProjects"))
    body = json.loads(response.body)
    assert (response.status, body["Code"]) == (500, "InternalError")
    assert "secret inside" not in response.body.decode()
    assert body["RequestId"] in caplog.text
    assert "secret inside" in caplog.text


def test_projects(rig: Rig) -> None:
    made = rig.call(
        "CreateProject",
        ProjectName="p",
        Description="图",
        DatasetMaxFileCount="7",
        TemplateId="Official:FaceManagement",
        Tag=[{"Key": "k", "Value": "v"}],
    )["Project"]
    assert made == rig.call("GetProject", ProjectName="p", WithStatistics="True")["Project"]
    assert (made["Description"], made["DatasetMaxFileCount"]) == ("图", 7)
    assert rig.refusal("CreateProject", ProjectName="p")[0] == "ResourceAlreadyExists"
    rig.call("CreateProject", "otherak", ProjectName="p")
    rig.call("CreateProject", ProjectName="q")
    tagged = rig.call("ListProjects", Tag=[{"Key": "k", "Value": "v"}])["Projects"]
    assert [project["ProjectName"] for project in tagged] == ["p"]
    rig.call("DeleteProject", ProjectName="q")
    assert rig.refusal("DeleteProject", ProjectName="q") == (
        "ResourceNotFound",
        "The specified resource project is not found.",
    )


def test_a_dataset_has_the_quotas_of_its_project(rig: Rig) -> None:
    rig.call("CreateProject", ProjectName="p", DatasetMaxFileCount="7", DatasetMaxBindCount="3")
    names = {"ProjectName": "p", "DatasetName": "d"}
    made = rig.call("CreateDataset", DatasetMaxBindCount="2", **names)["Dataset"]
    assert (made["DatasetMaxFileCount"], made["DatasetMaxBindCount"]) == (7, 2)
    files = [{"URI": f"oss://b/{number}"} for number in range(8)]
    assert rig.refusal("BatchIndexFileMeta", Files=files, **names)[0] == "LimitExceededError"
    assert rig.call("GetDataset", **names)["Dataset"]["FileCount"] == 0


def test_a_full_dataset_takes_no_more_bytes(rig: Rig) -> None:
    names = rig.album()
    rig.call("CreateDataset", ProjectName="p", DatasetName="s", DatasetMaxTotalFileSize="1000")
    small = {**names, "DatasetName": "s"}
    rig.call("IndexFileMeta", File={"URI": URIS[0]}, **small)
    rig.index(dataset_of(rig))
    assert rig.refusal("IndexFileMeta", File={"URI": URIS[1]}, **small)[0] == "LimitExceededError"


def test_indexing_again_adds_what_is_said(rig: Rig) -> None:
    names = rig.album()
    rig.call("IndexFileMeta", File={"URI": URIS[0], "CustomId": "c", "Title": "t"}, **names)
    rig.call("IndexFileMeta", File={"URI": URIS[0], "CustomId": "d", "Labels": []}, **names)
    (file,) = rig.call("GetFileMeta", URI=URIS[0], **names)["Files"]
    assert (file["CustomId"], file["Title"], file["ObjectStatus"]) == ("d", "t", "Pending")
    assert rig.refusal("GetFileMeta", URI=URIS[1], **names) == (
        "ResourceNotFound",
        "The specified resource file is not found.",
    )


def test_the_end_of_an_index_request_is_told(rig: Rig) -> None:
    names = rig.album()
    made = rig.call(
        "BatchIndexFileMeta",
        Files=[{"URI": uri} for uri in URIS[:3]],
        Notification={"MNS": {"TopicName": "topic1"}},
        UserData="u",
        **names,
    )
    rig.call("DeleteFileMeta", URI=URIS[1], **names)
    assert waiting_messages(rig) == []
    rig.index(dataset_of(rig), bad=URIS[2:3])
    (message,) = waiting_messages(rig)
    envelope = json.loads(message.body)
    assert envelope["id"] == made["EventId"]
    content = json.loads(envelope["content"])
    assert [file["Error"] != "" for file in content["Files"]] == [False, True, True]
    assert content["RequestId"] == made["RequestId"]


def test_a_deleted_dataset_ends_its_tasks(rig: Rig) -> None:
    names = rig.album()
    rig.call("CreateFigureClusteringTask", Notification={"MNS": {"TopicName": "topic2"}}, **names)
    rig.call("DeleteDataset", **names)
    (task,) = rig.call("ListTasks", ProjectName="p")["Tasks"]
    assert (task["Status"], task["Code"]) == ("Failed", "ResourceNotFound")
    (message,) = waiting_messages(rig)
    assert message.topic == "topic2"


def test_tasks_are_found_by_type_and_expire(rig: Rig) -> None:
    names = rig.album()
    task_id = rig.call("CreateFigureClusteringTask", UserData="u", **names)["TaskId"]
    asked = {"ProjectName": "p", "TaskId": task_id}
    for task_type in ("FaceClustering", "FigureClustering"):
        task = rig.call("GetTask", TaskType=task_type, **asked)
        assert (task["TaskType"], task["ProjectName"]) == ("FaceClustering", "p")
    missing = ("ResourceNotFound", "The specified resource task is not found.")
    assert rig.refusal("GetTask", TaskType="SimilarImageClustering", **asked) == missing
    assert rig.refusal("GetTask", TaskType="Nonsense", **asked) == missing
    assert rig.refusal("GetTask", "otherak", TaskType="FaceClustering", **asked)[1] == (
        "The specified resource project is not found."
    )
    rig.call("CreateProject", ProjectName="q")
    other = {**asked, "ProjectName": "q"}
    assert rig.refusal("GetTask", TaskType="FaceClustering", **other) == missing
    rig.clock.move(days=7, seconds=1)
    assert rig.refusal("GetTask", TaskType="FaceClustering", **asked) == missing
    assert rig.call("ListTasks", ProjectName="p")["Tasks"] == []


def test_the_ledger_of_a_task(rig: Rig) -> None:
    names = rig.album(*URIS[:3])
    rig.index(dataset_of(rig))
    task_id = rig.call("CreateFigureClusteringTask", **names)["TaskId"]
    asked = {"ProjectName": "p", "TaskId": task_id}
    assert rig.call("ImmRayGetTaskLedger", **asked)["Ledger"] == {}
    rig.run(dataset_of(rig), [URIS[:3]])
    assert rig.call("ImmRayGetTaskLedger", **asked)["Ledger"] == {"items_new": 3}


def test_tasks_are_filtered_and_paged(rig: Rig) -> None:
    names = rig.album()
    made = []
    for number in range(4):
        action = ("CreateFigureClusteringTask", "CreateSimilarImageClusteringTask")[number % 2]
        made.append(rig.call(action, Tags={"n": str(number % 2), "a": "b"}, **names)["TaskId"])
        rig.clock.move(seconds=1)

    def listed(**given: Any) -> list[str]:
        found, token = [], ""
        while True:
            page = rig.call("ListTasks", ProjectName="p", MaxResults="1", NextToken=token, **given)
            found += [task["TaskId"] for task in page["Tasks"]]
            token = page.get("NextToken", "")
            if not token:
                return found

    assert listed() == sorted(made)
    assert listed(Order="desc") == sorted(made, reverse=True)
    assert listed(Sort="StartTime") == made
    assert listed(Sort="StartTime", Order="desc") == made[::-1]
    assert listed(Sort="EndTime", Order="desc") == sorted(made, reverse=True)
    assert set(listed(TaskTypes=["FaceClustering", "MediaConvert"])) == {made[0], made[2]}
    assert listed(TaskTypes=["MediaConvert"]) == []
    assert set(listed(TagSelector="n=1,a=b")) == {made[1], made[3]}
    assert listed(Status="Failed") == []
    start = {"Start": "2026-11-21T22:07:31Z", "End": "2026-11-22T06:07:32+08:00"}
    assert listed(StartTimeRange=start, Sort="StartTime") == made[1:3]
    assert listed(EndTimeRange={"Start": "1970-01-01T00:00:00Z"}) == []
    assert rig.refusal("ListTasks", ProjectName="none")[0] == "ResourceNotFound"


def test_a_full_queue_asks_to_come_back(tmp_path: Path) -> None:
    limits = {"max_pending_per_dataset": 3, "max_pending_per_account": 4}
    with Rig(tmp_path, limits=limits) as rig:
        names = rig.album(*URIS[:2])
        rig.call("CreateFigureClusteringTask", **names)
        response = rig.send(rig.request("CreateFigureClusteringTask", **names))
        assert response.status == 429
        assert response.headers["x-acs-retry-after"] == "2000"
        assert json.loads(response.body)["Code"] == "Throttling.User"
        rig.call("CreateDataset", ProjectName="p", DatasetName="e")
        other = {"ProjectName": "p", "DatasetName": "e"}
        rig.call("IndexFileMeta", File={"URI": URIS[0]}, **other)
        code, message = rig.refusal("IndexFileMeta", File={"URI": URIS[1]}, **other)
        assert (code, "the account would have 5" in message) == ("Throttling.User", True)
        rig.index(rig.rung[0])
        assert rig.refusal("IndexFileMeta", File={"URI": URIS[1]}, **other)[0] == "Throttling.User"
        rig.clock.move(seconds=1)
        rig.call("IndexFileMeta", File={"URI": URIS[1]}, **other)
