"""``ACTIONS``: every action that is served, its parameters, its handler, its HTTP methods."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from imm_ray.api.actions import (
    bindings,
    cancel,
    datasets,
    explaining,
    figures,
    files,
    history,
    people,
    pictures,
    projects,
    queries,
    regions,
    searching,
    similar,
    tasks,
    thumbnails,
    updates,
)
from imm_ray.api.asking import Asking, Raw
from imm_ray.api.call import Call, Written
from imm_ray.api.schema import P, Parameters, parse_parameters
from imm_ray.store.database import Tx

Write: TypeAlias = Callable[[Tx, Call], Written]
Body: TypeAlias = Mapping[str, Any]

GET_OR_POST = frozenset({"GET", "POST"})
POST_ONLY = frozenset({"POST"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action.

    ``prepare`` validates parameters and returns the handler bound to them: what it runs in a
    transaction. A read has nothing to ring, and its transaction may not write. An action that asks
    models or owners reads nothing there: what it returns is awaited afterwards (`Written.ask`).
    One that ``scans`` may look at all that a dataset or project holds, and takes turns.
    """

    schema: type[Parameters]
    writes: bool
    methods: frozenset[str]
    summary: str
    prepare: Callable[[Mapping[str, str]], Write]
    scans: bool = False


def _reads(
    schema: type[P],
    handler: Callable[[Tx, Call, P], Body],
    methods: frozenset[str] = GET_OR_POST,
) -> Action:
    def prepare(given: Mapping[str, str]) -> Write:
        params = parse_parameters(schema, given)
        return lambda tx, call: Written(handler(tx, call, params))

    return _action(schema, handler, prepare, writes=False, methods=methods)


def _scans(schema: type[P], handler: Callable[[Tx, Call, P], Body]) -> Action:
    return replace(_reads(schema, handler), scans=True)


def _writes(
    schema: type[P],
    handler: Callable[[Tx, Call, P], Written],
    methods: frozenset[str] = GET_OR_POST,
) -> Action:
    def prepare(given: Mapping[str, str]) -> Write:
        params = parse_parameters(schema, given)
        return lambda tx, call: handler(tx, call, params)

    return _action(schema, handler, prepare, writes=True, methods=methods)


def _asks(
    schema: type[P],
    handler: Callable[[Asking, Call, P], Awaitable[Body | Raw]],
    methods: frozenset[str] = GET_OR_POST,
) -> Action:
    def prepare(given: Mapping[str, str]) -> Write:
        params = parse_parameters(schema, given)
        return lambda tx, call: Written({}, ask=lambda asking: handler(asking, call, params))

    return _action(schema, handler, prepare, writes=False, methods=methods)


def _action(
    schema: type[Parameters],
    handler: Callable[..., Any],
    prepare: Callable[[Mapping[str, str]], Write],
    *,
    writes: bool,
    methods: frozenset[str],
) -> Action:
    summary = (handler.__doc__ or "").strip().splitlines()[0]
    return Action(schema=schema, writes=writes, methods=methods, summary=summary, prepare=prepare)


ACTIONS: Mapping[str, Action] = {
    "CreateProject": _writes(projects.CreateProject, projects.create_project),
    "GetProject": _reads(projects.GetProject, projects.get_project),
    "UpdateProject": _writes(projects.UpdateProject, projects.update_project),
    "ListProjects": _reads(projects.ListProjects, projects.list_projects),
    "DeleteProject": _writes(projects.DeleteProject, projects.delete_project),
    "CreateDataset": _writes(datasets.CreateDataset, datasets.create_dataset),
    "GetDataset": _reads(datasets.GetDataset, datasets.get_dataset),
    "UpdateDataset": _writes(datasets.UpdateDataset, datasets.update_dataset),
    "ListDatasets": _reads(datasets.ListDatasets, datasets.list_datasets),
    "DeleteDataset": _writes(datasets.DeleteDataset, datasets.delete_dataset, POST_ONLY),
    "CreateBinding": _writes(bindings.CreateBinding, bindings.create_binding),
    "GetBinding": _reads(bindings.GetBinding, bindings.get_binding),
    "ListBindings": _reads(bindings.ListBindings, bindings.list_bindings),
    "DeleteBinding": _writes(bindings.DeleteBinding, bindings.delete_binding),
    "StopBinding": _writes(bindings.StopBinding, bindings.stop_binding),
    "ResumeBinding": _writes(bindings.ResumeBinding, bindings.resume_binding),
    "IndexFileMeta": _writes(files.IndexFileMeta, files.index_file_meta),
    "BatchIndexFileMeta": _writes(files.BatchIndexFileMeta, files.batch_index_file_meta, POST_ONLY),
    "GetFileMeta": _reads(files.GetFileMeta, files.get_file_meta),
    "BatchGetFileMeta": _reads(files.BatchGetFileMeta, files.batch_get_file_meta),
    "DeleteFileMeta": _writes(files.DeleteFileMeta, files.delete_file_meta),
    "BatchDeleteFileMeta": _writes(
        files.BatchDeleteFileMeta, files.batch_delete_file_meta, POST_ONLY
    ),
    "UpdateFileMeta": _writes(updates.UpdateFileMeta, updates.update_file_meta),
    "BatchUpdateFileMeta": _writes(updates.BatchUpdateFileMeta, updates.batch_update_file_meta),
    "SimpleQuery": _scans(queries.SimpleQuery, queries.simple_query),
    "FuzzyQuery": _scans(queries.FuzzyQuery, queries.fuzzy_query),
    "SemanticQuery": _reads(queries.SemanticQuery, queries.semantic_query),
    "CreateFigureClusteringTask": _writes(tasks.CreateTask, figures.create_figure_clustering_task),
    "GetFigureCluster": _reads(figures.GetFigureCluster, figures.get_figure_cluster),
    "BatchGetFigureCluster": _reads(
        figures.BatchGetFigureCluster, figures.batch_get_figure_cluster
    ),
    "QueryFigureClusters": _scans(figures.QueryFigureClusters, figures.query_figure_clusters),
    "UpdateFigureCluster": _writes(people.UpdateFigureCluster, people.update_figure_cluster),
    "CreateFigureClustersMergingTask": _writes(
        people.CreateFigureClustersMergingTask, people.create_figure_clusters_merging_task
    ),
    "CreateSimilarImageClusteringTask": _writes(
        tasks.CreateTask, similar.create_similar_image_clustering_task
    ),
    "QuerySimilarImageClusters": _scans(
        similar.QuerySimilarImageClusters, similar.query_similar_image_clusters
    ),
    "GetTask": _reads(tasks.GetTask, tasks.get_task),
    "ListTasks": _scans(tasks.ListTasks, tasks.list_tasks),
    "ListRegions": _reads(regions.ListRegions, regions.list_regions),
    "DetectImageFaces": _asks(pictures.OfPicture, pictures.detect_image_faces),
    "CompareImageFaces": _asks(pictures.CompareImageFaces, pictures.compare_image_faces),
    "DetectImageScore": _asks(pictures.OfPicture, pictures.detect_image_score),
    "SearchImageFigureCluster": _asks(
        searching.SearchImageFigureCluster, searching.search_image_figure_cluster
    ),
    "CreateFacesSearchingTask": _writes(
        searching.CreateFacesSearchingTask, searching.create_faces_searching_task
    ),
    "ImmRaySearchByImage": _asks(searching.SearchByImage, searching.search_by_image, POST_ONLY),
    "ImmRayGetThumbnail": _asks(thumbnails.GetThumbnail, thumbnails.get_thumbnail),
    "ImmRayExplain": _asks(explaining.Explain, explaining.explain),
    "ImmRayGetTaskLedger": _reads(tasks.GetTaskLedger, tasks.get_task_ledger),
    "ImmRayPurgeDataset": _writes(datasets.PurgeDataset, datasets.purge_dataset),
    "ImmRayCancelTask": _writes(cancel.CancelTask, cancel.cancel_task),
    "ImmRayHistory": _scans(history.History, history.history),
    "ImmRayGetEdit": _reads(history.GetEdit, history.get_edit),
    "ImmRayListEdits": _reads(history.ListEdits, history.list_edits),
    "ImmRayUndo": _writes(history.Undo, history.undo),
    "ImmRaySplitFigureCluster": _writes(people.SplitFigureCluster, people.split_figure_cluster),
}
