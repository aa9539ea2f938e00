"""CreateBinding, GetBinding, ListBindings, DeleteBinding, StopBinding, ResumeBinding."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wire.rig import Rig

HERE = {"ProjectName": "p", "DatasetName": "d"}
NOT_FOUND = ("ResourceNotFound", "The specified resource binding is not found.")
BUCKETS = [f"b{number:02}" for number in range(12)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path, buckets=dict.fromkeys(BUCKETS, str(tmp_path))) as rig:
        rig.album()
        yield rig


def bind(rig: Rig, uri: str = "oss://b00", **given: Any) -> dict[str, Any]:
    body: dict[str, Any] = rig.call("CreateBinding", URI=uri, **HERE, **given)["Binding"]
    return body


def binding(rig: Rig, uri: str = "oss://b00") -> dict[str, Any]:
    body: dict[str, Any] = rig.call("GetBinding", URI=uri, **HERE)["Binding"]
    return body


def test_a_new_binding_waits_for_its_first_scan(rig: Rig) -> None:
    made = bind(rig)
    assert made == {
        **HERE,
        "URI": "oss://b00",
        "State": "Ready",
        "Phase": "",
        "Reason": "",
        "CreateTime": "2026-11-21T22:07:30Z",
        "UpdateTime": "2026-11-21T22:07:30Z",
    }
    assert binding(rig) == made
    assert rig.call("GetDataset", **HERE)["Dataset"]["BindCount"] == 1


def test_a_bucket_is_bound_once_however_it_is_spelt(rig: Rig) -> None:
    assert bind(rig, "b00")["URI"] == "oss://b00"
    for same in ("oss://b00", "oss://b00/", "b00"):
        assert rig.refusal("CreateBinding", URI=same, **HERE) == (
            "ResourceAlreadyExists",
            "The specified resource binding already exists.",
        )
        assert binding(rig, same)["URI"] == "oss://b00"
    rig.call("CreateDataset", ProjectName="p", DatasetName="e")
    rig.call("CreateBinding", URI="oss://b00", ProjectName="p", DatasetName="e")
    assert bind(rig, "s3://b00")["URI"] == "s3://b00"


@pytest.mark.parametrize(
    "uri",
    ["oss://", "oss:///b00", "oss://b00/key", "http://b00", "file:///b00", "b 0", "é", "../b"],
)
def test_what_is_no_bucket_is_refused(rig: Rig, uri: str) -> None:
    code, message = rig.refusal("CreateBinding", URI=uri, **HERE)
    assert (code, "is not a bucket" in message) == ("InvalidArgument", True)


def test_a_bucket_must_be_configured(rig: Rig) -> None:
    code, message = rig.refusal("CreateBinding", URI="oss://elsewhere", **HERE)
    assert code == "InvalidArgument"
    assert "'elsewhere' is not configured" in message
    assert rig.refusal("CreateBinding", **HERE)[1].startswith("The parameter URI is required")


def test_a_dataset_has_as_many_bindings_as_it_may(rig: Rig) -> None:
    for name in BUCKETS[:10]:
        bind(rig, f"oss://{name}")
    refused = rig.refusal("CreateBinding", URI=f"oss://{BUCKETS[10]}", **HERE)
    assert refused == ("LimitExceededError", "The dataset may have 10 bindings.")
    rig.call("DeleteBinding", URI="oss://b00", **HERE)
    bind(rig, f"oss://{BUCKETS[10]}")


def test_bindings_are_listed_by_uri_in_pages(rig: Rig) -> None:
    for name in reversed(BUCKETS[:5]):
        bind(rig, f"oss://{name}")
    found, token = [], ""
    for _ in range(3):
        page = rig.call("ListBindings", MaxResults="2", NextToken=token, **HERE)
        found += [item["URI"] for item in page["Bindings"]]
        token = page.get("NextToken", "")
    assert (found, token) == ([f"oss://{name}" for name in BUCKETS[:5]], "")
    (one,) = rig.call("ListBindings", URI="oss://b03", **HERE)["Bindings"]
    assert one == binding(rig, "oss://b03")
    assert rig.call("ListBindings", URI="oss://b09", **HERE)["Bindings"] == []
    assert rig.call("ListBindings", Name="task", **HERE)["Bindings"] == []
    assert rig.refusal("ListBindings", MaxResults="201", **HERE)[0] == "InvalidArgument"
    assert rig.refusal("ListBindings", ProjectName="p")[1].startswith(
        "The parameter DatasetName is required"
    )


def test_a_page_token_is_of_one_dataset(rig: Rig) -> None:
    rig.call("CreateDataset", ProjectName="p", DatasetName="e")
    other = {"ProjectName": "p", "DatasetName": "e"}
    for name in BUCKETS[:2]:
        bind(rig, f"oss://{name}")
    token = rig.call("ListBindings", MaxResults="1", **HERE)["NextToken"]
    assert rig.refusal("ListBindings", NextToken=token, **other)[0] == "InvalidArgument"
    assert rig.refusal("ListBindings", NextToken=token, URI="b00", **HERE)[0] == "InvalidArgument"


def test_a_binding_is_stopped_and_resumed(rig: Rig) -> None:
    made = bind(rig)
    rig.call("ResumeBinding", URI="oss://b00", **HERE)
    assert binding(rig) == made
    rig.clock.move(seconds=1)
    assert rig.call("StopBinding", URI="oss://b00", Reason="moving", **HERE).keys() == {"RequestId"}
    stopped = made | {"State": "Stopped", "Reason": "moving", "UpdateTime": "2026-11-21T22:07:31Z"}
    assert binding(rig) == stopped
    rig.clock.move(seconds=1)
    rig.call("StopBinding", URI="oss://b00", Reason="other", **HERE)
    assert binding(rig) == stopped
    rig.call("ResumeBinding", URI="oss://b00", **HERE)
    assert binding(rig) == made | {"UpdateTime": "2026-11-21T22:07:32Z"}
    assert rig.refusal("StopBinding", URI="b00", Reason="r" * 257, **HERE)[0] == "InvalidArgument"


@pytest.mark.parametrize("action", ["GetBinding", "DeleteBinding", "StopBinding", "ResumeBinding"])
def test_a_binding_that_is_not_there(rig: Rig, action: str) -> None:
    assert rig.refusal(action, URI="oss://b00", **HERE) == NOT_FOUND
    bind(rig)
    foreign = rig.refusal(action, "otherak", URI="oss://b00", **HERE)
    assert foreign == ("ResourceNotFound", "The specified resource project is not found.")
    assert binding(rig)["State"] == "Ready"


@pytest.mark.parametrize("cleanup", ["True", "false", ""])
def test_a_deleted_binding_leaves_the_files_of_clients(rig: Rig, cleanup: str) -> None:
    bind(rig)
    rig.call("IndexFileMeta", File={"URI": "oss://b00/1.jpg"}, **HERE)
    rig.call("DeleteBinding", URI="oss://b00", Cleanup=cleanup, **HERE)
    assert rig.refusal("GetBinding", URI="oss://b00", **HERE) == NOT_FOUND
    dataset = rig.call("GetDataset", **HERE)["Dataset"]
    assert (dataset["BindCount"], dataset["FileCount"]) == (0, 1)


def test_bindings_keep_their_dataset_and_the_dataset_its_project(rig: Rig) -> None:
    bind(rig)
    conflict = ("StatusConflict", "cannot delete when sub resoures exist")
    assert rig.refusal("DeleteDataset", **HERE) == conflict
    assert rig.refusal("DeleteProject", ProjectName="p") == conflict
    rig.call("DeleteBinding", URI="oss://b00", **HERE)
    assert rig.refusal("DeleteProject", ProjectName="p") == conflict
    rig.call("DeleteDataset", **HERE)
    rig.call("DeleteProject", ProjectName="p")


def test_bindings_outlive_the_process(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with Rig(folder, buckets={"b00": "/x"}) as rig:
        rig.album()
        made = bind(rig)
    with Rig(folder) as rig:  # the bucket is not configured any more
        assert binding(rig) == made
        rig.call("DeleteBinding", URI="oss://b00", **HERE)
