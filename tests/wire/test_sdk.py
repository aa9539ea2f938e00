"""The official SDK, unmodified, against the ASGI application."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from alibabacloud_imm20200930 import models as imm
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException, ThrottlingException
from alibabacloud_tea_openapi.utils_models import Config

from imm_ray.model import DatasetId
from imm_ray.store import datasets
from tests.wire.server import Server

ALBUM = {"project_name": "sdk", "dataset_name": "album"}
URIS = [f"oss://bucket/图 {number}+&=.jpg" for number in range(5)]


def new_client(server: Server, **changes: Any) -> Client:
    config = {
        "endpoint": server.endpoint,
        "protocol": "http",
        "access_key_id": "testak",
        "access_key_secret": "testsecret",
    }
    return Client(Config(**(config | changes)))


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return new_client(server)


@pytest.fixture(scope="module")
def album(server: Server, client: Client) -> DatasetId:
    """A dataset with five pictures, indexed; one of them could not be read."""
    client.create_project(
        imm.CreateProjectRequest(
            project_name="sdk", tag=[imm.CreateProjectRequestTag(key="team", value="照片")]
        )
    )
    client.create_dataset(imm.CreateDatasetRequest(**ALBUM, description="a b+c~*"))
    batch = [imm.InputFile(uri=uri, custom_labels={"n": 3, "t": True}) for uri in URIS]
    request = imm.BatchIndexFileMetaRequest(
        **ALBUM,
        files=batch,
        user_data='{"ID": "u"}',
        notification=imm.Notification(mns=imm.MNS(topic_name="topic1")),
    )
    assert len(client.batch_index_file_meta(request).body.event_id) == 31
    with server.rig.database.read() as tx:
        dataset_id = datasets.get(tx, "100000", "sdk", "album").dataset_id
    assert server.rig.rung[-1] == dataset_id
    server.rig.index(dataset_id, bad=URIS[4:])
    return dataset_id


def code_of(run: Callable[[], object]) -> tuple[str, int]:
    with pytest.raises(ClientException) as caught:
        run()
    return caught.value.code, caught.value.status_code


def test_projects_and_datasets(client: Client, album: DatasetId) -> None:
    project = client.get_project(imm.GetProjectRequest(project_name="sdk")).body.project
    assert (project.dataset_count, project.file_count) == (1, 5)
    assert [(tag.tag_key, tag.tag_value) for tag in project.tags] == [("team", "照片")]
    assert project.service_role == "AliyunIMMDefaultRole"
    assert project.dataset_max_file_count == 100_000_000
    projects = client.list_projects(imm.ListProjectsRequest(prefix="sd")).body
    assert [project.project_name for project in projects.projects] == ["sdk"]
    assert not projects.next_token
    dataset = client.get_dataset(imm.GetDatasetRequest(**ALBUM)).body.dataset
    assert (dataset.description, dataset.file_count, dataset.bind_count) == ("a b+c~*", 5, 0)
    listed = client.list_datasets(imm.ListDatasetsRequest(project_name="sdk")).body.datasets
    assert [dataset.dataset_name for dataset in listed] == ["album"]


def test_files(client: Client, album: DatasetId) -> None:
    response = client.get_file_meta(imm.GetFileMetaRequest(**ALBUM, uri=URIS[0]))
    (file,) = response.body.files
    assert response.headers["x-acs-request-id"] == response.body.request_id
    assert response.headers["content-type"] == "application/json;charset=utf-8"
    assert (file.uri, file.object_status, file.object_type) == (URIS[0], "Succeeded", "file")
    assert file.custom_labels == {"n": 3, "t": True}
    assert json.loads(file.exif) == {"Model": "X"}
    (figure,) = file.figures
    assert figure.figure_cluster_id == "figure-cluster-id-unavailable"
    assert (figure.boundary.left, figure.boundary.width, figure.head_pose.yaw) == (10, 100, 3.5)

    batch = imm.BatchGetFileMetaRequest(
        **ALBUM, uris=[URIS[4], "oss://bucket/none.jpg", URIS[1]], with_fields=["URI", "Reason"]
    )
    files = client.batch_get_file_meta(batch).body.files
    assert [(file.uri, file.reason) for file in files] == [
        (URIS[4], "It is no image."),
        (URIS[1], None),
    ]
    assert files[0].object_status is None


def test_a_figure_clustering_task_from_start_to_end(
    server: Server, client: Client, album: DatasetId
) -> None:
    created = client.create_figure_clustering_task(
        imm.CreateFigureClusteringTaskRequest(**ALBUM, tags={"test": "val1"}, user_data="u")
    ).body
    assert created.task_id.startswith("FigureClustering-")
    asked = imm.GetTaskRequest(
        project_name="sdk",
        task_id=created.task_id,
        task_type="FaceClustering",
        request_definition=True,
    )
    task = client.get_task(asked).body
    assert (task.status, task.progress, task.event_id) == ("Running", 0, created.event_id)
    assert json.loads(task.task_request_definition)["Tags"] == {"test": "val1"}

    server.rig.run(album, [URIS[:3]])
    task = client.get_task(asked).body
    assert (task.status, task.task_type, task.user_data) == ("Succeeded", "FaceClustering", "u")
    assert task.end_time.endswith("Z")

    found = client.query_figure_clusters(
        imm.QueryFigureClustersRequest(**ALBUM, with_total_count=True)
    ).body
    (cluster,) = found.figure_clusters
    assert (found.total_count, cluster.face_count, cluster.image_count) == (1, 3, 3)
    assert cluster.cover.figures[0].figure_cluster_id == cluster.object_id
    one = client.get_figure_cluster(
        imm.GetFigureClusterRequest(**ALBUM, object_id=cluster.object_id)
    ).body.figure_cluster
    assert one.to_map() == cluster.to_map()
    many = client.batch_get_figure_cluster(
        imm.BatchGetFigureClusterRequest(**ALBUM, object_ids=["none", cluster.object_id])
    ).body.figure_clusters
    assert [cluster.object_id for cluster in many] == [cluster.object_id]
    (file,) = client.get_file_meta(imm.GetFileMetaRequest(**ALBUM, uri=URIS[3])).body.files
    assert file.figures[0].figure_cluster_id == "figure-cluster-id-independent"

    listed = client.list_tasks(
        imm.ListTasksRequest(project_name="sdk", tag_selector="test=val1", status="Succeeded")
    ).body
    assert ([task.task_id for task in listed.tasks], listed.max_results) == (
        [created.task_id],
        "100",
    )


def test_a_similar_image_clustering_task(server: Server, client: Client, album: DatasetId) -> None:
    created = client.create_similar_image_clustering_task(
        imm.CreateSimilarImageClusteringTaskRequest(**ALBUM)
    ).body
    assert created.task_id.startswith("SimilarImageClustering-")
    server.rig.run(album, [URIS[:2]])
    found = client.query_similar_image_clusters(
        imm.QuerySimilarImageClustersRequest(**ALBUM, sort="UpdateTime", order="desc")
    ).body
    (cluster,) = found.similar_image_clusters
    assert [(file.uri, file.image_score) for file in cluster.files] == [
        (uri, 0.7) for uri in sorted(URIS[:2])
    ]


def test_errors_are_typed_exceptions(client: Client, album: DatasetId) -> None:
    assert code_of(lambda: client.get_project(imm.GetProjectRequest(project_name="none"))) == (
        "ResourceNotFound",
        400,
    )
    with pytest.raises(ClientException, match="The parameter ProjectName is required but not"):
        client.get_project(imm.GetProjectRequest())
    story = imm.CreateStoryRequest(**ALBUM, story_type="PeopleMemory")
    assert code_of(lambda: client.create_story(story)) == ("InvalidApi.NotFound", 404)
    assert code_of(lambda: client.delete_project(imm.DeleteProjectRequest(project_name="sdk"))) == (
        "StatusConflict",
        400,
    )
    assert code_of(lambda: client.delete_dataset(imm.DeleteDatasetRequest(**ALBUM))) == (
        "StatusConflict",
        400,
    )
    wrong_topic = imm.CreateFigureClusteringTaskRequest(
        **ALBUM, notification=imm.Notification(mns=imm.MNS(topic_name="nowhere"))
    )
    with pytest.raises(ClientException, match="'nowhere' is not configured"):
        client.create_figure_clustering_task(wrong_topic)


def test_a_wrong_secret_and_an_unknown_key(server: Server, album: DatasetId) -> None:
    asked = imm.GetProjectRequest(project_name="sdk")
    wrong = new_client(server, access_key_secret="wrong")
    assert code_of(lambda: wrong.get_project(asked)) == ("SignatureDoesNotMatch", 400)
    unknown = new_client(server, access_key_id="nobody")
    assert code_of(lambda: unknown.get_project(asked)) == ("InvalidAccessKeyId.NotFound", 404)


def test_an_sts_credential(server: Server, album: DatasetId) -> None:
    key = {"access_key_id": "STS.testak", "access_key_secret": "stssecret"}
    asked = imm.GetProjectRequest(project_name="sdk")
    good = new_client(server, **key, security_token="TOKEN+/=abc")
    assert good.get_project(asked).body.project.project_name == "sdk"
    other = new_client(server, **key, security_token="TOKEN")
    assert code_of(lambda: other.get_project(asked)) == ("InvalidSecurityToken.Malformed", 400)
    without = new_client(server, **key)
    assert code_of(lambda: without.get_project(asked)) == ("MissingSecurityToken", 400)


def test_the_old_signature_of_the_same_sdk(server: Server, album: DatasetId) -> None:
    asked = imm.GetProjectRequest(project_name="sdk")
    old = {"access_key_id": "oldak", "access_key_secret": "oldsecret"}
    allowed = new_client(server, **old, signature_algorithm="v2")
    assert allowed.get_project(asked).body.project.project_name == "sdk"
    refused = new_client(server, signature_algorithm="v2")
    assert code_of(lambda: refused.get_project(asked)) == ("InvalidSignatureMethod", 400)


def test_another_account_sees_nothing(server: Server, album: DatasetId) -> None:
    other = new_client(server, access_key_id="otherak", access_key_secret="othersecret")
    asked = imm.GetDatasetRequest(**ALBUM)
    assert code_of(lambda: other.get_dataset(asked)) == ("ResourceNotFound", 400)
    assert not other.list_projects(imm.ListProjectsRequest()).body.projects


def test_the_asynchronous_client(client: Client, album: DatasetId) -> None:
    async def drive() -> list[str]:
        found = await asyncio.gather(
            *(client.get_file_meta_async(imm.GetFileMetaRequest(**ALBUM, uri=uri)) for uri in URIS)
        )
        return [response.body.files[0].uri for response in found]

    assert asyncio.run(drive()) == URIS


def test_paging_with_the_sdk(client: Client, album: DatasetId) -> None:
    for number in range(5):
        client.create_dataset(
            imm.CreateDatasetRequest(project_name="sdk", dataset_name=f"paged-{number}")
        )
    names: list[str] = []
    token = ""
    for _ in range(3):
        page = client.list_datasets(
            imm.ListDatasetsRequest(
                project_name="sdk", prefix="paged", max_results=2, next_token=token
            )
        ).body
        names += [dataset.dataset_name for dataset in page.datasets]
        token = page.next_token or ""
    assert names == [f"paged-{number}" for number in range(5)]
    assert token == ""


def test_deletes(client: Client) -> None:
    client.create_project(imm.CreateProjectRequest(project_name="brief"))
    names = {"project_name": "brief", "dataset_name": "d"}
    client.create_dataset(imm.CreateDatasetRequest(**names))
    files = [imm.InputFile(uri=uri) for uri in URIS]
    client.index_file_meta(imm.IndexFileMetaRequest(**names, file=files[0]))
    client.batch_index_file_meta(imm.BatchIndexFileMetaRequest(**names, files=files))
    client.delete_file_meta(imm.DeleteFileMetaRequest(**names, uri=URIS[0]))
    client.delete_file_meta(imm.DeleteFileMetaRequest(**names, uri=URIS[0]))
    client.batch_delete_file_meta(imm.BatchDeleteFileMetaRequest(**names, uris=URIS))
    client.delete_dataset(imm.DeleteDatasetRequest(**names))
    client.delete_project(imm.DeleteProjectRequest(project_name="brief"))
    asked = imm.GetProjectRequest(project_name="brief")
    assert code_of(lambda: client.get_project(asked)) == ("ResourceNotFound", 400)


def test_a_large_batch_fits_in_the_query(client: Client, album: DatasetId) -> None:
    client.create_dataset(imm.CreateDatasetRequest(project_name="sdk", dataset_name="large"))
    files = [
        imm.InputFile(uri=f"oss://bucket/2026/01/{number:03}/{'x' * 150}.jpg", custom_id="c" * 30)
        for number in range(100)
    ]
    request = imm.BatchIndexFileMetaRequest(project_name="sdk", dataset_name="large", files=files)
    assert client.batch_index_file_meta(request).body.event_id


def test_throttling_tells_when_to_come_back(
    server: Server, client: Client, album: DatasetId
) -> None:
    rig = server.rig
    limits = rig.settings.limits.model_copy(update={"max_pending_per_dataset": 3})
    tight = rig.new_service(rig.settings.model_copy(update={"limits": limits}))
    client.create_dataset(imm.CreateDatasetRequest(project_name="sdk", dataset_name="tight"))
    with Server(rig, tight) as other:
        throttled = new_client(other)
        request = imm.BatchIndexFileMetaRequest(
            project_name="sdk",
            dataset_name="tight",
            files=[imm.InputFile(uri=uri) for uri in URIS],
        )
        with pytest.raises(ThrottlingException) as caught:
            throttled.batch_index_file_meta(request)
    assert caught.value.retry_after == 2000
    assert caught.value.code == "Throttling.User"
