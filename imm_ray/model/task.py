"""Tasks, and the messages that tell of their ends."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from imm_ray.model.entity import ClusterKind, DatasetId, JsonObject, TaskId
from imm_ray.model.question import SearchedSource


class TaskType(StrEnum):
    """IMM's task types (API reference, "Task type list")."""

    FIGURE_CLUSTERING = "FaceClustering"
    SIMILAR_IMAGE_CLUSTERING = "SimilarImageClustering"
    FACES_SEARCHING = "FacesSearching"
    FIGURE_CLUSTERS_MERGING = "FigureClustersMerging"

    @property
    def kind(self) -> ClusterKind:
        """The kind of cluster that a task of this type makes, changes or looks at."""
        similar = self is TaskType.SIMILAR_IMAGE_CLUSTERING
        return ClusterKind.SIMILAR if similar else ClusterKind.FIGURE


class TaskStatus(StrEnum):
    """IMM knows no queued or cancelled state: a task that waits is Running."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One asynchronous request of a client."""

    task_id: TaskId
    task_type: TaskType
    account: str
    project: str
    dataset_id: DatasetId
    dataset_name: str
    event_id: str
    request_id: str
    status: TaskStatus
    watermark: int
    """The dataset's seq at creation: the task covers what was acknowledged up to here."""
    progress: int = 0
    code: str = ""
    message: str = ""
    user_data: str = ""
    tags: JsonObject = field(default_factory=dict)
    notification: JsonObject = field(default_factory=dict)
    request_definition: str = ""
    started_at: datetime
    ended_at: datetime | None = None
    ledger: JsonObject = field(default_factory=dict)
    attempts: int = 0
    """Runs that have begun; more than one when some have failed."""
    attempted_at: datetime | None = None
    """When the first of them began."""
    searched: tuple[SearchedSource, ...] = ()
    """What a FacesSearching task has found: told in its notification, and stored nowhere."""


@dataclass(frozen=True, slots=True)
class Message:
    """One notification as it leaves: a JSON text, and an id that is the same at every attempt."""

    message_id: str
    topic: str
    event_type: str
    body: str
    details: JsonObject = field(default_factory=dict)
    """What only some shapes tell beside the text."""
