"""GetTask, ListTasks, ImmRayGetTaskLedger, and what makes a task of any type."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from imm_ray.api.actions.label import LabelFilter, read_labels
from imm_ray.api.call import Call, Written, new_event_id
from imm_ray.api.json_text import write_json
from imm_ray.api.notification import Notification, accept_notification
from imm_ray.api.paging import Position
from imm_ray.api.render import task_info
from imm_ray.api.schema import (
    AsJson,
    Boolean,
    Integer,
    LabelMap,
    NextToken,
    OfDataset,
    OfProject,
    Order,
    TimeRange,
    UserData,
    page_size,
)
from imm_ray.errors import ResourceNotFound
from imm_ray.model import Task, TaskId, TaskStatus, TaskType, from_microseconds, to_microseconds
from imm_ray.store import datasets, projects, tasks
from imm_ray.store.database import Tx

_TASK_TYPES: Mapping[str, TaskType] = {
    "FaceClustering": TaskType.FIGURE_CLUSTERING,
    "FigureClustering": TaskType.FIGURE_CLUSTERING,
    "SimilarImageClustering": TaskType.SIMILAR_IMAGE_CLUSTERING,
    "FacesSearching": TaskType.FACES_SEARCHING,
    "FigureClustersMerging": TaskType.FIGURE_CLUSTERS_MERGING,
}
"""IMM's page says FaceClustering, its events and ids say FigureClustering: both are understood."""
_ID_PREFIXES = {
    TaskType.FIGURE_CLUSTERING: "FigureClustering",
    TaskType.SIMILAR_IMAGE_CLUSTERING: "SimilarImageClustering",
    TaskType.FACES_SEARCHING: "CreateFacesSearchingTask",
    TaskType.FIGURE_CLUSTERS_MERGING: "FigureClustersMerging",
}
_SORTS = {"TaskId": "task_id", "StartTime": "started_at", "EndTime": "ended_at"}


class CreateTask(OfDataset):
    """Parameters of every action that makes a clustering task."""

    notification: Annotated[Notification, AsJson] | None = None
    tags: Annotated[LabelMap, AsJson] | None = None
    user_data: UserData = ""


class GetTask(OfProject):
    """Parameters of GetTask."""

    task_id: Annotated[str, Field(max_length=128)]
    task_type: Annotated[str, Field(max_length=128)]
    request_definition: Boolean = False


class GetTaskLedger(OfProject):
    """Parameters of ImmRayGetTaskLedger."""

    task_id: Annotated[str, Field(max_length=128)]


class ListTasks(OfProject):
    """Parameters of ListTasks."""

    end_time_range: Annotated[TimeRange, AsJson] | None = None
    max_results: Annotated[Integer, page_size(100)] = 100
    next_token: NextToken = ""
    order: Order = "asc"
    request_definition: Boolean = False
    sort: Literal["TaskId", "StartTime", "EndTime"] = "TaskId"
    start_time_range: Annotated[TimeRange, AsJson] | None = None
    status: Literal["Running", "Succeeded", "Failed"] | None = None
    tag_selector: LabelFilter = ""
    task_types: (
        Annotated[list[Annotated[str, Field(max_length=128)]], Field(max_length=100), AsJson] | None
    ) = None


def create_task(tx: Tx, call: Call, params: CreateTask, task_type: TaskType) -> Written:
    """Make a task that covers every file acknowledged before it, and return its id.

    It is Running at once. Tasks of one dataset run in the order of their creation, and a second one
    may be made while the first runs. Its end is told to the topics of ``Notification``.
    """
    task = accept_task(tx, call, params, task_type)
    body = {"TaskId": task.task_id, "EventId": task.event_id}
    return Written(body, (task.dataset_id,))


def accept_task(tx: Tx, call: Call, params: CreateTask, task_type: TaskType) -> Task:
    """Store a new task and return it."""
    topics = call.surroundings.settings.notifications.topics_of(call.account)
    notification = accept_notification(params.notification, topics)
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    call.surroundings.admission.admit(tx, dataset, items=1, now=call.now)
    task = Task(
        task_id=TaskId(f"{_ID_PREFIXES[task_type]}-{uuid.uuid4()}"),
        task_type=task_type,
        account=call.account,
        project=dataset.project,
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        event_id=new_event_id(),
        request_id=call.request_id,
        status=TaskStatus.RUNNING,
        watermark=datasets.next_seq(tx, dataset.dataset_id),
        user_data=params.user_data,
        tags=params.tags or {},
        notification=notification,
        request_definition=write_json(params.model_dump(by_alias=True, exclude_defaults=True)),
        started_at=call.now,
    )
    tasks.create(tx, task)
    return task


def get_task(tx: Tx, call: Call, params: GetTask) -> dict[str, Any]:
    """Return a task.

    A task that is unknown, has expired or is of another type than ``TaskType`` is a
    ResourceNotFound. Code and Message are there when it failed.
    """
    task = find_task(tx, call, params.project_name, params.task_id)
    if _TASK_TYPES.get(params.task_type) is not task.task_type:
        raise ResourceNotFound.of("task")
    return {
        "ProjectName": task.project,
        "EventId": task.event_id,
        **task_info(task, with_definition=params.request_definition),
    }


def get_task_ledger(tx: Tx, call: Call, params: GetTaskLedger) -> dict[str, Any]:
    """Return what a task did: items new, distances computed, clusters touched, milliseconds.

    An extension of this service. The ledger of a task that runs is empty.
    """
    task = find_task(tx, call, params.project_name, params.task_id)
    return {"TaskId": task.task_id, "Ledger": dict(task.ledger)}


def list_tasks(tx: Tx, call: Call, params: ListTasks) -> dict[str, Any]:
    """Return the tasks of a project that have not expired.

    Both ends of a time range belong to it; a task that runs has no EndTime, is in no EndTimeRange,
    and sorts by EndTime as if it ended first. ``TagSelector`` holds one or more ``key=value``, all
    of which must hold. Task types that this service does not have match nothing.
    """
    limit, descending = params.max_results, params.order == "desc"
    after = call.position(params.next_token, params.project_name)
    wanted = _filter(params)
    found: list[Task] = []
    if wanted is not None:
        found = tasks.page(
            tx,
            call.account,
            params.project_name,
            wanted,
            alive_since=call.tasks_since,
            limit=limit + 1,
            sort=_SORTS[params.sort],
            descending=descending,
            after=None if after is None else _after(params.sort, after),
        )
    if not found:
        projects.require(tx, call.account, params.project_name)
    page, more = call.page(
        found,
        limit,
        resource=params.project_name,
        position=lambda task: [_sort_value(params.sort, task), task.task_id],
    )
    return {
        "ProjectName": params.project_name,
        "MaxResults": str(limit),
        "Tasks": [task_info(task, with_definition=params.request_definition) for task in page],
        **more,
    }


def find_task(tx: Tx, call: Call, project: str, task_id: str) -> Task:
    """Return a task of a project that has not expired.

    Raises
    ------
    ResourceNotFound
        The project, or the task.
    """
    try:
        return tasks.get(tx, call.account, project, task_id, alive_since=call.tasks_since)
    except ResourceNotFound:
        projects.require(
            tx, call.account, project
        )  # says so when it is the project that is missing
        raise


def _filter(params: ListTasks) -> tasks.TaskFilter | None:
    """Return the filter, None when it can match nothing."""
    names = params.task_types or []
    known = {_TASK_TYPES[name] for name in names if name in _TASK_TYPES}
    if names and not known:
        return None
    started = params.start_time_range.bounds if params.start_time_range else (None, None)
    ended = params.end_time_range.bounds if params.end_time_range else (None, None)
    return tasks.TaskFilter(
        task_types=sorted(known),
        status=None if params.status is None else TaskStatus(params.status),
        tags=read_labels(params.tag_selector),
        started_from=started[0],
        started_to=started[1],
        ended_from=ended[0],
        ended_to=ended[1],
    )


def _sort_value(sort: str, task: Task) -> str | int:
    if sort == "TaskId":
        return task.task_id
    time = task.started_at if sort == "StartTime" else task.ended_at
    return 0 if time is None else to_microseconds(time)


def _after(sort: str, position: Position) -> tuple[Any, str]:
    value, task_id = position
    if sort == "TaskId":
        return value, str(task_id)
    return from_microseconds(int(value)), str(task_id)
