"""``DatasetConfig`` from a client's request to the clusters, in the whole service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi import utils_models as open_api
from darabonba.runtime import RuntimeOptions

from imm_ray.model import Outcome
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
from tests.wire.test_local_imm import HERE, INDEPENDENT, UNAVAILABLE, client_of, figure_cluster


def settings_of(folder: Path, **clustering: Any) -> Settings:
    key = {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET}
    return load_settings(None, data=folder, auth={"users": [key]}, clustering=clustering)


def album(count: int) -> dict[str, Outcome]:
    ann = random_vector("ann", 128)
    return {
        f"oss://b/{i}.jpg": picture(str(i), face(near(ann, str(i), 0.99))) for i in range(count)
    }


@pytest.fixture
def imm(tmp_path: Path) -> Iterator[LocalImm]:
    with LocalImm(tmp_path, FakeEmbedder(album(3)), settings=settings_of(tmp_path)) as imm:
        yield imm


def send(client: Client, action: str, **query: Any) -> Any:
    """Send what the models of the current SDK can not: ``DatasetConfig`` is no member of them."""
    params = open_api.Params(
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
    request = open_api.OpenApiRequest(query=query)
    return client.call_api(params, request, RuntimeOptions())["body"]


def figure(auto: bool | None = None, count: int | None = None) -> str:
    said = models.DatasetConfig(
        smart_cluster=models.SmartClusterConfig(
            figure=models.FigureClusterConfig(auto_clustering=auto, min_entity_count=count)
        )
    )
    return json.dumps(said.to_map())


def create(client: Client, *, project: str = "", dataset: str = "") -> None:
    more = {"DatasetConfig": project} if project else {}
    send(client, "CreateProject", ProjectName="p", **more)
    more = {"DatasetConfig": dataset} if dataset else {}
    send(client, "CreateDataset", ProjectName="p", DatasetName="d", **more)


def index(client: Client, *numbers: int) -> None:
    files = [models.InputFile(uri=f"oss://b/{number}.jpg") for number in numbers]
    client.batch_index_file_meta(models.BatchIndexFileMetaRequest(**HERE, files=files))


def cluster(client: Client, imm: LocalImm) -> None:
    client.create_figure_clustering_task(models.CreateFigureClusteringTaskRequest(**HERE))
    imm.settle()


def place(client: Client) -> str:
    found = figure_cluster(client, "oss://b/0.jpg")
    return "a person" if found.startswith("Cluster-") else found


def test_a_dataset_clusters_by_itself(imm: LocalImm) -> None:
    client = client_of(imm)
    create(client, dataset=figure(auto=True))
    index(client, 0, 1)
    imm.settle()
    assert place(client) == INDEPENDENT
    index(client, 2)
    imm.settle()
    assert place(client) == "a person"
    listed = client.list_tasks(models.ListTasksRequest(project_name="p")).body
    assert not listed.tasks


@pytest.mark.parametrize(
    ("setting", "project", "dataset", "clustered"),
    [
        (False, None, None, False),
        (True, None, None, True),
        (False, True, None, True),
        (True, False, None, False),
        (False, True, False, False),
        (False, False, True, True),
    ],
)
def test_who_says_whether_a_dataset_clusters_by_itself(
    tmp_path: Path, setting: bool, project: bool | None, dataset: bool | None, clustered: bool
) -> None:
    settings = settings_of(tmp_path, auto=setting)
    with LocalImm(tmp_path, FakeEmbedder(album(3)), settings=settings) as imm:
        client = client_of(imm)
        create(
            client,
            project="" if project is None else figure(auto=project),
            dataset="" if dataset is None else figure(auto=dataset, count=2),
        )
        index(client, 0, 1, 2)
        imm.settle()
        assert place(client) == ("a person" if clustered else UNAVAILABLE)


def test_a_dataset_that_is_told_later_catches_up(imm: LocalImm) -> None:
    client = client_of(imm)
    create(client)
    index(client, 0, 1, 2)
    imm.settle()
    assert place(client) == UNAVAILABLE
    send(client, "UpdateProject", ProjectName="p", DatasetConfig=figure(auto=True))
    imm.settle()
    assert place(client) == "a person"


def test_a_setting_that_changes_holds_after_the_start(tmp_path: Path) -> None:
    embedder = FakeEmbedder(album(3))
    with LocalImm(tmp_path, embedder, settings=settings_of(tmp_path)) as imm:
        client = client_of(imm)
        create(client)
        index(client, 0, 1, 2)
        imm.settle()
        assert place(client) == UNAVAILABLE
    with LocalImm(tmp_path, embedder, settings=settings_of(tmp_path, auto=True)) as imm:
        imm.settle()
        assert place(client_of(imm)) == "a person"


@pytest.mark.parametrize("of", ["Project", "Dataset"])
@pytest.mark.parametrize("restart", [False, True])
def test_fewer_faces_found_a_person_with_the_next_task(
    tmp_path: Path, of: str, restart: bool
) -> None:
    embedder = FakeEmbedder(album(2))
    names = {"ProjectName": "p"} | ({"DatasetName": "d"} if of == "Dataset" else {})
    with LocalImm(tmp_path, embedder, settings=settings_of(tmp_path)) as imm:
        client = client_of(imm)
        create(client)
        index(client, 0, 1)
        cluster(client, imm)
        assert place(client) == INDEPENDENT
        send(client, f"Update{of}", DatasetConfig=figure(count=2), **names)
        imm.settle()
        assert place(client) == INDEPENDENT
        if not restart:
            cluster(client, imm)
            assert place(client) == "a person"
    if restart:
        with LocalImm(tmp_path, embedder, settings=settings_of(tmp_path)) as imm:
            client = client_of(imm)
            cluster(client, imm)
            assert place(client) == "a person"


def test_one_good_face_may_be_enough(imm: LocalImm) -> None:
    client = client_of(imm)
    create(client, dataset=figure(auto=True, count=1))
    index(client, 0)
    imm.settle()
    assert place(client) == "a person"
