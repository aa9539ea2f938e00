"""Edits of people through the official SDK against the whole service in one process."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi import utils_models as open_api
from alibabacloud_tea_openapi.exceptions import ClientException
from darabonba.runtime import RuntimeOptions

from imm_ray.dataset.ports import EmbedderUnavailable
from imm_ray.model import EditKind, Outcome, Source
from imm_ray.settings import Settings
from imm_ray.store import datasets, edits
from imm_ray.testing import FakeEmbedder, LocalImm, face, near, picture, random_vector
from tests.wire.test_local_imm import HERE, client_of, create, index, settings

__all__ = ["settings"]

PEOPLE = ("ann", "bob", "eve", "joe")
NAMES = {"ProjectName": "p", "DatasetName": "d"}


def album() -> dict[str, Outcome]:
    return {
        f"oss://b/{name}{i}.jpg": picture(
            f"{name}{i}",
            face(near(random_vector(name, 128), f"{name}{i}", 0.99)),
            vector=near(random_vector(f"sea {name}", 1280), f"{name}{i}", 0.95),
        )
        for name in PEOPLE
        for i in range(4)
    }


def generic(client: Client, action: str, **query: str) -> dict[str, Any]:
    """Call an action that the SDK has no method for."""
    params = open_api.Params(
        action=action,
        version="2020-09-30",
        protocol="HTTP",
        method="POST",
        auth_type="AK",
        style="RPC",
        pathname="/",
        req_body_type="json",
        body_type="json",
    )
    request = open_api.OpenApiRequest(query={**NAMES, **query})
    body = client.call_api(params, request, RuntimeOptions())["body"]
    assert isinstance(body, dict)
    return body


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder(album())


@pytest.fixture
def imm(settings: Settings, embedder: FakeEmbedder) -> Iterator[LocalImm]:
    with LocalImm(settings.data, embedder, settings=settings) as imm:
        client = client_of(imm)
        create(client)
        index(client, list(album()))
        client.create_figure_clustering_task(models.CreateFigureClusteringTaskRequest(**HERE))
        imm.settle()
        yield imm


def file_of(client: Client, photo: str) -> Any:
    asked = models.GetFileMetaRequest(**HERE, uri=f"oss://b/{photo}.jpg")
    return client.get_file_meta(asked).body.files[0].figures[0]


def person(client: Client, photo: str) -> str:
    return str(file_of(client, photo).figure_cluster_id)


def cluster(client: Client, object_id: str) -> Any:
    asked = models.GetFigureClusterRequest(**HERE, object_id=object_id)
    return client.get_figure_cluster(asked).body.figure_cluster


def update(client: Client, object_id: str, **said: Any) -> None:
    wanted = models.FigureClusterForReq(object_id=object_id, **said)
    client.update_figure_cluster(models.UpdateFigureClusterRequest(**HERE, figure_cluster=wanted))


def merge(client: Client, to: str, *others: str) -> Any:
    given = {"from_": others[0]} if len(others) == 1 else {"froms": list(others)}
    request = models.CreateFigureClustersMergingTaskRequest(**HERE, to=to, **given)
    return client.create_figure_clusters_merging_task(request).body


def task(client: Client, task_id: str) -> Any:
    asked = models.GetTaskRequest(
        project_name="p", task_id=task_id, task_type="FigureClustersMerging"
    )
    return client.get_task(asked).body


def code_of(run: Callable[[], object]) -> str:
    with pytest.raises(ClientException) as caught:
        run()
    return str(caught.value.code)


def test_updates_of_a_person(imm: LocalImm) -> None:
    client = client_of(imm)
    ann = person(client, "ann0")
    cover = models.FigureClusterForReqCover(
        figures=[
            models.FigureClusterForReqCoverFigures(figure_id=file_of(client, "ann2").figure_id)
        ]
    )
    update(client, ann, name="Ann", custom_labels={"team": "red"}, cover=cover, meta_lock_version=0)
    imm.settle()
    found = cluster(client, ann)
    assert (found.name, found.custom_labels, found.meta_lock_version) == (
        "Ann",
        {"team": "red"},
        1,
    )
    assert found.cover.uri == "oss://b/ann2.jpg"
    stale = {"name": "Other", "meta_lock_version": 0}
    assert code_of(lambda: update(client, ann, **stale)) == "StatusConflict"
    request = models.QueryFigureClustersRequest(
        **HERE, custom_labels="team=red", sort="Name", order="desc", with_total_count=True
    )
    listed = client.query_figure_clusters(request).body
    assert (listed.total_count, [c.object_id for c in listed.figure_clusters]) == (1, [ann])
    client.create_figure_clustering_task(models.CreateFigureClusteringTaskRequest(**HERE))
    imm.settle()
    assert cluster(client, ann).to_map() == found.to_map()


def test_a_merge_its_history_and_its_undo(imm: LocalImm) -> None:
    client = client_of(imm)
    ann, bob, eve = (person(client, f"{name}0") for name in ("ann", "bob", "eve"))
    update(client, bob, name="Bob")
    made = merge(client, ann, bob, eve)
    imm.settle()
    ended = task(client, made.task_id)
    assert (ended.status, ended.task_type) == ("Succeeded", "FigureClustersMerging")
    assert cluster(client, bob).object_id == ann
    assert cluster(client, ann).face_count == 12
    events = generic(client, "ImmRayHistory", ObjectId=ann)["Events"]
    assert [(event["Event"], event["ItemCount"]) for event in events] == [
        ("Merged", 4),
        ("Merged", 4),
        ("Born", 4),
    ]
    assert {event["OtherId"] for event in events[:2]} == {bob, eve}
    assert events[0]["Edit"]["TaskId"] == made.task_id
    edit_id = events[0]["Edit"]["EditId"]
    undone = generic(client, "ImmRayUndo", EditId=edit_id)["EditId"]
    imm.settle()
    edit = generic(client, "ImmRayGetEdit", EditId=undone)["Edit"]
    assert (edit["Status"], edit["Kind"]) == ("Applied", "Undo")
    assert cluster(client, bob).name == "Bob"
    assert [cluster(client, c).face_count for c in (ann, bob, eve)] == [4, 4, 4]
    assert generic(client, "ImmRayHistory", ObjectId=bob)["Events"][0]["Event"] == "Restored"


def test_a_history_of_everything_is_paged_the_newest_first(imm: LocalImm) -> None:
    client = client_of(imm)
    ann = person(client, "ann0")
    update(client, ann, name="Ann")
    client.create_similar_image_clustering_task(
        models.CreateSimilarImageClusteringTaskRequest(**HERE)
    )
    imm.settle()
    whole = generic(client, "ImmRayHistory")["Events"]
    found, token = [], ""
    while True:
        page = generic(client, "ImmRayHistory", MaxResults="2", NextToken=token)
        found += page["Events"]
        if not (token := page.get("NextToken", "")):
            break
    assert found == whole
    assert [event["Time"] for event in found] == sorted((e["Time"] for e in found), reverse=True)
    kinds = {(event["Event"], event["ObjectType"]) for event in found}
    assert kinds == {
        ("Born", "figure-cluster"),
        ("Named", "figure-cluster"),
        ("Born", "similar-image-cluster"),
    }
    named = [event for event in found if event["Event"] == "Named"]
    assert [event["Edit"]["Kind"] for event in named] == ["Name"]
    assert generic(client, "ImmRayHistory", ObjectId=ann)["Events"] == [
        event for event in whole if event["ObjectId"] == ann
    ]
    assert code_of(lambda: generic(client, "ImmRayHistory", ObjectId="none")) == "ResourceNotFound"


def test_a_split_through_the_generic_call(imm: LocalImm) -> None:
    client = client_of(imm)
    ann = person(client, "ann0")
    figures = [file_of(client, f"ann{number}").figure_id for number in range(2)]
    answer = generic(
        client, "ImmRaySplitFigureCluster", ObjectId=ann, FigureIds=str(figures).replace("'", '"')
    )
    imm.settle()
    new = answer["ObjectId"]
    assert [person(client, f"ann{number}") for number in range(4)] == [new, new, ann, ann]
    assert cluster(client, new).face_count == 2
    update(client, new, name="Not Ann")
    client.create_figure_clustering_task(models.CreateFigureClusteringTaskRequest(**HERE))
    imm.settle()
    assert (cluster(client, new).name, cluster(client, new).face_count) == ("Not Ann", 2)
    generic(client, "ImmRayUndo", EditId=answer["EditId"])
    imm.settle()
    assert {person(client, f"ann{number}") for number in range(4)} == {ann}
    assert cluster(client, new).object_id == ann


def test_a_cancelled_task_through_the_generic_call(imm: LocalImm, embedder: FakeEmbedder) -> None:
    client = client_of(imm)
    request = models.CreateFigureClusteringTaskRequest(
        **HERE, notification=models.Notification(mns=models.MNS(topic_name="told"))
    )
    down = True

    def hook(sources: Sequence[Source]) -> None:
        if down:
            raise EmbedderUnavailable("not now")

    embedder.hook = hook
    embedder.outcomes["oss://b/new.jpg"] = picture("new", face(random_vector("ann", 128)))
    index(client, ["oss://b/new.jpg"])
    created = client.create_figure_clustering_task(request).body
    generic(client, "ImmRayCancelTask", TaskId=created.task_id)
    down = False
    imm.settle()
    asked = models.GetTaskRequest(
        project_name="p", task_id=created.task_id, task_type="FaceClustering"
    )
    ended = client.get_task(asked).body
    assert (ended.status, ended.code) == ("Failed", "Cancelled")
    assert person(client, "new") == "figure-cluster-id-unavailable"
    again = code_of(lambda: generic(client, "ImmRayCancelTask", TaskId=created.task_id))
    assert again == "StatusConflict"


def test_parallel_clients_lose_no_edit(imm: LocalImm) -> None:
    first = client_of(imm)
    homes = {name: person(first, f"{name}0") for name in PEOPLE}
    moved = file_of(first, "joe3").figure_id
    with imm.database.read() as tx:
        dataset_id = datasets.get(tx, imm.settings.auth.users[0].account, "p", "d").dataset_id
    made: list[Any] = []

    def move() -> None:
        payload = {"figure_id": moved, "cluster_id": homes["eve"]}
        with imm.database.write() as tx:
            edits.add(tx, dataset_id, EditKind.MOVE, payload, imm.clock())

    def rename(name: str) -> Callable[[], None]:
        def run() -> None:
            client = client_of(imm)
            for number in range(5):
                update(client, homes[name], name=f"{name} {number}")

        return run

    jobs: list[Callable[[], Any]] = [
        lambda: made.append(merge(client_of(imm), homes["ann"], homes["bob"])),
        rename("ann"),
        rename("eve"),
        move,
        lambda: client_of(imm).create_figure_clustering_task(
            models.CreateFigureClusteringTaskRequest(**HERE)
        ),
    ]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    imm.settle()
    assert task(first, made[0].task_id).status == "Succeeded"
    ann, eve = cluster(first, homes["ann"]), cluster(first, homes["eve"])
    assert (ann.name, ann.meta_lock_version, ann.face_count) == ("ann 4", 5, 8)
    assert (eve.name, eve.meta_lock_version, eve.face_count) == ("eve 4", 5, 5)
    assert cluster(first, homes["joe"]).face_count == 3
    stored = generic(first, "ImmRayListEdits")["Edits"]
    assert len(stored) == 12
    assert {edit["Status"] for edit in stored} == {"Applied"}
