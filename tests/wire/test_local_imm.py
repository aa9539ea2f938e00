"""`LocalImm`, the whole service in one process, through the official SDK."""

import json
from pathlib import Path

import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.utils_models import Config

from imm_ray.model import Outcome, Refused
from imm_ray.settings import Settings, load_settings
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

HERE = {"project_name": "p", "dataset_name": "d"}
UNAVAILABLE, INDEPENDENT = "figure-cluster-id-unavailable", "figure-cluster-id-independent"


def client_of(imm: LocalImm) -> Client:
    return Client(
        Config(
            endpoint=imm.address,
            protocol="http",
            access_key_id=ACCESS_KEY_ID,
            access_key_secret=ACCESS_KEY_SECRET,
        )
    )


def album() -> dict[str, Outcome]:
    ann, sea = random_vector("ann", 128), random_vector("sea", 1280)
    return {
        f"oss://b/{i}.jpg": picture(
            str(i),
            face(near(ann, str(i), 0.99)),
            vector=near(sea, str(i), 0.95),
            score=i / 10,
        )
        for i in range(3)
    } | {"oss://b/bad.jpg": Refused("The file is empty.")}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    key = {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET}
    topics = {"told": str(tmp_path / "told.jsonl")}
    return load_settings(
        None, data=tmp_path / "data", auth={"users": [key]}, notifications={"topics": topics}
    )


def create(client: Client, **more: str) -> None:
    client.create_project(models.CreateProjectRequest(project_name="p"))
    client.create_dataset(models.CreateDatasetRequest(**HERE, **more))


def index(client: Client, uris: list[str]) -> None:
    files = [models.InputFile(uri=uri) for uri in uris]
    told = models.Notification(mns=models.MNS(topic_name="told"))
    request = models.BatchIndexFileMetaRequest(**HERE, files=files, notification=told)
    client.batch_index_file_meta(request)


def figure_cluster(client: Client, uri: str) -> str:
    got = client.get_file_meta(models.GetFileMetaRequest(**HERE, uri=uri)).body.files[0]
    return str(got.figures[0].figure_cluster_id)


def test_the_main_job_without_ray(settings: Settings, tmp_path: Path) -> None:
    pictures = album()
    with LocalImm(settings.data, FakeEmbedder(pictures), settings=settings) as imm:
        client = client_of(imm)
        create(client)
        index(client, list(pictures))
        imm.settle()
        assert figure_cluster(client, "oss://b/0.jpg") == UNAVAILABLE
        bad = client.get_file_meta(models.GetFileMetaRequest(**HERE, uri="oss://b/bad.jpg"))
        assert (bad.body.files[0].object_status, bad.body.files[0].reason) == (
            "Failed",
            "The file is empty.",
        )
        (told,) = imm.messages()
        content = json.loads(json.loads(told)["content"])
        assert [file["Error"] for file in content["Files"]] == ["", "", "", "The file is empty."]

        client.create_figure_clustering_task(models.CreateFigureClusteringTaskRequest(**HERE))
        client.create_similar_image_clustering_task(
            models.CreateSimilarImageClusteringTaskRequest(**HERE)
        )
        imm.settle()
        people = client.query_figure_clusters(
            models.QueryFigureClustersRequest(**HERE, with_total_count=True)
        ).body
        assert people.total_count == 1
        (ann,) = people.figure_clusters
        assert (ann.face_count, ann.image_count) == (3, 3)
        assert figure_cluster(client, "oss://b/0.jpg") == ann.object_id
        groups = client.query_similar_image_clusters(
            models.QuerySimilarImageClustersRequest(**HERE)
        ).body.similar_image_clusters
        assert [[file.uri[-5] for file in group.files] for group in groups] == [["2", "1", "0"]]

    with LocalImm(settings.data, FakeEmbedder(), settings=settings) as imm:
        client = client_of(imm)
        again = models.GetFigureClusterRequest(**HERE, object_id=ann.object_id)
        assert client.get_figure_cluster(again).body.figure_cluster.to_map() == ann.to_map()


def test_a_template_without_operators_clusters_nothing(settings: Settings) -> None:
    embedder = FakeEmbedder(album())
    with LocalImm(settings.data, embedder, settings=settings) as imm:
        client = client_of(imm)
        create(client, template_id="Official:DefaultEmptyId")
        seen: list[str] = []
        embedder.hook = lambda sources: seen.extend(source.media_type for source in sources)
        index(client, ["oss://b/0.jpg"])
        imm.settle()
        assert seen == ["other"]


def test_a_lone_face_is_independent_after_a_task(settings: Settings) -> None:
    pictures = dict(list(album().items())[:1])
    with LocalImm(settings.data, FakeEmbedder(pictures), settings=settings) as imm:
        client = client_of(imm)
        create(client)
        index(client, list(pictures))
        client.create_figure_clustering_task(models.CreateFigureClusteringTaskRequest(**HERE))
        imm.settle()
        assert figure_cluster(client, "oss://b/0.jpg") == INDEPENDENT
