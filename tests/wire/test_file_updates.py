"""UpdateFileMeta and BatchUpdateFileMeta through the official SDK, against the whole service."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import Config

from imm_ray.model import Edit
from imm_ray.settings import load_settings
from imm_ray.store import datasets, edits
from imm_ray.testing import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    FakeEmbedder,
    LocalImm,
    face,
    near,
    picture,
    random_vector,
)

INDEPENDENT = "figure-cluster-id-independent"
UNAVAILABLE = "figure-cluster-id-unavailable"
URIS = [f"oss://b/{name}{number}.jpg" for name in ("ann", "bob") for number in range(4)]


def client_of(imm: LocalImm) -> Client:
    return Client(
        Config(
            endpoint=imm.address,
            protocol="http",
            access_key_id=ACCESS_KEY_ID,
            access_key_secret=ACCESS_KEY_SECRET,
        )
    )


class Album:
    """Four photos of Ann and four of Bob, clustered, in a dataset of their own."""

    def __init__(self, imm: LocalImm, name: str) -> None:
        self.imm, self.name = imm, name
        self.client = client_of(imm)
        self.here = {"project_name": "p", "dataset_name": name}
        self.client.create_dataset(models.CreateDatasetRequest(**self.here))
        batch = [models.InputFile(uri=uri, custom_labels={"of": uri[8:11]}) for uri in URIS]
        request = models.BatchIndexFileMetaRequest(**self.here, files=batch)
        self.client.batch_index_file_meta(request)
        self.cluster()
        self.ann, self.bob = self.place(URIS[0]), self.place(URIS[4])

    def cluster(self) -> None:
        self.client.create_figure_clustering_task(
            models.CreateFigureClusteringTaskRequest(**self.here)
        )
        self.imm.settle()

    def file(self, uri: str) -> models.File:
        request = models.GetFileMetaRequest(**self.here, uri=uri)
        return self.client.get_file_meta(request).body.files[0]

    def place(self, uri: str) -> str:
        return str(self.file(uri).figures[0].figure_cluster_id)

    def figure(self, uri: str) -> str:
        return str(self.file(uri).figures[0].figure_id)

    def update(self, uri: str, **change: Any) -> None:
        file = models.InputFile(uri=uri, **change)
        self.client.update_file_meta(models.UpdateFileMetaRequest(**self.here, file=file))

    def update_all(self, files: list[models.InputFile]) -> list[dict[str, Any]]:
        request = models.BatchUpdateFileMetaRequest(**self.here, files=files)
        return [r.to_map() for r in self.client.batch_update_file_meta(request).body.files]

    def move(self, uri: str, cluster_id: str) -> None:
        self.update(uri, figures=[to(self.figure(uri), cluster_id)])
        self.imm.settle()

    def edits(self) -> list[Edit]:
        with self.imm.database.read() as tx:
            dataset = datasets.get(tx, "100000", "p", self.name)
            return edits.list_edits(tx, dataset.dataset_id, limit=999)

    def count(self, cluster_id: str) -> int:
        request = models.GetFigureClusterRequest(**self.here, object_id=cluster_id)
        return int(self.client.get_figure_cluster(request).body.figure_cluster.face_count)


def to(figure_id: str, cluster_id: str) -> models.InputFileFigures:
    return models.InputFileFigures(
        figure_id=figure_id, figure_type="face", figure_cluster_id=cluster_id
    )


def refusal(run: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientException) as caught:
        run()
    assert caught.value.status_code == 400
    return caught.value.code, str(caught.value.message)


@pytest.fixture(scope="module")
def imm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalImm]:
    faces = {
        uri: picture(uri, face(near(random_vector(uri[8:11], 128), uri, 0.99))) for uri in URIS
    }
    data = tmp_path_factory.mktemp("updates")
    key = {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET}
    topics = {"told": str(data / "told.jsonl")}
    settings = load_settings(
        None, data=data, auth={"users": [key]}, notifications={"topics": topics}
    )
    with LocalImm(data, FakeEmbedder(faces), settings=settings) as imm:
        client_of(imm).create_project(models.CreateProjectRequest(project_name="p"))
        yield imm


@pytest.fixture
def album(imm: LocalImm, request: pytest.FixtureRequest) -> Album:
    return Album(imm, request.node.name)


def test_labels_and_custom_id_are_replaced_as_wholes(album: Album) -> None:
    before = album.file(URIS[0])
    album.update(URIS[0], custom_id="one")
    album.update(URIS[0], custom_labels={"City": "Köln", "n": 3, "t": True})
    file = album.file(URIS[0])
    assert (file.custom_id, file.custom_labels) == ("one", {"City": "Köln", "n": 3, "t": True})
    assert file.update_time > before.update_time
    assert (file.object_status, file.figure_count) == ("Succeeded", 1)

    album.update(URIS[0], custom_labels={"k": "v"}, media_type="video", title="not taken")
    file = album.file(URIS[0])
    assert (file.custom_id, file.custom_labels, file.title) == ("one", {"k": "v"}, None)
    assert file.media_type == "image"
    album.update(URIS[0], custom_labels={}, custom_id="")
    file = album.file(URIS[0])
    assert (file.custom_id, file.custom_labels or None) == (None, None)
    assert album.file(URIS[1]).custom_labels == {"of": "ann"}


def test_a_file_keeps_its_labels_when_lists_are_sent_empty(album: Album) -> None:
    album.update(URIS[0])
    assert album.file(URIS[0]).custom_labels == {"of": "ann"}
    assert album.place(URIS[0]) == album.ann
    assert album.edits() == []


def test_a_batch_says_of_each_file_what_became_of_it(album: Album) -> None:
    many = {f"k{n}": "v" for n in range(101)}
    results = album.update_all(
        [
            models.InputFile(uri=URIS[0], custom_id="a"),
            models.InputFile(uri="oss://b/none.jpg", custom_id="b"),
            models.InputFile(uri=URIS[1], custom_id="c", custom_labels=many),
            models.InputFile(uri=URIS[2], figures=[to("nobody", album.bob)]),
            models.InputFile(uri="http://b/c.jpg"),
            models.InputFile(uri=URIS[0], custom_labels={"later": "x"}),
        ]
    )
    messages = [result["Message"] for result in results]
    assert [result["URI"] for result in results][:3] == [URIS[0], "oss://b/none.jpg", URIS[1]]
    assert [result["Success"] for result in results] == [True, False, False, False, False, True]
    assert messages[0] == ""
    assert messages[1:4] == [
        "*error.OpError : ResourceNotFound | The specified resource file is not found.",
        "*error.OpError : InvalidArgument | Index KV count exceeded, should be no more than 100.",
        "*error.OpError : ResourceNotFound | The specified resource figure is not found.",
    ]
    assert "InvalidArgument | The parameter URI is not valid" in messages[4]
    assert album.file(URIS[0]).custom_id == "a"
    assert album.file(URIS[0]).custom_labels == {"later": "x"}
    assert album.file(URIS[1]).custom_id is None


def test_a_hundred_labels_are_allowed_and_one_more_is_not(album: Album) -> None:
    album.update(URIS[0], custom_labels={f"k{n}": str(n) for n in range(100)})
    assert len(album.file(URIS[0]).custom_labels) == 100
    more = {f"k{n}": str(n) for n in range(101)}
    code, message = refusal(lambda: album.update(URIS[0], custom_labels=more))
    assert code == "InvalidArgument"
    assert "Index KV count exceeded, should be no more than 100." in message


def test_a_face_moves_to_another_person_and_stays_there(album: Album) -> None:
    album.move(URIS[0], album.bob)
    assert album.place(URIS[0]) == album.bob
    assert (album.count(album.ann), album.count(album.bob)) == (3, 5)
    album.cluster()
    assert album.place(URIS[0]) == album.bob


def test_a_removed_face_does_not_come_back_by_itself(album: Album) -> None:
    album.move(URIS[0], INDEPENDENT)
    assert album.place(URIS[0]) == INDEPENDENT
    album.cluster()
    assert album.place(URIS[0]) == INDEPENDENT
    assert album.count(album.ann) == 3
    made = len(album.edits())
    album.move(URIS[0], INDEPENDENT)
    assert len(album.edits()) == made
    album.move(URIS[0], album.ann)
    assert album.place(URIS[0]) == album.ann


def test_a_face_that_is_there_already_is_left_as_it_is(album: Album) -> None:
    album.move(URIS[0], album.ann)
    assert album.edits() == []


def test_what_can_not_be_done_is_refused_whole(album: Album) -> None:
    figure, here = album.figure(URIS[0]), album.file(URIS[0]).update_time
    cases = [
        (figure, "Cluster-none", "ResourceNotFound", "The specified resource figure-cluster"),
        (album.figure(URIS[4]), album.ann, "ResourceNotFound", "The specified resource figure is"),
        (figure, UNAVAILABLE, "InvalidArgument", "can not be set"),
        (figure, "", "InvalidArgument", "File.Figures[0].FigureClusterId"),
    ]
    for figure_id, cluster_id, code, message in cases:
        given = [to(figure_id, cluster_id)]
        found = refusal(lambda given=given: album.update(URIS[0], custom_id="x", figures=given))  # type: ignore[misc]
        assert found[0] == code
        assert message in found[1]
    twice = [to(figure, album.bob), to(figure, album.ann)]
    assert "more than once" in refusal(lambda: album.update(URIS[0], figures=twice))[1]
    assert album.file(URIS[0]).custom_id is None
    assert album.file(URIS[0]).update_time == here
    assert album.edits() == []
    code, message = refusal(lambda: album.update("oss://b/none.jpg", custom_id="x"))
    assert code == "ResourceNotFound"
    assert "The specified resource file is not found." in message


def test_a_retired_cluster_leads_to_its_heir(album: Album) -> None:
    for uri in URIS[:4]:
        album.move(uri, album.bob)
    request = models.GetFigureClusterRequest(**album.here, object_id=album.ann)
    heir = album.client.get_figure_cluster(request).body.figure_cluster.object_id
    assert heir == album.bob
    album.move(URIS[0], INDEPENDENT)
    album.move(URIS[0], album.ann)
    assert album.place(URIS[0]) == album.bob


def test_a_waiting_edit_is_not_taken_for_the_place_of_a_face(album: Album) -> None:
    figure = album.figure(URIS[0])
    for place in (album.bob, album.ann):
        away_or_back = [models.InputFile(uri=URIS[0], figures=[to(figure, place)])]
        assert album.update_all(away_or_back)[0]["Success"]
    album.imm.settle()
    assert album.place(URIS[0]) == album.ann
    assert len(album.edits()) == 2


def test_parallel_updates_lose_nothing(album: Album) -> None:
    """Every client changes another member of the same files: all of it is there in the end."""
    figures = {uri: album.figure(uri) for uri in URIS[:4]}

    def change(number: int) -> None:
        uri, kind = URIS[number % 4], number // 4
        if kind == 0:
            album.update(uri, custom_id=f"id-{uri}")
        elif kind == 1:
            album.update(uri, custom_labels={"of": uri, "n": number})
        else:
            album.update(uri, figures=[to(figures[uri], album.bob)])

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(change, range(12)))
    album.imm.settle()
    for number, uri in enumerate(URIS[:4]):
        file = album.file(uri)
        assert file.custom_id == f"id-{uri}"
        assert file.custom_labels == {"of": uri, "n": 4 + number}
        assert file.figures[0].figure_cluster_id == album.bob
    assert len(album.edits()) == 4


def test_an_update_of_a_file_that_waits_reaches_the_indexed_file(album: Album) -> None:
    album.client.index_file_meta(
        models.IndexFileMetaRequest(**album.here, file=models.InputFile(uri=URIS[0], title="t"))
    )
    album.update(URIS[0], custom_labels={"new": "x"})
    album.imm.settle()
    file = album.file(URIS[0])
    assert (file.object_status, file.title, file.custom_labels) == ("Succeeded", "t", {"new": "x"})


def test_the_index_request_of_an_updated_file_is_answered(album: Album) -> None:
    told = models.Notification(mns=models.MNS(topic_name="told"))
    file = models.InputFile(uri=URIS[0])
    index = models.IndexFileMetaRequest(**album.here, file=file, notification=told)
    album.client.index_file_meta(index)
    album.update(URIS[0], custom_id="x")
    album.imm.settle()
    (message,) = album.imm.messages()
    assert json.loads(json.loads(message)["content"])["Files"] == [{"URI": URIS[0], "Error": ""}]
