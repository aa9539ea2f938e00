"""Projects, datasets, bindings, regions and the purge through the SDKs, current and old."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_imm20200930 import models as imm
from alibabacloud_imm20200930.client import Client

from imm_ray.dataset.ports import EmbedderUnavailable
from imm_ray.model import Outcome, Source
from imm_ray.settings import Settings, load_settings
from imm_ray.testing import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    FakeEmbedder,
    LocalImm,
    face,
    picture,
    random_vector,
)
from tests.wire.rig import Rig
from tests.wire.server import Server
from tests.wire.test_config import send
from tests.wire.test_legacy_sdk import call
from tests.wire.test_local_imm import client_of
from tests.wire.test_sdk import code_of, new_client

HERE = {"project_name": "m", "dataset_name": "d"}
OLD: dict[str, Any] = {"ProjectName": "m", "DatasetName": "d"}
URI = "oss://holiday"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("manage")
    buckets = {"holiday": str(folder), "work": str(folder)}
    with Rig(folder, buckets=buckets) as rig, Server(rig) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    client = new_client(server)
    client.create_project(imm.CreateProjectRequest(project_name="m", description="x"))
    client.create_dataset(imm.CreateDatasetRequest(**HERE))
    return client


def test_updates(client: Client) -> None:
    tag = [imm.UpdateProjectRequestTag(key="team", value="照片")]
    changed = client.update_project(
        imm.UpdateProjectRequest(project_name="m", tag=tag, dataset_max_bind_count=2)
    ).body.project
    assert (changed.description, changed.dataset_max_bind_count) == ("x", 2)
    asked = imm.GetProjectRequest(project_name="m", with_statistics=True)
    assert client.get_project(asked).body.project.to_map() == changed.to_map()
    workflow = [imm.WorkflowParameter(name="n", value="v")]
    set_ = client.update_dataset(
        imm.UpdateDatasetRequest(**HERE, description="y", workflow_parameters=workflow)
    ).body.dataset
    assert (set_.description, set_.workflow_parameters[0].value) == ("y", "v")
    again = client.get_dataset(imm.GetDatasetRequest(**HERE, with_statistics=True)).body.dataset
    assert again.to_map() == set_.to_map()
    wanted = [imm.ListProjectsRequestTag(key="team", value="照片")]
    (found,) = client.list_projects(imm.ListProjectsRequest(tag=wanted)).body.projects
    assert found.project_name == "m"
    too_many = imm.UpdateProjectRequest(project_name="m", dataset_max_bind_count=11)
    assert code_of(lambda: client.update_project(too_many)) == ("LimitExceededError", 400)


def test_bindings(server: Server, client: Client) -> None:
    made = client.create_binding(imm.CreateBindingRequest(**HERE, uri=URI)).body.binding
    assert (made.uri, made.state, made.phase, made.reason) == (URI, "Ready", "", "")
    assert made.create_time == made.update_time
    got = client.get_binding(imm.GetBindingRequest(**HERE, uri=URI)).body.binding
    assert got.to_map() == made.to_map()
    client.create_binding(imm.CreateBindingRequest(**HERE, uri="oss://work"))
    page = client.list_bindings(imm.ListBindingsRequest(**HERE, max_results=1)).body
    assert [binding.uri for binding in page.bindings] == [URI]
    rest = imm.ListBindingsRequest(**HERE, max_results=1, next_token=page.next_token)
    last = client.list_bindings(rest).body
    assert ([binding.uri for binding in last.bindings], last.next_token) == (["oss://work"], None)
    gone = imm.DeleteDatasetRequest(**HERE)
    assert code_of(lambda: client.delete_dataset(gone)) == ("StatusConflict", 400)

    stopped = call(server, "StopBinding", URI=URI, Reason="moving", **OLD)
    assert stopped.keys() == {"RequestId"}
    seen = call(server, "GetBinding", method="GET", URI=URI, **OLD)["Binding"]
    assert (seen["State"], seen["Reason"]) == ("Stopped", "moving")
    assert call(server, "ResumeBinding", URI=URI, **OLD).keys() == {"RequestId"}
    assert client.get_binding(imm.GetBindingRequest(**HERE, uri=URI)).body.binding.state == "Ready"
    call(server, "DeleteBinding", URI=URI, Cleanup="true", **OLD)
    client.delete_binding(imm.DeleteBindingRequest(**HERE, uri="oss://work"))
    assert not client.list_bindings(imm.ListBindingsRequest(**HERE)).body.bindings
    missing = imm.GetBindingRequest(**HERE, uri=URI)
    assert code_of(lambda: client.get_binding(missing)) == ("ResourceNotFound", 400)


def test_regions(server: Server, client: Client) -> None:
    (region,) = client.list_regions(imm.ListRegionsRequest("en-US")).body.regions
    assert (region.region_id, region.local_name) == ("local", "local")
    assert call(server, "ListRegions", method="GET", AcceptLanguage="ja")["Regions"] == [
        {"RegionId": "local", "LocalName": "local"}
    ]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    key = {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET}
    topics = {"told": str(tmp_path / "told.jsonl")}
    return load_settings(
        None,
        data=tmp_path,
        auth={"users": [key]},
        notifications={"topics": topics},
        buckets={"b": str(tmp_path)},
    )


def test_a_purge_of_a_dataset_that_is_in_use(settings: Settings) -> None:
    outcomes: dict[str, Outcome] = {
        f"oss://b/{i}.jpg": picture(str(i), face(random_vector("ann", 128))) for i in range(5)
    }
    embedder = FakeEmbedder(outcomes)
    with LocalImm(settings.data, embedder, settings=settings) as imm_ray:
        client = client_of(imm_ray)
        client.create_project(imm.CreateProjectRequest(project_name="m"))
        client.create_dataset(imm.CreateDatasetRequest(**HERE))
        client.create_binding(imm.CreateBindingRequest(**HERE, uri="oss://b"))
        files = [imm.InputFile(uri=uri) for uri in outcomes]
        client.batch_index_file_meta(imm.BatchIndexFileMetaRequest(**HERE, files=files))
        imm_ray.settle()
        conflict = imm.DeleteDatasetRequest(**HERE)
        assert code_of(lambda: client.delete_dataset(conflict)) == ("StatusConflict", 400)

        told = imm.Notification(mns=imm.MNS(topic_name="told"))
        late = imm.InputFile(uri="oss://b/late.jpg")
        # The embedder does not answer for it, so the task waits until the purge ends it.
        embedder.hook = rest
        client.index_file_meta(imm.IndexFileMetaRequest(**HERE, file=late, notification=told))
        task_id = client.create_figure_clustering_task(
            imm.CreateFigureClusteringTaskRequest(**HERE, notification=told)
        ).body.task_id
        assert send(client, "ImmRayPurgeDataset", **OLD).keys() == {"RequestId"}
        gone = imm.GetDatasetRequest(**HERE)
        assert code_of(lambda: client.get_dataset(gone)) == ("ResourceNotFound", 400)
        client.create_dataset(imm.CreateDatasetRequest(**HERE))
        imm_ray.settle()

        asked = imm.GetTaskRequest(project_name="m", task_id=task_id, task_type="FaceClustering")
        task = client.get_task(asked).body
        assert (task.status, task.code) == ("Failed", "ResourceNotFound")
        contents = [json.loads(json.loads(body)["content"]) for body in imm_ray.messages()]
        assert {content.get("Status", content["Message"]) for content in contents} == {"Failed", ""}
        assert client.get_dataset(gone).body.dataset.file_count == 0
        client.delete_dataset(conflict)
        client.delete_project(imm.DeleteProjectRequest(project_name="m"))


def rest(sources: Sequence[Source]) -> None:
    raise EmbedderUnavailable("it rests")
