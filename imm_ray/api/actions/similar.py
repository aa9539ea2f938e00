"""CreateSimilarImageClusteringTask and QuerySimilarImageClusters."""

from typing import Annotated, Any, Literal

from imm_ray.api.actions.label import LabelFilter, read_labels
from imm_ray.api.actions.position import after, position_of
from imm_ray.api.actions.tasks import CreateTask, create_task
from imm_ray.api.call import Call, Written
from imm_ray.api.render import similar_cluster_body
from imm_ray.api.schema import Integer, NextToken, OfDataset, Order, page_size
from imm_ray.model import TaskType
from imm_ray.store import clusters, datasets
from imm_ray.store.database import Tx


class QuerySimilarImageClusters(OfDataset):
    """Parameters of QuerySimilarImageClusters."""

    custom_labels: LabelFilter = ""
    max_results: Annotated[Integer, page_size(100)] = 100
    next_token: NextToken = ""
    order: Order = "desc"
    sort: Literal["CreateTime", "UpdateTime"] = "UpdateTime"


def create_similar_image_clustering_task(tx: Tx, call: Call, params: CreateTask) -> Written:
    """Make a task that groups the images not yet processed by likeness."""
    return create_task(tx, call, params, TaskType.SIMILAR_IMAGE_CLUSTERING)


def query_similar_image_clusters(
    tx: Tx, call: Call, params: QuerySimilarImageClusters
) -> dict[str, Any]:
    """Return the groups of similar images, the last changed first, each with its best image first.

    ``CustomLabels`` is a JSON object of strings (or ``key=value``), all of which must hold.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    wanted = clusters.ClusterQuery(
        sort="created_at" if params.sort == "CreateTime" else "updated_at",
        descending=params.order == "desc",
        labels=read_labels(params.custom_labels),
    )
    limit = params.max_results
    position = call.position(params.next_token, dataset.dataset_id)
    found = clusters.page_similar_clusters(
        tx, dataset.dataset_id, wanted, limit=limit + 1, after=after(wanted.sort, position)
    )
    page, more = call.page(
        found,
        limit,
        resource=dataset.dataset_id,
        position=lambda cluster: position_of(wanted.sort, cluster),
    )
    return {"SimilarImageClusters": [similar_cluster_body(cluster) for cluster in page], **more}
