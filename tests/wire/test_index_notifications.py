"""What is told when index requests end: each once, whatever happens to their files meanwhile."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imm_ray.model import Refused
from imm_ray.notify.shape import cloud_event
from imm_ray.store import outbox, ownership, results
from imm_ray.store.outbox import Waiting
from tests.wire.rig import Rig

MNS = {"MNS": {"TopicName": "topic1"}}
URIS = ["oss://b/1.jpg", "oss://b/2.jpg", "oss://b/3.jpg"]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def waiting(rig: Rig) -> list[Waiting]:
    with rig.database.read() as tx:
        return outbox.due(tx, rig.clock(), limit=100)


def told(rig: Rig) -> list[tuple[str, dict[str, Any]]]:
    found = [json.loads(w.message.body) for w in waiting(rig)]
    return sorted((envelope["id"], json.loads(envelope["content"])) for envelope in found)


def batch(rig: Rig, names: dict[str, str], files: list[dict[str, Any]], **more: Any) -> str:
    given = {"Notification": MNS, "UserData": "u", **names, **more}
    return str(rig.call("BatchIndexFileMeta", Files=files, **given)["EventId"])


def test_the_last_file_of_a_batch_tells_of_all(rig: Rig) -> None:
    names = rig.album()
    labels = {"CustomId": "c-1", "CustomLabels": {"k": "v"}}
    event_id = batch(rig, names, [{"URI": URIS[0], **labels}, {"URI": URIS[1]}])
    assert told(rig) == []
    rig.clock.move(seconds=1)
    rig.index(rig.rung[-1], bad=[URIS[1]])
    ((told_id, content),) = told(rig)
    assert told_id == event_id
    assert content.pop("RequestId")
    assert list(content.items()) == [
        ("ProjectName", "p"),
        ("DatasetName", "d"),
        ("StartTime", "2026-11-22T06:07:30+08:00"),
        ("EndTime", "2026-11-22T06:07:31+08:00"),
        ("Success", True),
        ("Message", ""),
        (
            "Files",
            [{"URI": URIS[0], "Error": ""}, {"URI": URIS[1], "Error": "It is no image."}],
        ),
        ("UserData", "u"),
    ]
    (one,) = waiting(rig)
    event = json.loads(cloud_event(one.message))
    assert event["type"] == "imm:FileMeta:BatchIndex"
    assert event["data"]["Files"][0] == {"URI": URIS[0], **labels, "Error": ""}


def test_one_file_and_both_channels(rig: Rig) -> None:
    names = rig.album()
    both = MNS | {"RocketMQ": {"InstanceId": "i", "TopicName": "topic2"}}
    rig.call("IndexFileMeta", File={"URI": URIS[0]}, Notification=both, **names)
    rig.index(rig.rung[-1])
    found = [(w.message.topic, w.message.event_type) for w in waiting(rig)]
    assert sorted(found) == [("topic1", "imm:FileMeta:Index"), ("topic2", "imm:FileMeta:Index")]


def test_a_file_that_is_indexed_again_meanwhile_ends_both_requests(rig: Rig) -> None:
    names = rig.album()
    first = batch(rig, names, [{"URI": uri} for uri in URIS[:2]])
    second = batch(rig, names, [{"URI": uri} for uri in URIS[1:]])
    rig.index(rig.rung[-1])
    assert [(i, len(content["Files"])) for i, content in told(rig)] == sorted(
        [(first, 2), (second, 2)]
    )


def test_a_result_for_an_older_revision_ends_no_request(rig: Rig) -> None:
    names = rig.album()
    batch(rig, names, [{"URI": URIS[0]}])
    dataset_id = rig.rung[-1]
    with rig.database.read() as tx:
        old = results.pending(tx, dataset_id, limit=9)
    batch(rig, names, [{"URI": URIS[0]}])
    with rig.database.write() as tx:
        lease = ownership.take(tx, dataset_id, "rig", 1)
        late = [results.Result(file, Refused("It was replaced.")) for file in old]
        results.commit(tx, lease, late, rig.clock(), rig.notices.index_request)
    assert told(rig) == []
    rig.index(dataset_id)
    assert [content["Files"][0]["Error"] for _, content in told(rig)] == ["", ""]


def test_a_file_that_is_deleted_meanwhile_has_ended(rig: Rig) -> None:
    names = rig.album()
    batch(rig, names, [{"URI": URIS[0]}, {"URI": URIS[1]}])
    rig.call("DeleteFileMeta", URI=URIS[0], **names)
    assert told(rig) == []
    rig.index(rig.rung[-1])
    ((_, content),) = told(rig)
    assert [bool(file["Error"]) for file in content["Files"]] == [True, False]
    event = json.loads(cloud_event(waiting(rig)[0].message))
    assert event["data"]["Files"][0]["CustomLabels"] == {}


@pytest.mark.parametrize("action", ["DeleteDataset", "DeleteProject"])
def test_what_is_deleted_before_its_end_is_told_too(rig: Rig, action: str) -> None:
    names = rig.album()
    batch(rig, names, [{"URI": uri} for uri in URIS])
    rig.call("BatchDeleteFileMeta", URIs=URIS, **names)
    ((_, content),) = told(rig)
    assert all(file["Error"] for file in content["Files"])
    rig.call("DeleteDataset", **names)
    if action == "DeleteProject":
        rig.call(action, ProjectName="p")
    assert len(told(rig)) == 1


def test_without_a_notification_nobody_is_told(rig: Rig) -> None:
    names = rig.album(*URIS)
    rig.index(rig.rung[-1])
    assert names
    assert waiting(rig) == []
