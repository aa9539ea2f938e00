"""The main job through the official SDK against `imm-ray serve`, on real photos."""

import json
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_tea_openapi.exceptions import ClientException

from tests.ray.inbox import Inbox
from tests.ray.quality import centre_cluster, load_scores, read_labels, some_identities
from tests.ray.server import Album, ServerProcess

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

PATHS = 200


def test_faces_through_the_official_sdk(server: ServerProcess, shared: Path) -> None:
    labels = read_labels(shared / "data/lfw_dev")
    paths = some_identities(labels, least=2, paths=PATHS)
    uris = [f"oss://lfw/{path}" for path in paths]
    album = Album(server.client(), "faces").create()
    album.index(uris)
    task = album.wait(album.create_figures_task())
    assert task.status == "Succeeded"

    found = [centre_cluster(file) for file in album.files(uris)]
    truth = [labels[path] for path in paths]
    scores = load_scores(shared)
    assert scores.pairwise(truth, found)[2] >= 0.955
    assert scores.bcubed(truth, found)[2] >= 0.955

    people = album.people(page=7)
    assert len({p.object_id for p in people}) == len(people)
    assert {p.object_id for p in people} >= {c for c in found if c.startswith("Cluster-")}
    one = people[0]
    get = models.GetFigureClusterRequest(**album.names, object_id=one.object_id)
    assert album.client.get_figure_cluster(get).body.figure_cluster.face_count == one.face_count
    assert any(f.figure_cluster_id == one.object_id for f in one.cover.figures)

    again = album.wait(album.create_figures_task())
    assert again.status == "Succeeded"
    assert [p.to_map() for p in album.people()] == [p.to_map() for p in people]

    album.delete(uris)
    assert album.people() == []
    album.client.delete_dataset(models.DeleteDatasetRequest(**album.names))


def test_similar_pictures_through_the_official_sdk(server: ServerProcess, shared: Path) -> None:
    labels = read_labels(shared / "data/neardup_kodak_dev")
    paths = sorted(labels)
    uris = {f"oss://kodak/{path}": path for path in paths}
    album = Album(server.client(), "similar").create()
    album.index(uris)
    album.wait(album.create_similar_task(), "SimilarImageClustering")
    groups = album.groups(page=5)
    assert all(len(group.files) >= 2 for group in groups)
    place = {f.uri: group.object_id for group in groups for f in group.files}
    found = [place.get(uri, uri) for uri in uris]
    precision, recall, _ = load_scores(shared).pairwise([labels[p] for p in paths], found)
    assert precision >= 0.99
    assert recall >= 0.95
    for group in groups:
        assert [f.image_score for f in group.files] == sorted(
            (f.image_score for f in group.files), reverse=True
        )


def test_bad_files_fail_alone_with_a_reason(server: ServerProcess, odd: Path, shared: Path) -> None:
    good = next((shared / "data/neardup_kodak_dev/images").iterdir()).read_bytes()
    contents = {
        "good.jpg": good,
        "empty.jpg": b"",
        "text.jpg": b"not a picture " * 50,
        "cut.jpg": good[: len(good) // 2],
        "large.jpg": good + bytes(3_000_000),
        "wide.png": (shared / "data/hostile_dev/self/bomb_png_1bit_20000.png").read_bytes(),
    }
    for name, content in contents.items():
        (odd / name).write_bytes(content)
    uris = [f"oss://odd/{name}" for name in [*contents, "absent.jpg"]]
    uris += ["oss://nobody/x.jpg", "oss://odd/../odd/good.jpg"]
    album = Album(server.client(), "bad").create()
    album.index(uris)
    album.wait(album.create_figures_task())
    status = {file.uri: (file.object_status, file.reason) for file in album.files(uris)}
    assert status.pop("oss://odd/good.jpg") == ("Succeeded", None)
    assert {s for s, _ in status.values()} == {"Failed"}
    assert all(reason.endswith(".") for _, reason in status.values())
    assert status["oss://odd/absent.jpg"][1] == "File does not exist."


def test_tasks_notify(server: ServerProcess, inbox: Inbox, told: Path) -> None:
    album = Album(server.client(), "notify").create()
    inbox.refuse = 2
    topics = models.Notification(mns=models.MNS(topic_name="web"))
    more: dict[str, Any] = {"notification": topics, "user_data": "u", "tags": {"a": "b"}}
    task_id = album.create_figures_task(**more)
    album.wait(task_id)
    attempts = inbox.wait_for(3, task_id)
    assert len({message_id for message_id, _ in attempts}) == 1
    content = json.loads(attempts[-1][1]["content"])
    assert content["Status"] == "Succeeded"
    assert content["UserData"] == "u"
    assert album.get_task(task_id, "FaceClustering").tags == {"a": "b"}

    topics = models.Notification(mns=models.MNS(topic_name="file"))
    task_id = album.create_similar_task(notification=topics)
    album.wait(task_id, "SimilarImageClustering")
    while not told.exists() or task_id not in told.read_text():
        album.get_task(task_id, "SimilarImageClustering")


def test_an_unconfigured_topic_is_refused(server: ServerProcess) -> None:
    album = Album(server.client(), "topic").create()
    topics = models.Notification(mns=models.MNS(topic_name="nobody"))
    with pytest.raises(ClientException) as caught:
        album.create_figures_task(notification=topics)
    assert caught.value.code == "InvalidArgument"


def test_a_request_line_of_sixty_kilobytes_is_served(server: ServerProcess) -> None:
    album = Album(server.client(), "long").create()
    uris = [f"oss://odd/{'x' * 520}{number}.jpg" for number in range(90)]
    album.index(uris)
    assert len(album.files(uris[:90])) == 90
