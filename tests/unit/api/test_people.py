"""Updates, merges and splits of figure clusters, and what takes them back, at the ingress."""

import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from imm_ray.model import ClusterId, ClusterKind, DatasetId, EditKind, EditStatus, TaskStatus
from imm_ray.store import datasets, edits, outbox, ownership, staging, work
from tests.unit.api.test_clusters import URIS, clustered, retire
from tests.wire.rig import Rig

ANN, BOB, EVE = (f"Cluster-{number:04}" for number in range(3))


def update(rig: Rig, names: Mapping[str, str], **said: Any) -> None:
    rig.call("UpdateFigureCluster", FigureCluster={"ObjectId": ANN, **said}, **names)


def ann(rig: Rig, names: Mapping[str, str]) -> dict[str, Any]:
    found = rig.call("GetFigureCluster", ObjectId=ANN, **names)["FigureCluster"]
    assert isinstance(found, dict)
    return found


def figure(rig: Rig, names: Mapping[str, str], number: int) -> str:
    (file,) = rig.call("GetFileMeta", URI=URIS[number], **names)["Files"]
    return str(file["Figures"][0]["FigureId"])


def settle(rig: Rig, dataset_id: DatasetId, status: EditStatus, reason: str = "") -> None:
    """Have the owner end all edits that wait."""
    with rig.database.write() as tx:
        lease = ownership.take(tx, dataset_id, "rig", 1)
        kind = ClusterKind.FIGURE
        run = datasets.visible_run(tx, dataset_id, kind) + 1
        settled = [
            edits.SettledEdit(
                edit_id=edit.edit_id, status=status, reason=reason, effect={}, task_id=edit.task_id
            )
            for edit in edits.pending(tx, dataset_id)
        ]
        end = staging.RunEnd(
            watermark=0,
            edits=settled,
            ledger={"clusters_changed": 2},
            edits_until=datasets.acknowledged(tx, dataset_id),
            at=rig.clock(),
        )
        assert staging.publish(tx, lease, kind, run, end, rig.notices.task)


def test_an_update_says_all_or_a_part_and_counts(rig: Rig) -> None:
    names = clustered(rig)
    created = ann(rig, names)
    assert created["MetaLockVersion"] == 0
    rig.clock.move(seconds=5)
    labels = {"team": "red", "n": 3}
    rung = len(rig.rung)
    update(rig, names, Name="Ann", CustomId="a1", CustomLabels=labels)
    assert len(rig.rung) == rung + 1
    found = ann(rig, names)
    assert (found["Name"], found["CustomId"], found["CustomLabels"]) == ("Ann", "a1", labels)
    assert found["MetaLockVersion"] == 1
    assert found["CreateTime"] == created["CreateTime"]
    assert found["UpdateTime"] > created["UpdateTime"]
    update(rig, names, Name="", CustomLabels={"team": "blue"})
    found = ann(rig, names)
    assert "Name" not in found
    assert (found["CustomId"], found["CustomLabels"]) == ("a1", {"team": "blue"})
    update(rig, names, CustomId="", CustomLabels={})
    found = ann(rig, names)
    assert "CustomId" not in found
    assert "CustomLabels" not in found
    assert found["MetaLockVersion"] == 3
    with rig.database.read() as tx:
        waiting = edits.pending(tx, rig.rung[-1])
        assert work.pending_of_dataset(tx, rig.rung[-1]) == 3
    assert {edit.kind for edit in waiting} == {EditKind.NAME}
    assert waiting[0].payload == {
        "cluster_id": ANN,
        "changed": ["Name", "CustomId", "CustomLabels"],
        "name": "Ann",
    }


@pytest.mark.parametrize("version", [1, 3, 2**40])
def test_an_update_with_another_version_changes_nothing(rig: Rig, version: int) -> None:
    names = clustered(rig)
    update(rig, names, Name="Ann", MetaLockVersion=0)
    update(rig, names, Name="Anna", MetaLockVersion=1)
    before = ann(rig, names)
    cluster = {"ObjectId": ANN, "Name": "Other", "MetaLockVersion": version}
    code, message = rig.refusal("UpdateFigureCluster", FigureCluster=cluster, **names)
    assert code == "StatusConflict"
    assert f"has MetaLockVersion 2, not {version}" in message
    assert ann(rig, names) == before
    with rig.database.read() as tx:
        assert len(edits.pending(tx, rig.rung[-1])) == 2


def test_a_stale_zero_is_compared_and_an_absent_version_is_not(rig: Rig) -> None:
    names = clustered(rig)
    update(rig, names, Name="Ann")
    stale = {"ObjectId": ANN, "Name": "Other", "MetaLockVersion": 0}
    assert rig.refusal("UpdateFigureCluster", FigureCluster=stale, **names)[0] == "StatusConflict"
    update(rig, names, Name="Anna")
    assert ann(rig, names)["Name"] == "Anna"


def test_parallel_updates_with_the_lock_lose_nothing(rig: Rig) -> None:
    names = clustered(rig)
    each, clients = 5, 4
    failures: list[BaseException] = []

    def client(number: int) -> None:
        done = 0
        while done < each:
            now = ann(rig, names)
            labels = {**now.get("CustomLabels", {}), f"{number}-{done}": "done"}
            said = {
                "ObjectId": ANN,
                "CustomLabels": labels,
                "MetaLockVersion": now["MetaLockVersion"],
            }
            status, body = rig.try_call("UpdateFigureCluster", FigureCluster=said, **names)
            assert status == 200 or body["Code"] == "StatusConflict", body
            done += status == 200

    def guarded(number: int) -> None:
        try:
            client(number)
        except BaseException as failure:  # noqa: BLE001 - raised again below
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    found = ann(rig, names)
    assert found["MetaLockVersion"] == each * clients
    assert set(found["CustomLabels"]) == {f"{c}-{n}" for c in range(clients) for n in range(each)}


def test_a_chosen_cover_stays_while_its_figure_is_there(rig: Rig) -> None:
    names = clustered(rig)
    assert ann(rig, names)["Cover"]["URI"] == URIS[0]
    chosen = figure(rig, names, 2)
    update(rig, names, Cover={"Figures": [{"FigureId": chosen}]})
    assert ann(rig, names)["Cover"]["URI"] == URIS[2]
    listed = rig.call("QueryFigureClusters", **names)["FigureClusters"]
    assert [cluster["Cover"]["URI"] for cluster in listed] == [URIS[2], URIS[3], URIS[5]]
    rig.call("DeleteFileMeta", URI=URIS[0], **names)
    assert ann(rig, names)["Cover"]["URI"] == URIS[2]
    rig.call("DeleteFileMeta", URI=URIS[2], **names)
    assert ann(rig, names)["Cover"]["URI"] == URIS[1]


@pytest.mark.parametrize("which", ["of another", "unknown"])
def test_a_cover_must_be_a_figure_of_the_cluster(rig: Rig, which: str) -> None:
    names = clustered(rig)
    figure_id = figure(rig, names, 3) if which == "of another" else "nobody"
    said = {"ObjectId": ANN, "Name": "Ann", "Cover": {"Figures": [{"FigureId": figure_id}]}}
    code, message = rig.refusal("UpdateFigureCluster", FigureCluster=said, **names)
    assert code == "InvalidArgument"
    assert f"Figures[0].FigureId is not valid: the figure {figure_id} is not in" in message
    assert "Name" not in ann(rig, names)


@pytest.mark.parametrize(
    ("said", "parameter"),
    [
        ({}, "FigureCluster.ObjectId"),
        ({"ObjectId": ANN, "Cover": {"Figures": [{}]}}, "FigureCluster.Cover.Figures[0].FigureId"),
        ({"ObjectId": ANN, "MetaLockVersion": -1}, "FigureCluster.MetaLockVersion"),
        ({"ObjectId": ANN, "MetaLockVersion": "0"}, "FigureCluster.MetaLockVersion"),
        ({"ObjectId": ANN, "Name": "x" * 257}, "FigureCluster.Name"),
        ({"ObjectId": ANN, "CustomLabels": {"a": [1]}}, "FigureCluster.CustomLabels"),
    ],
)
def test_a_malformed_update_names_the_member(
    rig: Rig, said: dict[str, Any], parameter: str
) -> None:
    names = clustered(rig)
    code, message = rig.refusal("UpdateFigureCluster", FigureCluster=said, **names)
    assert (code, f"parameter {parameter} is" in message) == ("InvalidArgument", True), message


def test_a_retired_id_updates_the_heir_unless_a_version_comes_with_it(rig: Rig) -> None:
    names = clustered(rig)
    retire(rig, {BOB: ANN})
    said = {"ObjectId": BOB, "Name": "Ann or Bob"}
    locked = {**said, "MetaLockVersion": 0}
    code, message = rig.refusal("UpdateFigureCluster", FigureCluster=locked, **names)
    assert (code, f"is now part of {ANN}" in message) == ("StatusConflict", True)
    rig.call("UpdateFigureCluster", FigureCluster=said, **names)
    assert ann(rig, names)["Name"] == "Ann or Bob"
    nobody = {"ObjectId": "Cluster-nobody", "Name": "x"}
    assert rig.refusal("UpdateFigureCluster", FigureCluster=nobody, **names)[0] == (
        "ResourceNotFound"
    )


def test_a_similar_image_cluster_is_no_figure_cluster(rig: Rig) -> None:
    names = clustered(rig)
    rig.call("CreateSimilarImageClusteringTask", **names)
    rig.run(rig.rung[-1], [URIS[:3]])
    (similar,) = rig.call("QuerySimilarImageClusters", **names)["SimilarImageClusters"]
    other = similar["ObjectId"]
    for action, given in (
        ("UpdateFigureCluster", {"FigureCluster": {"ObjectId": other}}),
        ("CreateFigureClustersMergingTask", {"From": other, "To": ANN}),
        ("CreateFigureClustersMergingTask", {"From": ANN, "To": other}),
        ("ImmRaySplitFigureCluster", {"ObjectId": other, "FigureIds": ["f"]}),
    ):
        assert rig.refusal(action, **given, **names)[0] == "ResourceNotFound"


def merging(rig: Rig, names: Mapping[str, str], **given: Any) -> dict[str, Any]:
    return rig.call(
        "CreateFigureClustersMergingTask",
        **{"From": BOB, "To": ANN, "Notification": {"MNS": {"TopicName": "topic1"}}, **given},
        **names,
    )


def told(rig: Rig) -> list[dict[str, Any]]:
    with rig.database.read() as tx:
        waiting = outbox.due(tx, rig.clock(), limit=100)
    return [json.loads(w.message.body) for w in waiting]


def got(rig: Rig, task_id: str, **given: Any) -> dict[str, Any]:
    return rig.call(
        "GetTask",
        ProjectName="p",
        TaskId=task_id,
        TaskType="FigureClustersMerging",
        **given,
    )


def test_a_merging_task_ends_with_its_edit(rig: Rig) -> None:
    names = clustered(rig)
    made = merging(rig, names, UserData="u", Tags={"test": "val1"})
    assert made["TaskId"].startswith("FigureClustersMerging-")
    task = got(rig, made["TaskId"], RequestDefinition="true")
    assert (task["Status"], task["Progress"], task["UserData"]) == ("Running", 0, "u")
    asked = json.loads(task["TaskRequestDefinition"])
    assert (asked["From"], asked["To"], asked["Tags"]) == (BOB, ANN, {"test": "val1"})
    with rig.database.read() as tx:
        (edit,) = edits.pending(tx, rig.rung[-1])
    assert (edit.kind, edit.payload) == (EditKind.MERGE, {"to": ANN, "from": [BOB]})
    settle(rig, rig.rung[-1], EditStatus.APPLIED)
    task = got(rig, made["TaskId"])
    assert (task["Status"], task["Progress"], "Code" in task) == ("Succeeded", 100, False)
    assert "TaskRequestDefinition" not in task
    listed = rig.call("ListTasks", ProjectName="p", TaskTypes=["FigureClustersMerging"])["Tasks"]
    assert [task["TaskId"] for task in listed] == [made["TaskId"]]
    ledger = rig.call("ImmRayGetTaskLedger", ProjectName="p", TaskId=made["TaskId"])["Ledger"]
    assert ledger == {"clusters_changed": 2}
    (message,) = told(rig)
    assert message["type"] == "imm:Task:FigureClustersMerging"
    content = json.loads(message["content"])
    assert (content["TaskType"], content["Status"], content["UserData"]) == (
        "FigureClustersMerging",
        "Succeeded",
        "u",
    )


def test_a_refused_merge_fails_its_task(rig: Rig) -> None:
    names = clustered(rig)
    made = merging(rig, names)
    settle(rig, rig.rung[-1], EditStatus.REFUSED, "The figure cluster x does not exist.")
    task = got(rig, made["TaskId"])
    assert (task["Status"], task["Code"], task["Message"]) == (
        "Failed",
        "ResourceNotFound",
        "The figure cluster x does not exist.",
    )
    assert json.loads(told(rig)[0]["content"])["Status"] == "Failed"


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"To": ANN}, "InvalidArgument", "Exactly one of"),
        ({"To": ANN, "From": BOB, "Froms": [EVE]}, "InvalidArgument", "Exactly one of"),
        ({"To": ANN, "Froms": []}, "InvalidArgument", "Exactly one of"),
        ({"From": BOB}, "InvalidArgument", "The parameter To is required"),
        ({"To": ANN, "From": ANN}, "InvalidArgument", "parameter To is not valid"),
        ({"To": ANN, "Froms": [BOB, ANN]}, "InvalidArgument", "parameter To is not valid"),
        ({"To": ANN, "Froms": ["x"] * 101}, "InvalidArgument", "parameter Froms"),
        ({"To": ANN, "From": "Cluster-x"}, "ResourceNotFound", "figure-cluster"),
        ({"To": "Cluster-x", "From": BOB}, "ResourceNotFound", "figure-cluster"),
        ({"To": ANN, "Froms": [BOB, "Cluster-x"]}, "ResourceNotFound", "figure-cluster"),
    ],
)
def test_a_wrong_merge_makes_no_task(
    rig: Rig, given: dict[str, Any], code: str, words: str
) -> None:
    names = clustered(rig)
    refusal = rig.refusal("CreateFigureClustersMergingTask", **given, **names)
    assert (refusal[0], words in refusal[1]) == (code, True), refusal
    assert len(rig.call("ListTasks", ProjectName="p")["Tasks"]) == 1
    with rig.database.read() as tx:
        assert edits.pending(tx, rig.rung[-1]) == []


def test_a_hundred_sources_are_one_edit_without_doubles(rig: Rig) -> None:
    names = clustered(rig)
    retire(rig, {EVE: BOB})
    merging(rig, {**names}, From="", Froms=[BOB, EVE] * 50)
    with rig.database.read() as tx:
        (edit,) = edits.pending(tx, rig.rung[-1])
    assert edit.payload == {"to": ANN, "from": [BOB, EVE]}


def test_a_deleted_dataset_ends_its_merging_tasks(rig: Rig) -> None:
    names = clustered(rig)
    made = merging(rig, names)
    rig.call("BatchDeleteFileMeta", URIs=URIS, **names)
    rig.call("DeleteDataset", **names)
    assert got(rig, made["TaskId"])["Code"] == "ResourceNotFound"


def test_a_split_answers_the_new_id_at_once_and_shows_it_later(rig: Rig) -> None:
    names = clustered(rig)
    figures = [figure(rig, names, 0), figure(rig, names, 1)]
    answer = rig.call(
        "ImmRaySplitFigureCluster", ObjectId=ANN, FigureIds=[*figures, figures[0]], **names
    )
    new = answer["ObjectId"]
    assert new.startswith("Cluster-")
    assert rig.refusal("GetFigureCluster", ObjectId=new, **names)[0] == "ResourceNotFound"
    listed = rig.call("QueryFigureClusters", WithTotalCount="true", **names)
    assert listed["TotalCount"] == 3
    edit = rig.call("ImmRayGetEdit", EditId=answer["EditId"], **names)["Edit"]
    assert edit == {
        "EditId": answer["EditId"],
        "Kind": "Split",
        "Status": "Pending",
        "CreateTime": "2026-11-21T22:07:30Z",
        "Definition": {"ClusterId": new, "From": ANN, "FigureIds": figures},
    }


def test_the_row_of_a_split_is_swept_only_when_its_edit_is_over(rig: Rig) -> None:
    names = clustered(rig)
    dataset_id = rig.rung[-1]
    figure_ids = [figure(rig, names, 0)]
    new = rig.call("ImmRaySplitFigureCluster", ObjectId=ANN, FigureIds=figure_ids, **names)

    def swept() -> set[ClusterId]:
        """Sweep the clusters of which no state is left; return those that are still wanted."""
        kind = ClusterKind.FIGURE
        with rig.database.write() as tx:
            lease = ownership.take(tx, dataset_id, "rig", 1)
            left = staging.leftovers(tx, dataset_id, kind, 1)
            assert left <= {new["ObjectId"]}
            return staging.sweep_clusters(tx, lease, kind, 1, sorted(left))

    assert swept() == {new["ObjectId"]}
    settle(rig, dataset_id, EditStatus.REFUSED, "too late")
    assert swept() == set()
    with rig.database.read() as tx:
        assert not staging.leftovers(tx, dataset_id, ClusterKind.FIGURE, 1)


def test_a_split_needs_figures_that_leave_and_one_that_stays(rig: Rig) -> None:
    names = clustered(rig)
    all_of_ann = [figure(rig, names, number) for number in range(3)]
    of_bob = figure(rig, names, 3)
    for figures, words in (
        (all_of_ann, "no figure would stay in the cluster"),
        ([all_of_ann[0], of_bob], f"the figure {of_bob} is not in"),
        (["nobody"], "the figure nobody is not in"),
        ([], "parameter FigureIds is not valid"),
        (["x"] * 101, "FigureIds"),
    ):
        code, message = rig.refusal(
            "ImmRaySplitFigureCluster", ObjectId=ANN, FigureIds=figures, **names
        )
        assert (code, words in message) == ("InvalidArgument", True), message
    gone = rig.refusal("ImmRaySplitFigureCluster", ObjectId="x", FigureIds=["f"], **names)
    assert gone[0] == "ResourceNotFound"
    with rig.database.read() as tx:
        assert edits.pending(tx, rig.rung[-1]) == []


def test_an_undo_is_an_edit_of_its_own(rig: Rig) -> None:
    names = clustered(rig)
    merging(rig, names)
    (merge,) = rig.call("ImmRayListEdits", **names)["Edits"]
    undone = rig.call("ImmRayUndo", EditId=merge["EditId"], **names)
    edit = rig.call("ImmRayGetEdit", EditId=undone["EditId"], **names)["Edit"]
    assert (edit["Kind"], edit["Definition"]) == ("Undo", {"EditId": merge["EditId"]})
    settle(rig, rig.rung[-1], EditStatus.REFUSED, "Nothing is left to take apart.")
    edit = rig.call("ImmRayGetEdit", EditId=undone["EditId"], **names)["Edit"]
    assert (edit["Status"], edit["Reason"]) == ("Refused", "Nothing is left to take apart.")
    assert edit["ApplyTime"] == edit["CreateTime"]
    for edit_id, code in (
        (undone["EditId"], "StatusConflict"),
        (merge["EditId"], "StatusConflict"),
        ("none", "ResourceNotFound"),
    ):
        assert rig.refusal("ImmRayUndo", EditId=edit_id, **names)[0] == code


def test_a_name_is_not_undone(rig: Rig) -> None:
    names = clustered(rig)
    update(rig, names, Name="Ann")
    (edit,) = rig.call("ImmRayListEdits", **names)["Edits"]
    code, message = rig.refusal("ImmRayUndo", EditId=edit["EditId"], **names)
    assert (code, "is of kind Name" in message) == ("StatusConflict", True)


def test_edits_and_history_belong_to_one_dataset(rig: Rig) -> None:
    names = clustered(rig)
    merging(rig, names)
    (edit,) = rig.call("ImmRayListEdits", **names)["Edits"]
    rig.call("CreateDataset", ProjectName="p", DatasetName="e")
    other = {**names, "DatasetName": "e"}
    assert rig.call("ImmRayListEdits", **other)["Edits"] == []
    for action in ("ImmRayGetEdit", "ImmRayUndo"):
        assert rig.refusal(action, EditId=edit["EditId"], **other)[0] == "ResourceNotFound"
    assert rig.refusal("ImmRayHistory", ObjectId=ANN, **other)[0] == "ResourceNotFound"


def test_edits_are_paged_the_newest_first(rig: Rig) -> None:
    names = clustered(rig)
    for name in "abcde":
        update(rig, names, Name=name)
    found, token = [], ""
    while True:
        page = rig.call("ImmRayListEdits", MaxResults="2", NextToken=token, **names)
        found += [edit["Definition"]["Name"] for edit in page["Edits"]]
        if not (token := page.get("NextToken", "")):
            break
    assert found == list("edcba")


def test_a_cancelled_task_is_failed_and_told_once(rig: Rig) -> None:
    names = clustered(rig)
    topic = {"MNS": {"TopicName": "topic2"}}
    task_id = rig.call("CreateFigureClusteringTask", Notification=topic, **names)["TaskId"]
    asked = {"ProjectName": "p", "TaskId": task_id}
    rig.clock.move(seconds=3)
    rig.call("ImmRayCancelTask", **asked)
    task = rig.call("GetTask", TaskType="FaceClustering", **asked)
    assert (task["Status"], task["Code"]) == ("Failed", "Cancelled")
    assert task["EndTime"] == "2026-11-21T22:07:33Z"
    code, message = rig.refusal("ImmRayCancelTask", **asked)
    assert (code, "has ended as Failed" in message) == ("StatusConflict", True)
    assert [json.loads(message["content"])["Code"] for message in told(rig)] == ["Cancelled"]
    with rig.database.read() as tx:
        assert work.pending_of_dataset(tx, rig.rung[-1]) == 0


def test_a_task_that_has_ended_is_not_cancelled(rig: Rig) -> None:
    clustered(rig)
    (task,) = rig.call("ListTasks", ProjectName="p")["Tasks"]
    refusal = rig.refusal("ImmRayCancelTask", ProjectName="p", TaskId=task["TaskId"])
    assert refusal[0] == "StatusConflict"
    assert rig.call("ListTasks", ProjectName="p")["Tasks"] == [task]
    unknown = rig.refusal("ImmRayCancelTask", ProjectName="p", TaskId="none")
    assert unknown == ("ResourceNotFound", "The specified resource task is not found.")


def test_cancelling_a_merge_takes_its_edit_back_once(rig: Rig) -> None:
    names = clustered(rig)
    made = merging(rig, names)
    asked = {"ProjectName": "p", "TaskId": made["TaskId"]}
    rig.call("ImmRayCancelTask", **asked)
    assert rig.refusal("ImmRayCancelTask", **asked)[0] == "StatusConflict"
    with rig.database.read() as tx:
        merge, undo = edits.pending(tx, rig.rung[-1])
    assert (merge.kind, undo.kind, undo.payload) == (
        EditKind.MERGE,
        EditKind.UNDO,
        {"edit_id": merge.edit_id},
    )
    settle(rig, rig.rung[-1], EditStatus.APPLIED)
    assert got(rig, made["TaskId"])["Code"] == "Cancelled"
    assert len(told(rig)) == 1
    assert got(rig, made["TaskId"])["Status"] == TaskStatus.FAILED


@pytest.mark.parametrize("what", ["labels", "created", "updated"])
def test_a_filtered_page_is_the_filtered_whole(rig: Rig, what: str) -> None:
    names = clustered(rig)
    rig.clock.move(seconds=10)
    update(rig, names, CustomLabels={"team": "red", "x": "1"})
    at = ann(rig, names)
    queries: dict[str, dict[str, Any]] = {
        "labels": {"CustomLabels": "team=red"},
        "created": {"CreateTimeRange": {"End": at["CreateTime"]}},
        "updated": {"UpdateTimeRange": {"Start": at["UpdateTime"]}},
    }
    wanted = queries[what]
    hits = [ANN, BOB, EVE] if what == "created" else [ANN]
    for sort in ("", "Name", "FaceCount", "ImageCount", "CreateTime", "UpdateTime", "VideoCount"):
        for order in ("asc", "desc"):
            found, token = [], ""
            while True:
                page = rig.call(
                    "QueryFigureClusters",
                    Sort=sort,
                    Order=order,
                    MaxResults="1",
                    NextToken=token,
                    WithTotalCount="true",
                    **wanted,
                    **names,
                )
                found += [cluster["ObjectId"] for cluster in page["FigureClusters"]]
                assert page["TotalCount"] == len(hits)
                if not (token := page.get("NextToken", "")):
                    break
            assert sorted(found) == hits, (sort, order)


def test_the_labels_of_a_cleared_cluster_are_not_found(rig: Rig) -> None:
    names = clustered(rig)
    update(rig, names, CustomLabels={"team": "red"})
    update(rig, names, CustomLabels={})
    asked = {"CustomLabels": "team=red", "WithTotalCount": "true", **names}
    assert rig.call("QueryFigureClusters", **asked)["TotalCount"] == 0


def test_ties_of_a_sort_are_ordered_by_id(rig: Rig) -> None:
    names = clustered(rig)
    for object_id in (EVE, BOB):
        said = {"ObjectId": object_id, "Name": "Twin"}
        rig.call("UpdateFigureCluster", FigureCluster=said, **names)
    listed = rig.call("QueryFigureClusters", Sort="Name", **names)["FigureClusters"]
    assert [cluster["ObjectId"] for cluster in listed] == [ANN, BOB, EVE]
    listed = rig.call("QueryFigureClusters", Sort="Name", Order="desc", **names)["FigureClusters"]
    assert [cluster["ObjectId"] for cluster in listed] == [EVE, BOB, ANN]
