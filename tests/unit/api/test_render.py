import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from imm_ray.api.json_text import write_json
from imm_ray.api.render import (
    dataset_body,
    figure_body,
    figure_cluster_body,
    file_body,
    project_body,
    rfc3339,
    similar_cluster_body,
    task_info,
)
from imm_ray.model import (
    NO_CLUSTER,
    Box,
    ClusterId,
    Dataset,
    DatasetId,
    Figure,
    FigureCluster,
    FigureId,
    File,
    FileId,
    FileStatus,
    HeadPose,
    Project,
    SimilarImage,
    SimilarImageCluster,
    SourceStat,
    Task,
    TaskId,
    TaskStatus,
    TaskType,
)

T0 = datetime(2026, 1, 2, 3, 4, 5, 120000, tzinfo=UTC)
DATASET = Dataset(
    dataset_id=DatasetId("id"),
    account="1",
    project="p",
    name="d",
    face_model="f",
    image_model="i",
    created_at=T0,
    updated_at=T0,
)
FIGURE = Figure(
    figure_id=FigureId("f1"),
    file_id=FileId("file1"),
    box=Box(1, 2, 3, 4),
    confidence=0.99,
    quality=0.9,
    sharpness=0.8,
    head_pose=HeadPose(1.0, 2.0, 3.0),
)
FILE = File(
    file_id=FileId("file1"),
    uri="oss://b/a/图 1.jpg",
    status=FileStatus.SUCCEEDED,
    stat=SourceStat(size=10, etag="e", modified_at=T0),
    content_type="image/jpeg",
    width=640,
    height=480,
    orientation=6,
    image_score=0.5,
    produce_time="2020-01-01T00:00:00",
    exif={"Model": "X"},
    created_at=T0,
    updated_at=T0,
    figures=(FIGURE,),
)
TASK = Task(
    task_id=TaskId("FigureClustering-1"),
    task_type=TaskType.FIGURE_CLUSTERING,
    account="1",
    project="p",
    dataset_id=DatasetId("id"),
    dataset_name="d",
    event_id="e",
    request_id="r",
    status=TaskStatus.RUNNING,
    watermark=1,
    started_at=T0,
)


def test_times_are_utc_without_trailing_zeros() -> None:
    east = timezone(timedelta(hours=8))
    assert rfc3339(T0) == "2026-01-02T03:04:05.12Z"
    assert rfc3339(T0.replace(microsecond=0).astimezone(east)) == "2026-01-02T03:04:05Z"
    assert rfc3339(T0.replace(second=10, microsecond=0)) == "2026-01-02T03:04:10Z"


def test_a_project() -> None:
    project = Project(account="1", name="p", tags={"k": "v"}, created_at=T0, updated_at=T0)
    body = project_body(project)
    assert body["Tags"] == [{"TagKey": "k", "TagValue": "v"}]
    assert (body["ProjectName"], body["DatasetMaxBindCount"], body["FileCount"]) == ("p", 10, 0)
    assert "EngineConcurrency" not in body


def test_a_dataset() -> None:
    body = dataset_body(replace(DATASET, workflow_parameters=[{"Name": "n", "Value": "v"}]))
    assert body["WorkflowParameters"] == [{"Name": "n", "Value": "v"}]
    assert (body["DatasetName"], body["BindCount"]) == ("d", 0)


def test_the_reserved_cluster_ids() -> None:
    def cluster_id(value: str | None) -> object:
        figure = replace(FIGURE, cluster_id=None if value is None else ClusterId(value))
        return figure_body(figure)["FigureClusterId"]

    assert cluster_id(None) == "figure-cluster-id-unavailable"
    assert cluster_id(NO_CLUSTER) == "figure-cluster-id-independent"
    assert cluster_id("Cluster-1") == "Cluster-1"


def test_a_cluster_confidence_needs_a_cluster() -> None:
    assert "FigureClusterConfidence" not in figure_body(FIGURE)
    inside = replace(FIGURE, cluster_id=ClusterId("Cluster-1"), cluster_confidence=0.9)
    assert figure_body(inside)["FigureClusterConfidence"] == 0.9


def test_a_picture() -> None:
    body = file_body(FILE, DATASET)
    assert body["Filename"] == "图 1.jpg"
    assert body["ObjectStatus"] == "Succeeded"
    assert json.loads(body["EXIF"]) == {"Model": "X"}
    assert body["ImageScore"] == {"OverallQualityScore": 0.5}
    assert (body["ImageWidth"], body["Orientation"], body["FigureCount"]) == (640, 6, 1)
    assert (body["MediaType"], body["Size"], body["OwnerId"]) == ("image", 10, "1")
    assert body["Figures"][0]["Boundary"] == {"Left": 1, "Top": 2, "Width": 3, "Height": 4}
    assert "Reason" not in body
    assert "LatLong" not in body


def test_what_the_client_said_is_returned() -> None:
    said = {"Title": "t", "CustomLabels": {"n": 1}, "ProduceTime": "2021-01-01T00:00:00Z"}
    body = file_body(replace(FILE, attributes=said), DATASET)
    assert {name: body[name] for name in said} == said


def test_a_file_that_waits_has_no_results() -> None:
    waiting = File(
        file_id=FileId("x"),
        uri="oss://b/x.jpg",
        status=FileStatus.PENDING,
        created_at=T0,
        updated_at=T0,
    )
    body = file_body(waiting, DATASET)
    assert body["ObjectStatus"] == "Pending"
    assert not {"Figures", "FigureCount", "ImageWidth", "Size", "ContentType"} & body.keys()


def test_only_the_fields_asked_for() -> None:
    body = file_body(FILE, DATASET, ["URI", "Figures", "Insights", "nonsense"])
    assert set(body) == {"URI", "Figures"}


def test_a_figure_cluster() -> None:
    cluster = FigureCluster(
        cluster_id=ClusterId("Cluster-1"),
        figure_count=3,
        image_count=2,
        created_at=T0,
        updated_at=T0,
        cover=FILE,
    )
    body = figure_cluster_body(cluster, DATASET)
    assert (body["ObjectId"], body["ObjectType"]) == ("Cluster-1", "figure-cluster")
    assert (body["FaceCount"], body["ImageCount"], body["VideoCount"]) == (3, 2, 0)
    assert body["Cover"]["Figures"][0]["FigureId"] == "f1"
    assert body["MetaLockVersion"] == 0
    assert not {"Name", "Gender", "AverageAge", "CustomLabels"} & body.keys()
    assert figure_cluster_body(replace(cluster, name="Ann"), DATASET)["Name"] == "Ann"


def test_a_group_keeps_the_order_of_its_images() -> None:
    images = (
        SimilarImage(uri="oss://b/2", image_score=0.9),
        SimilarImage(uri="u", image_score=0.1),
    )
    cluster = SimilarImageCluster(
        cluster_id=ClusterId("SimilarImageCluster-1"), created_at=T0, updated_at=T0, images=images
    )
    assert similar_cluster_body(cluster)["Files"] == [
        {"URI": "oss://b/2", "ImageScore": 0.9},
        {"URI": "u", "ImageScore": 0.1},
    ]


def test_tasks() -> None:
    assert task_info(TASK) == {
        "TaskId": "FigureClustering-1",
        "TaskType": "FaceClustering",
        "Status": "Running",
        "Progress": 0,
        "StartTime": "2026-01-02T03:04:05.12Z",
    }
    failed = replace(TASK, status=TaskStatus.FAILED, code="C", message="M", ended_at=T0)
    body = task_info(replace(failed, request_definition="{}"), with_definition=True)
    assert (body["Code"], body["Message"], body["TaskRequestDefinition"]) == ("C", "M", "{}")


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_no_nan_leaves(wrong: float) -> None:
    figure = replace(FIGURE, quality=wrong, head_pose=HeadPose(wrong, wrong, 1.0))
    body = file_body(replace(FILE, figures=(figure,), image_score=wrong), DATASET)
    text = write_json(body)
    assert "NaN" not in text
    assert "Infinity" not in text
    assert body["Figures"][0]["HeadPose"] == {"Yaw": 1.0}
    assert "ImageScore" not in body
    with pytest.raises(ValueError, match="JSON"):
        write_json({"x": wrong})


def test_scores_stay_between_0_and_1() -> None:
    body = figure_body(replace(FIGURE, quality=1.0000001, sharpness=-0.00000049))
    assert (body["FaceQuality"], body["Sharpness"]) == (1.0, 0.0)
