"""Actions that ask models and owners, on real photos, through the official SDK and real actors."""

import base64
import json
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions
from PIL import Image
from Tea.exceptions import TeaException

from tests.ray.quality import centre_cluster, read_labels, some_identities
from tests.ray.server import POLL_S, TASK_S, Album, ServerProcess

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

T = TypeVar("T")

LFW = "oss://lfw/"


class Photos:
    """A clustered dataset of photos of known people."""

    def __init__(self, server: ServerProcess, shared: Path) -> None:
        labels = read_labels(shared / "data/lfw_dev")
        self.paths = some_identities(labels, least=3, paths=40)
        self.labels = [labels[path] for path in self.paths]
        self.uris = [LFW + path for path in self.paths]
        self.folder = shared / "data/lfw_dev"
        self.album = Album(server.client(), "pictures").create()
        self.album.index(self.uris)
        self.album.wait(self.album.create_figures_task())
        self.album.wait(self.album.create_similar_task(), "SimilarImageClustering")

    def ask(self, action: str, *, form: bool = False, **given: Any) -> dict[str, Any]:
        """Call an extension with the SDK's generic call."""
        params = Params(
            action=action,
            version="2020-09-30",
            protocol="HTTP",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        names = self.album.names
        values = {
            "ProjectName": names["project_name"],
            "DatasetName": names["dataset_name"],
            **{name: str(value) for name, value in given.items()},
        }
        request = OpenApiRequest(body=values) if form else OpenApiRequest(query=values)
        return dict(self.album.client.call_api(params, request, RuntimeOptions())["body"])

    def compare(self, uri1: str, uri2: str) -> float:
        source = models.CompareImageFacesRequestSource(uri1=uri1, uri2=uri2)
        request = models.CompareImageFacesRequest(project_name="pictures", source=source)
        return float(self.album.client.compare_image_faces(request).body.similarity)

    def clusters_of(self, uri: str) -> list[Any]:
        request = models.SearchImageFigureClusterRequest(**self.album.names, source_uri=uri)
        return list(self.album.client.search_image_figure_cluster(request).body.clusters)


@pytest.fixture(scope="module")
def photos(server: ServerProcess, shared: Path) -> Photos:
    return Photos(server, shared)


def test_detect_compare_and_score(photos: Photos) -> None:
    client = photos.album.client
    request = models.DetectImageFacesRequest(project_name="pictures", source_uri=photos.uris[0])
    faces = client.detect_image_faces(request).body.faces
    stored = photos.album.files(photos.uris[:1])[0]
    assert {f.boundary.left for f in faces} == {f.boundary.left for f in stored.figures}
    scored = models.DetectImageScoreRequest(project_name="pictures", source_uri=photos.uris[0])
    score = client.detect_image_score(scored).body.image_score.overall_quality_score
    assert score == stored.image_score.overall_quality_score

    first = photos.labels[0]
    mates = [u for u, label in zip(photos.uris, photos.labels, strict=True) if label == first]
    others = [u for u, label in zip(photos.uris, photos.labels, strict=True) if label != first]
    assert photos.compare(mates[0], mates[1]) > photos.compare(mates[0], others[0])
    assert photos.compare(mates[0], mates[0]) == 1.0


def test_every_photo_finds_the_cluster_that_it_is_in(photos: Photos) -> None:
    files = photos.album.files(photos.uris)
    inside = [file for file in files if centre_cluster(file).startswith("Cluster-")]
    assert len(inside) > len(files) / 2
    agree = [
        centre_cluster(file) in {found.cluster_id for found in photos.clusters_of(file.uri)}
        for file in inside[:15]
    ]
    assert sum(agree) >= 14


def test_an_upload_finds_its_picture_and_its_person(photos: Photos) -> None:
    content = (photos.folder / photos.paths[0]).read_bytes()
    body = photos.ask(
        "ImmRaySearchByImage", form=True, Content=base64.b64encode(content).decode(), Limit=2
    )
    assert body["Images"][0] == {"URI": photos.uris[0], "Similarity": 1.0}
    known = {found.cluster_id for found in photos.clusters_of(photos.uris[0])}
    assert {face["ClusterId"] for face in body["Faces"] if "ClusterId" in face} == known


def test_faces_are_searched_in_a_task(photos: Photos, told: Path) -> None:
    request = models.CreateFacesSearchingTaskRequest(
        **photos.album.names,
        sources=[
            models.CreateFacesSearchingTaskRequestSources(uri=photos.uris[0]),
            models.CreateFacesSearchingTaskRequestSources(uri="oss://lfw/none.jpg"),
        ],
        max_result=3,
        notification=models.Notification(mns=models.MNS(topic_name="file")),
    )
    task_id = photos.album.client.create_faces_searching_task(request).body.task_id
    assert photos.album.wait(task_id, "FacesSearching").status == "Succeeded"
    while not told.exists() or task_id not in told.read_text():
        photos.album.get_task(task_id, "FacesSearching")
    (line,) = [line for line in told.read_text().splitlines() if task_id in line]
    found, missing = json.loads(json.loads(line)["content"])["Sources"]
    assert found["SimilarFaces"][0]["URI"] == photos.uris[0]
    assert found["SimilarFaces"][0]["Similarity"] == 1.0
    assert len(found["SimilarFaces"]) == 3
    assert missing["Error"] == "File does not exist."


def test_thumbnails_and_explanations(photos: Photos) -> None:
    one, two = (file.figures[0] for file in photos.album.files(photos.uris[:2]))
    body = photos.ask("ImmRayGetThumbnail", FigureId=one.figure_id, Size=64)
    image = Image.open(BytesIO(base64.b64decode(body["Content"])))
    assert image.format == "JPEG"
    assert max(image.size) <= 64
    why = photos.ask("ImmRayExplain", FigureId1=one.figure_id, FigureId2=two.figure_id)
    same = one.figure_cluster_id == two.figure_cluster_id
    assert why["Explanation"]["Together"] is same
    assert "threshold" in why["Explanation"]["Sentence"]


def test_it_can_be_asked_while_a_task_runs(photos: Photos, shared: Path) -> None:
    labels = read_labels(shared / "data/lfw_dev")
    more = [LFW + path for path in some_identities(labels, least=2, paths=100)]
    photos.album.index(more)
    task_id = photos.album.create_figures_task()
    assert _when_there(lambda: photos.clusters_of(photos.uris[0])) is not None
    assert photos.album.wait(task_id).status == "Succeeded"


@pytest.mark.parametrize("victim", ["OwnerActor", "Embedder", "decode_worker"])
def test_whoever_dies_is_waited_for(server: ServerProcess, photos: Photos, victim: str) -> None:
    before = {found.cluster_id for found in photos.clusters_of(photos.uris[0])}
    victims = server.actors(victim)
    assert victims
    for process in victims:
        process.kill()
    after = _when_there(lambda: photos.clusters_of(photos.uris[0]))
    assert {found.cluster_id for found in after} == before


def _when_there(ask: Callable[[], T]) -> T:
    """Return the answer; ask again while the service says that it can not be had now."""
    deadline = time.monotonic() + TASK_S
    while True:
        try:
            return ask()
        except TeaException as error:
            if error.code != "ServiceUnavailable" or time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)  # a poll of the service, which needs the cores more than we do
