"""CreateFigureClusteringTask and the reads of figure clusters."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from imm_ray.api.actions.label import LabelFilter, read_labels
from imm_ray.api.actions.position import after, position_of
from imm_ray.api.actions.tasks import CreateTask, create_task
from imm_ray.api.call import Call, Written
from imm_ray.api.render import figure_cluster_body
from imm_ray.api.schema import (
    MAX_BATCH,
    AsJson,
    Boolean,
    Id,
    Integer,
    NextToken,
    OfDataset,
    Order,
    TimeRange,
    page_size,
)
from imm_ray.errors import ResourceNotFound
from imm_ray.model import DatasetId, FigureCluster, TaskType
from imm_ray.store import clusters, datasets, people
from imm_ray.store.database import Tx

_SORTS = {
    "ImageCount": "image_count",
    "CreateTime": "created_at",
    "UpdateTime": "updated_at",
    "FaceCount": "item_count",
    "Name": "name",
}
"""The other values of Sort are the same for all clusters of a dataset here, so the id decides."""


class GetFigureCluster(OfDataset):
    """Parameters of GetFigureCluster."""

    object_id: Id


class BatchGetFigureCluster(OfDataset):
    """Parameters of BatchGetFigureCluster."""

    object_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_BATCH), AsJson]


class QueryFigureClusters(OfDataset):
    """Parameters of QueryFigureClusters."""

    create_time_range: Annotated[TimeRange, AsJson] | None = None
    custom_labels: LabelFilter = ""
    max_results: Annotated[Integer, page_size(100)] = 100
    next_token: NextToken = ""
    order: Order = "asc"
    sort: (
        Literal[
            "ImageCount",
            "VideoCount",
            "ProjectName",
            "DatasetName",
            "CreateTime",
            "UpdateTime",
            "Gender",
            "FaceCount",
            "Name",
        ]
        | None
    ) = None
    update_time_range: Annotated[TimeRange, AsJson] | None = None
    with_total_count: Boolean = False


def create_figure_clustering_task(tx: Tx, call: Call, params: CreateTask) -> Written:
    """Make a task that groups the faces not yet processed by person."""
    return create_task(tx, call, params, TaskType.FIGURE_CLUSTERING)


def get_figure_cluster(tx: Tx, call: Call, params: GetFigureCluster) -> dict[str, Any]:
    """Return a figure cluster; an unknown id is a ResourceNotFound.

    The id of a cluster that was merged into another, or whose figures went over to another, answers
    with that heir under the heir's own ``ObjectId``, so an id that a client keeps still leads to
    its person. Without an heir it is unknown.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    found = _current(tx, dataset.dataset_id, [params.object_id])
    if not found:
        raise ResourceNotFound.of("figure-cluster")
    return {"FigureCluster": figure_cluster_body(found[0], dataset)}


def batch_get_figure_cluster(tx: Tx, call: Call, params: BatchGetFigureCluster) -> dict[str, Any]:
    """Return figure clusters in the order of ``ObjectIds``; unknown ids are left out.

    IMM documents no largest number of ids; here it is 100, as in its other batches. The id of a
    retired cluster answers with its heir, as in GetFigureCluster; several ids that lead to one
    cluster answer with it once.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    found = _current(tx, dataset.dataset_id, params.object_ids)
    return {"FigureClusters": [figure_cluster_body(cluster, dataset) for cluster in found]}


def query_figure_clusters(tx: Tx, call: Call, params: QueryFigureClusters) -> dict[str, Any]:
    """Return the figure clusters of a dataset.

    Both ends of a time range belong to it. ``CustomLabels`` holds one or more ``key=value`` (or a
    JSON object), all of which must hold. Sorting by VideoCount, ProjectName, DatasetName or Gender
    orders by id, because these do not differ between the clusters of a dataset here.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    wanted = _query(params)
    limit = params.max_results
    position = call.position(params.next_token, dataset.dataset_id)
    found = clusters.page_figure_clusters(
        tx, dataset.dataset_id, wanted, limit=limit + 1, after=after(wanted.sort, position)
    )
    page, more = call.page(
        found,
        limit,
        resource=dataset.dataset_id,
        position=lambda cluster: position_of(wanted.sort, cluster),
    )
    body = {"FigureClusters": [figure_cluster_body(cluster, dataset) for cluster in page], **more}
    if params.with_total_count:
        body["TotalCount"] = clusters.count_figure_clusters(tx, dataset.dataset_id, wanted)
    return body


def _current(tx: Tx, dataset_id: DatasetId, object_ids: Sequence[str]) -> list[FigureCluster]:
    """Return the figure clusters that these ids lead to, in their order, each once."""
    leads_to = people.current(tx, dataset_id, object_ids)
    return clusters.figure_clusters(tx, dataset_id, list(leads_to.values()))


def _query(params: QueryFigureClusters) -> clusters.ClusterQuery:
    created = params.create_time_range.bounds if params.create_time_range else (None, None)
    updated = params.update_time_range.bounds if params.update_time_range else (None, None)
    return clusters.ClusterQuery(
        sort=_SORTS.get(params.sort or "", "cluster_id"),
        descending=params.order == "desc",
        labels=read_labels(params.custom_labels),
        created_from=created[0],
        created_to=created[1],
        updated_from=updated[0],
        updated_to=updated[1],
    )
