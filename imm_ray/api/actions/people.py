"""What clients do to figure clusters: UpdateFigureCluster, merging, ImmRaySplitFigureCluster."""

import uuid
from typing import Annotated, Any

from pydantic import Field

from imm_ray.api.actions.tasks import CreateTask, accept_task
from imm_ray.api.call import Call, Written
from imm_ray.api.schema import MAX_BATCH, AsJson, Id, LabelMap, OfDataset, ShortText, Wire
from imm_ray.errors import InvalidArgument, StatusConflict
from imm_ray.model import ClusterId, DatasetId, EditKind, TaskType
from imm_ray.store import clusters, datasets, edits, people
from imm_ray.store.database import Tx

MAX_COVER_FIGURES = 1000
"""As many as a picture may have of faces; a client may send back the Cover that it has read."""


class CoverFigure(Wire):
    """The figure to show for a cluster."""

    figure_id: Id


class CoverForReq(Wire):
    """``FigureClusterForReq.Cover``: the first of its figures that is in the cluster is meant."""

    figures: Annotated[list[CoverFigure] | None, Field(max_length=MAX_COVER_FIGURES)] = None


class FigureClusterForReq(Wire):
    """``FigureClusterForReq``."""

    object_id: Id
    name: ShortText | None = None
    custom_id: ShortText | None = None
    custom_labels: LabelMap | None = None
    cover: CoverForReq | None = None
    meta_lock_version: Annotated[int, Field(ge=0)] | None = None


class UpdateFigureCluster(OfDataset):
    """Parameters of UpdateFigureCluster."""

    figure_cluster: Annotated[FigureClusterForReq, AsJson]


class CreateFigureClustersMergingTask(CreateTask):
    """Parameters of CreateFigureClustersMergingTask."""

    source: Annotated[Id | None, Field(alias="From")] = None
    sources: Annotated[list[Id] | None, Field(alias="Froms", max_length=MAX_BATCH), AsJson] = None
    to: Id


class SplitFigureCluster(OfDataset):
    """Parameters of ImmRaySplitFigureCluster."""

    object_id: Id
    figure_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_BATCH), AsJson]


def update_figure_cluster(tx: Tx, call: Call, params: UpdateFigureCluster) -> Written:
    """Change the name, custom id, labels or cover of a figure cluster.

    A member that is absent stays as it is; an empty ``Name`` or ``CustomId`` and an empty
    ``CustomLabels`` clear it, and given labels replace all that there were. Of ``Cover.Figures``
    the first counts that is a figure of this cluster, so the Cover of a response can be sent back;
    when none is, it is an InvalidArgument, and a Cover without figures is not given. The figure is
    shown while it is in the cluster, then the best one again. Responses have the figure that is
    shown first in ``Cover.Figures``.

    Every success raises ``MetaLockVersion`` by one. A ``MetaLockVersion`` that is not the stored
    one is a StatusConflict and changes nothing; without it nothing is compared. The id of a retired
    cluster means its heir, unless a ``MetaLockVersion`` comes with it: what the client has read is
    no more then, and that is a StatusConflict too. The owner protects an updated cluster from then
    on: no run removes it or gives its id to other figures.
    """
    said = params.figure_cluster
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    call.surroundings.admission.admit(tx, dataset, items=1, now=call.now)
    (cluster_id,) = people.require_current(tx, dataset.dataset_id, [said.object_id])
    if cluster_id != said.object_id and said.meta_lock_version is not None:
        raise StatusConflict(
            f"The figure cluster {said.object_id} is now part of {cluster_id}: get that one and "
            "repeat the update with its MetaLockVersion."
        )
    cover = _cover(tx, dataset.dataset_id, cluster_id, said)
    changes = people.ClusterChanges(
        name=said.name,
        custom_id=said.custom_id,
        custom_labels=said.custom_labels,
        chosen_cover=cover,
    )
    # First the edit: its number is taken from the dataset's row, which every writer locks first.
    payload = {"cluster_id": cluster_id, **_said(said)}
    edits.add(tx, dataset.dataset_id, EditKind.NAME, payload, call.now)
    people.change(
        tx,
        dataset.dataset_id,
        cluster_id,
        changes,
        expected_version=said.meta_lock_version,
        now=call.now,
    )
    return Written({}, (dataset.dataset_id,))


def create_figure_clusters_merging_task(
    tx: Tx, call: Call, params: CreateFigureClustersMergingTask
) -> Written:
    """Make a task that merges figure clusters (``From`` or ``Froms``) into the cluster ``To``.

    ``To`` keeps its id, name, labels and cover; the ids of the others lead to it from then on.
    Exactly one of ``From`` and ``Froms`` (at most 100) is given, and ``To`` is not among them: else
    it is an InvalidArgument. An id that is unknown now is a ResourceNotFound and makes no task; one
    that is gone when the owner comes to it fails the task with that code. Clusters that are one by
    then are a success. The task is of type FigureClustersMerging; merges take effect in the order
    in which they were acknowledged, before any clustering that has not run. ImmRayUndo takes one
    back.
    """
    froms = _froms(params)
    task = accept_task(tx, call, params, TaskType.FIGURE_CLUSTERS_MERGING)
    people.require_current(tx, task.dataset_id, [params.to, *froms])
    payload = {"to": params.to, "from": froms}
    edits.add(tx, task.dataset_id, EditKind.MERGE, payload, call.now, task_id=task.task_id)
    body = {"TaskId": task.task_id, "EventId": task.event_id}
    return Written(body, (task.dataset_id,))


def split_figure_cluster(tx: Tx, call: Call, params: SplitFigureCluster) -> Written:
    """Take figures out of a figure cluster into a new one, and return the new cluster's id.

    An extension of this service. The figures (at most 100) must all be in the cluster, and one
    other must stay: else it is an InvalidArgument. The new cluster can be read once the owner has
    applied the edit ``EditId`` (ImmRayGetEdit); no run brings the two together again. Figures that
    have left the cluster by then are left out. ImmRayUndo puts them back.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    dataset_id = dataset.dataset_id
    call.surroundings.admission.admit(tx, dataset, items=1, now=call.now)
    (source,) = people.require_current(tx, dataset_id, [params.object_id])
    figure_ids = list(dict.fromkeys(params.figure_ids))
    people.require_members(tx, dataset_id, source, figure_ids, "FigureIds")
    (cluster,) = clusters.figure_clusters(tx, dataset_id, [source])
    if len(figure_ids) >= cluster.figure_count:
        raise InvalidArgument.of("FigureIds", f"no figure would stay in the cluster {source}")
    new = ClusterId(f"Cluster-{uuid.uuid4()}")
    payload = {"cluster_id": new, "from": source, "figure_ids": figure_ids}
    edit = edits.add(tx, dataset_id, EditKind.SPLIT, payload, call.now)
    people.found(tx, dataset_id, new, call.now)
    return Written({"ObjectId": new, "EditId": edit.edit_id}, (dataset_id,))


def _froms(params: CreateFigureClustersMergingTask) -> list[str]:
    if (params.source is None) == (not params.sources):
        raise InvalidArgument("Exactly one of the parameters From and Froms is required.")
    froms = list(dict.fromkeys(params.sources or [str(params.source)]))
    if params.to in froms:
        raise InvalidArgument.of("To", f"{params.to[:64]!r} is among the clusters to merge into it")
    return froms


def _cover(
    tx: Tx, dataset_id: DatasetId, cluster_id: ClusterId, said: FigureClusterForReq
) -> str | None:
    """Return the figure that is to be shown, None when nothing is said of it."""
    if said.cover is None or said.cover.figures is None:
        return None
    figure_ids = [figure.figure_id for figure in said.cover.figures]
    inside = people.members(tx, dataset_id, cluster_id, figure_ids)
    if not inside:
        raise InvalidArgument.of(
            "FigureCluster.Cover.Figures[0].FigureId",
            f"the figure {figure_ids[0]} is not in the figure cluster {cluster_id}, nor is another "
            "of the Cover",
        )
    return next(figure_id for figure_id in figure_ids if figure_id in inside)


def _said(said: FigureClusterForReq) -> dict[str, Any]:
    """Return what the history keeps of an update: what changed, and the new name."""
    given = said.model_dump(by_alias=True, exclude_none=True)
    changed = [name for name in given if name not in ("ObjectId", "MetaLockVersion")]
    if not given.get("Cover", True):
        changed.remove("Cover")
    name = {} if said.name is None else {"name": said.name}
    return {"changed": changed, **name}
