"""The main job, as a client does it: index files, cluster them, read what was found."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from imm_ray.cli.client import MAX_ITEMS, ImmClient, batches
from imm_ray.cli.progress import Stages
from imm_ray.cli.result import Answer, Findings, Photo, findings, path_of, uri_of
from imm_ray.model import FileStatus, TaskStatus, TaskType

PROJECT = "demo"
DATASET = "album"
POLL_S = 0.25
PATIENCE_POLLS = 8
"""Polls without any change before the next files are looked at."""
NOT_UTF8 = "The name of the file is not valid UTF-8, so no URI can name it."


class TaskFailed(Exception):
    """A clustering task ended as Failed."""

    def __init__(self, task: Answer) -> None:
        super().__init__(
            f"task {task['TaskId']} failed: {task.get('Code', '')}: {task.get('Message', '')}"
        )


class Job:
    """Indexes and clusters files through the API of a server that was started for it.

    Parameters
    ----------
    sleep
        Waits between two polls; a test gives one that does not.
    """

    def __init__(
        self, client: ImmClient, stages: Stages, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._stages = stages
        self._sleep = sleep

    def run(self, paths: Sequence[str]) -> Findings:
        """Return what the server finds in the files at ``paths``, relative to the bucket's folder.

        Raises
        ------
        ImmCallFailed, TaskFailed
            The server refuses or fails; that single files fail is part of the findings.
        """
        self._client.call("CreateProject", ProjectName=PROJECT)
        self._client.call("CreateDataset", ProjectName=PROJECT, DatasetName=DATASET)
        uris = [uri_of(path) for path in paths if _is_utf8(path)]
        self._index(uris)
        ledger = self._cluster()
        with self._stages.stage("Reading the result"):
            files = {file["URI"]: Photo.of(file) for file in self._files(uris, *_RESULT_FIELDS)}
            return findings(
                [files.get(uri_of(path)) or _unnamable(path) for path in paths],
                self._pages("QueryFigureClusters", "FigureClusters"),
                similar_clusters=self._pages("QuerySimilarImageClusters", "SimilarImageClusters"),
                ledger=ledger,
            )

    def _index(self, uris: Sequence[str]) -> None:
        with self._stages.stage("Indexing", total=len(uris)) as stage:
            for files in batches(({"URI": uri} for uri in uris), "Files", **_HERE):
                self._call("BatchIndexFileMeta", Files=files)
            watch = _Watch(uris)
            while watch.pending:
                statuses = {
                    file["URI"]: file["ObjectStatus"]
                    for file in self._files(watch.looked_at, "URI", "ObjectStatus")
                }
                has_moved = watch.see(statuses)
                stage.update(len(uris) - len(watch.pending), f"{watch.failed} failed")
                if not has_moved:
                    self._sleep(POLL_S)

    def _cluster(self) -> dict[str, Any]:
        with self._stages.stage("Clustering", total=2) as stage:
            tasks = {
                name: (kind, self._call(action)["TaskId"])
                for name, action, kind in (
                    ("figures", "CreateFigureClusteringTask", TaskType.FIGURE_CLUSTERING),
                    (
                        "similar",
                        "CreateSimilarImageClusteringTask",
                        TaskType.SIMILAR_IMAGE_CLUSTERING,
                    ),
                )
            }
            running = dict(tasks)
            while running:
                for name, (kind, task_id) in list(running.items()):
                    if self._is_done(kind, task_id):
                        del running[name]
                stage.update(len(tasks) - len(running), ", ".join(running))
                if running:
                    self._sleep(POLL_S)
        return {name: self._ledger(task_id) for name, (_, task_id) in tasks.items()}

    def _is_done(self, kind: TaskType, task_id: str) -> bool:
        task = self._client.call(
            "GetTask", ProjectName=PROJECT, TaskType=kind.value, TaskId=task_id
        )
        if task["Status"] == TaskStatus.FAILED:
            raise TaskFailed(task)
        return bool(task["Status"] == TaskStatus.SUCCEEDED)

    def _ledger(self, task_id: str) -> Any:
        answer = self._client.call("ImmRayGetTaskLedger", ProjectName=PROJECT, TaskId=task_id)
        return answer["Ledger"]

    def _files(self, uris: Sequence[str], *fields: str) -> list[dict[str, Any]]:
        wanted = {**_HERE, "WithFields": list(fields)}
        return [
            file
            for batch in batches(uris, "URIs", **wanted)
            for file in self._client.call("BatchGetFileMeta", **wanted, URIs=batch)["Files"]
        ]

    def _pages(self, action: str, member: str) -> list[dict[str, Any]]:
        return list(self._client.pages(action, member, **_HERE, MaxResults=MAX_ITEMS))

    def _call(self, action: str, **params: Any) -> dict[str, Any]:
        return self._client.call(action, **_HERE, **params)


class _Watch:
    """Which files are pending still; only the first of them are asked for.

    A server indexes roughly in the order in which it was told, so the first pending files are the
    next to change, and a poll costs the same for ten files and for a million.
    """

    def __init__(self, uris: Sequence[str]) -> None:
        self.pending = deque(uris)
        self.failed = 0
        self._idle_polls = 0

    @property
    def looked_at(self) -> list[str]:
        """The files to ask for next."""
        return [self.pending[i] for i in range(min(MAX_ITEMS, len(self.pending)))]

    def see(self, statuses: dict[str, str]) -> bool:
        """Drop what is not pending any more, and tell whether that was anything."""
        looked_at = self.looked_at
        if lost := [uri for uri in looked_at if uri not in statuses]:
            raise RuntimeError(f"the server acknowledged {path_of(lost[0])!r} and lost it")
        for _ in looked_at:
            self.pending.popleft()
        left = [uri for uri in looked_at if statuses[uri] == FileStatus.PENDING]
        self.pending.extendleft(reversed(left))
        self.failed += sum(statuses[uri] == FileStatus.FAILED for uri in looked_at)
        has_moved = len(left) < len(looked_at)
        self._idle_polls = 0 if has_moved else self._idle_polls + 1
        if self._idle_polls >= PATIENCE_POLLS:
            self._idle_polls = 0
            self.pending.rotate(-len(looked_at))
        return has_moved


_HERE = {"ProjectName": PROJECT, "DatasetName": DATASET}
_RESULT_FIELDS = ("URI", "ObjectStatus", "Reason", "Figures")


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unnamable(path: str) -> Photo:
    return Photo(path, FileStatus.FAILED.value, NOT_UTF8)
