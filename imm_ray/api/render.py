"""Values of the model as the JSON of IMM's responses.

A member that no model of ours can fill is left out, never invented; so is one that has no value.
"""

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from imm_ray.api.json_text import write_json
from imm_ray.model import (
    NO_CLUSTER,
    Binding,
    Dataset,
    Figure,
    FigureCluster,
    File,
    JsonObject,
    Project,
    Quotas,
    SimilarImageCluster,
    Task,
)
from imm_ray.store.query.field import INDEPENDENT as INDEPENDENT
from imm_ray.store.query.field import OWN_MEDIA_TYPES
from imm_ray.store.query.field import UNAVAILABLE as UNAVAILABLE


@lru_cache(maxsize=4096)  # the files of a request, and the clusters of a run, share their times
def rfc3339(time: datetime) -> str:
    """Return ``time`` as IMM writes it: UTC, the fraction without trailing zeros.

    >>> rfc3339(datetime(2026, 1, 2, 3, 4, 5, 60000, tzinfo=UTC))
    '2026-01-02T03:04:05.06Z'
    """
    text = time.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{text.removesuffix('+00:00').rstrip('0').rstrip('.')}Z"


def project_body(project: Project) -> dict[str, Any]:
    """Return ``Project``.

    ``ProjectQueriesPerSecond`` and ``EngineConcurrency`` are left out: a project has no such limit
    here. ``DatasetConfig`` is there when it was said: SDKs before and after 4.7.3–4.8.4 have no
    such member.
    """
    return {
        "ProjectName": project.name,
        "ServiceRole": project.service_role,
        "TemplateId": project.template_id,
        "Description": project.description,
        "CreateTime": rfc3339(project.created_at),
        "UpdateTime": rfc3339(project.updated_at),
        "ProjectMaxDatasetCount": project.max_dataset_count,
        **_quotas(project.quotas),
        "DatasetCount": project.dataset_count,
        "FileCount": project.file_count,
        "TotalFileSize": project.total_file_size,
        "Tags": [{"TagKey": key, "TagValue": value} for key, value in project.tags.items()],
        **_config(project.config),
    }


def dataset_body(dataset: Dataset) -> dict[str, Any]:
    """Return ``Dataset``; its own ``DatasetConfig`` when it was said, not that of its project."""
    return {
        "ProjectName": dataset.project,
        "DatasetName": dataset.name,
        "TemplateId": dataset.template_id,
        "Description": dataset.description,
        "CreateTime": rfc3339(dataset.created_at),
        "UpdateTime": rfc3339(dataset.updated_at),
        **_quotas(dataset.quotas),
        "BindCount": dataset.bind_count,
        "FileCount": dataset.file_count,
        "TotalFileSize": dataset.total_file_size,
        "WorkflowParameters": [dict(parameter) for parameter in dataset.workflow_parameters],
        **_config(dataset.config),
        **_rebuilding(dataset),
    }


def binding_body(binding: Binding, dataset: Dataset) -> dict[str, Any]:
    """Return ``Binding``."""
    return {
        "ProjectName": dataset.project,
        "DatasetName": dataset.name,
        "URI": binding.uri,
        "State": binding.state.value,
        "Phase": binding.phase.value,
        "Reason": binding.reason,
        "CreateTime": rfc3339(binding.created_at),
        "UpdateTime": rfc3339(binding.updated_at),
    }


def _config(said: JsonObject) -> dict[str, Any]:
    return {"DatasetConfig": dict(said)} if said else {}


def _rebuilding(dataset: Dataset) -> dict[str, Any]:
    """Return ``ImmRayRebuilding``, an extension: how far what a restart has lost is restored."""
    if not dataset.rebuild_total:
        return {}
    total = dataset.rebuild_total
    return {"ImmRayRebuilding": {"Done": total - dataset.rebuild_left, "Total": total}}


def _quotas(quotas: Quotas) -> dict[str, int]:
    return {
        "DatasetMaxBindCount": quotas.dataset_max_bind_count,
        "DatasetMaxEntityCount": quotas.dataset_max_entity_count,
        "DatasetMaxFileCount": quotas.dataset_max_file_count,
        "DatasetMaxRelationCount": quotas.dataset_max_relation_count,
        "DatasetMaxTotalFileSize": quotas.dataset_max_total_file_size,
    }


def file_body(file: File, dataset: Dataset, fields: Collection[str] = ()) -> dict[str, Any]:
    """Return ``File``, all of it or the members named in ``fields``.

    Of a path (``Figures.FigureId``) the whole member that it leads into is returned.
    What the client said of the file (title, labels …) is returned as said; ``LatLong`` and
    ``ProduceTime`` that the client gave win over those in the picture.
    """
    members = {field.partition(".")[0] for field in fields}
    body = {
        "OwnerId": dataset.account,
        "ProjectName": dataset.project,
        "DatasetName": dataset.name,
        "ObjectType": "file",
        "ObjectId": file.file_id,
        "ObjectStatus": file.status.value,
        "Reason": file.reason,
        "CreateTime": rfc3339(file.created_at),
        "UpdateTime": rfc3339(file.updated_at),
        "URI": file.uri,
        "Filename": file.uri.rpartition("/")[2],
        **_source(file),
        **_picture(file),
        **file.attributes,
    }
    return {
        name: value
        for name, value in body.items()
        if value is not None and value != "" and (not members or name in members)
    }


def _source(file: File) -> dict[str, Any]:
    """Return what storage says of a file, once it was read."""
    if not file.content_type:
        return {}
    modified_at = file.stat.modified_at
    return {
        "MediaType": _media_type(file.content_type),
        "ContentType": file.content_type,
        "Size": file.stat.size,
        "ETag": file.stat.etag,
        "FileModifiedTime": None if modified_at is None else rfc3339(modified_at),
    }


def _media_type(content_type: str) -> str:
    kind = content_type.partition("/")[0]
    return kind if kind in OWN_MEDIA_TYPES else ""


def _picture(file: File) -> dict[str, Any]:
    """Return what the models say of a picture, once it was analysed."""
    if file.image_score is None:
        return {}
    score = _ratio(file.image_score)
    return {
        "ImageWidth": file.width,
        "ImageHeight": file.height,
        "Orientation": file.orientation,
        "EXIF": write_json(dict(file.exif)) if file.exif else "",
        "ProduceTime": file.produce_time,
        "LatLong": file.lat_long,
        "ImageScore": None if score is None else {"OverallQualityScore": score},
        "FigureCount": len(file.figures),
        "Figures": [figure_body(figure) for figure in file.figures],
    }


def figure_body(figure: Figure) -> dict[str, Any]:
    """Return ``Figure``."""
    box, pose = figure.box, figure.head_pose
    body = {
        "FigureId": figure.figure_id,
        "FigureType": "face",
        "FigureConfidence": _ratio(figure.confidence),
        "FigureClusterId": _cluster_id(figure),
        "FigureClusterConfidence": _ratio(figure.cluster_confidence) if figure.cluster_id else None,
        "Boundary": {
            "Left": box.left,
            "Top": box.top,
            "Width": box.width,
            "Height": box.height,
        },
        "FaceQuality": _ratio(figure.quality),
        "Sharpness": _ratio(figure.sharpness),
        "HeadPose": _present(
            {
                "Pitch": _finite(pose.pitch),
                "Roll": _finite(pose.roll),
                "Yaw": _finite(pose.yaw),
            }
        ),
    }
    return _present(body)


def _cluster_id(figure: Figure) -> str:
    if figure.cluster_id is None:
        return UNAVAILABLE
    return INDEPENDENT if figure.cluster_id == NO_CLUSTER else figure.cluster_id


def figure_cluster_body(cluster: FigureCluster, dataset: Dataset) -> dict[str, Any]:
    """Return ``FigureCluster``. Figures come from pictures only, so ``VideoCount`` is 0."""
    return _present(
        {
            "OwnerId": dataset.account,
            "ProjectName": dataset.project,
            "DatasetName": dataset.name,
            "ObjectType": "figure-cluster",
            "ObjectId": cluster.cluster_id,
            "CreateTime": rfc3339(cluster.created_at),
            "UpdateTime": rfc3339(cluster.updated_at),
            "Name": cluster.name or None,
            "CustomId": cluster.custom_id or None,
            "CustomLabels": dict(cluster.custom_labels) or None,
            "MetaLockVersion": cluster.meta_lock_version,
            "FaceCount": cluster.figure_count,
            "ImageCount": cluster.image_count,
            "VideoCount": 0,
            "Cover": None if cluster.cover is None else file_body(cluster.cover, dataset),
        }
    )


def similar_cluster_body(cluster: SimilarImageCluster) -> dict[str, Any]:
    """Return ``SimilarImageCluster``; its files keep their order, the best first."""
    return _present(
        {
            "ObjectId": cluster.cluster_id,
            "CreateTime": rfc3339(cluster.created_at),
            "UpdateTime": rfc3339(cluster.updated_at),
            "CustomLabels": dict(cluster.custom_labels) or None,
            "Files": [
                _present({"URI": image.uri, "ImageScore": _ratio(image.image_score)})
                for image in cluster.images
            ],
        }
    )


def task_info(task: Task, *, with_definition: bool = False) -> dict[str, Any]:
    """Return ``TaskInfo``, the item of ListTasks."""
    return _present(
        {
            "TaskId": task.task_id,
            "TaskType": task.task_type.value,
            "Status": task.status.value,
            "Code": task.code or None,
            "Message": task.message or None,
            "Progress": task.progress,
            "StartTime": rfc3339(task.started_at),
            "EndTime": None if task.ended_at is None else rfc3339(task.ended_at),
            "UserData": task.user_data or None,
            "Tags": dict(task.tags) or None,
            "TaskRequestDefinition": task.request_definition if with_definition else None,
        }
    )


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _finite(number: float) -> float | None:
    return round(number, 6) if math.isfinite(number) else None


def _ratio(number: float) -> float | None:
    """Return a score between 0 and 1, whatever rounding made of it; None for NaN."""
    if 0.0 <= number <= 1.0:
        return round(number, 6)
    return None if not math.isfinite(number) else float(number > 1.0)
