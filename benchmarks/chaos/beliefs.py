"""What a client may believe of a dataset that it alone writes to, after each answer.

A request without an answer leaves two possibilities; one with an answer leaves one. Whatever the
service shows later must be among them: that is durability (I1) and reading one's writes (I15).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chaos.journal import Entry, Outcome

TASK_ACTIONS = {
    "CreateFigureClusteringTask": "FaceClustering",
    "CreateSimilarImageClusteringTask": "SimilarImageClustering",
    "CreateFigureClustersMergingTask": "FigureClustersMerging",
}
TAG = "chaos"
"""The tag by which the one row of a request for a task is known."""


@dataclass(slots=True)
class FileBelief:
    """What may be true of one URI."""

    present: set[bool] = field(default_factory=lambda: {False})
    custom: set[str] = field(default_factory=lambda: {""})
    """Values of its CustomId."""


@dataclass(slots=True)
class TaskBelief:
    """A task that was acknowledged."""

    task_id: str
    task_type: str
    tag: str
    told: bool
    status: str = "Running"
    progress: int = 0


class DatasetBelief:
    """What may be true of one dataset; `violations` is what contradicts it."""

    def __init__(self) -> None:
        self.files: dict[str, FileBelief] = {}
        self.tasks: dict[str, TaskBelief] = {}
        self.tags: dict[str, Outcome] = {}
        self.told_requests: list[str] = []
        """RequestIds of index requests of whose end the client is to be told."""
        self.violations: list[str] = []

    def apply(self, entry: Entry) -> None:
        """Take an answer into account."""
        learn = {
            "BatchIndexFileMeta": self._indexed,
            "BatchDeleteFileMeta": self._deleted,
            "UpdateFileMeta": self._updated,
            "GetFileMeta": self._got,
            "GetTask": self._polled,
        }.get(entry.action, self._asked if entry.action in TASK_ACTIONS else None)
        if learn is not None:
            learn(entry)

    def check(self, uri: str, found: Mapping[str, Any] | None) -> str:
        """Return what is wrong with what the service shows of a URI (None: nothing), or ''."""
        belief = self.files.get(uri, FileBelief())
        if (found is not None) not in belief.present:
            return f"{uri} is {'there again' if found else 'lost'}"
        if found is not None and found.get("CustomId", "") not in belief.custom:
            return f"{uri} shows CustomId {found.get('CustomId', '')!r}, not one of {belief.custom}"
        return ""

    def _file(self, uri: str) -> FileBelief:
        return self.files.setdefault(uri, FileBelief())

    def _indexed(self, entry: Entry) -> None:
        if entry.outcome is Outcome.DONE and entry.params.get("Notification"):
            self.told_requests.append(entry.body["RequestId"])
        for uri in [file["URI"] for file in entry.params["Files"]]:
            belief = self._file(uri)
            if False in belief.present:
                belief.custom.add("")
            if entry.outcome is Outcome.DONE:
                belief.present = {True}
            elif entry.outcome is Outcome.UNKNOWN:
                belief.present.add(True)

    def _deleted(self, entry: Entry) -> None:
        for uri in entry.params["URIs"]:
            belief = self._file(uri)
            if entry.outcome is Outcome.DONE:
                belief.present, belief.custom = {False}, {""}
            elif entry.outcome is Outcome.UNKNOWN:
                belief.present.add(False)
                belief.custom.add("")

    def _updated(self, entry: Entry) -> None:
        said = entry.params["File"]
        belief = self._file(said["URI"])
        if entry.outcome is Outcome.DONE:
            belief.present, belief.custom = {True}, {said["CustomId"]}
        elif entry.outcome is Outcome.UNKNOWN:
            belief.custom.add(said["CustomId"])
        elif entry.code == "ResourceNotFound" and False not in belief.present:
            self.violations.append(f"I1 {said['URI']} is lost: {entry.body}")

    def _got(self, entry: Entry) -> None:
        if entry.outcome is Outcome.UNKNOWN:
            return
        files: Sequence[Mapping[str, Any]] = entry.body.get("Files", ())
        wrong = self.check(entry.params["URI"], files[0] if files else None)
        if wrong and (files or entry.code == "ResourceNotFound"):
            self.violations.append(f"I15 {wrong}")

    def _asked(self, entry: Entry) -> None:
        tag = entry.params["Tags"][TAG]
        self.tags[tag] = entry.outcome
        if entry.outcome is Outcome.DONE:
            task_id = entry.body["TaskId"]
            told = entry.params.get("Notification") is not None
            self.tasks[task_id] = TaskBelief(task_id, TASK_ACTIONS[entry.action], tag, told)

    def _polled(self, entry: Entry) -> None:
        task = self.tasks.get(entry.params["TaskId"])
        if task is None or entry.outcome is Outcome.UNKNOWN:
            return
        if entry.outcome is Outcome.REFUSED:
            if entry.code == "ResourceNotFound":
                self.violations.append(f"I1 the task {task.task_id} is lost")
            return
        status, progress = entry.body["Status"], int(entry.body.get("Progress", 0))
        if task.status != "Running" and status != task.status:
            self.violations.append(f"I5 {task.task_id} went from {task.status} to {status}")
        if progress < task.progress:
            self.violations.append(f"I5 {task.task_id} went from {task.progress} to {progress} %")
        task.status, task.progress = status, progress
