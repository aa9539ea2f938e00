"""The part of the scenario that calls this service's own actions, every one of them."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from tests.conformance.album import ANN, BOB, LATE, UPLOAD


def play(
    call: Callable[..., Mapping[str, Any]],
    settle: Callable[[], None],
    *,
    project: Mapping[str, Any],
    album: Mapping[str, Any],
) -> None:
    """Make all the calls. In the album all figures are one person, whose clusters were merged."""
    if not call("ImmRayListEdits", **album):
        return  # a client with models has none for these actions
    people, figures = _figures(call, album)
    _search(call, album, figures)
    _ledgers(call, project)
    made = call("ImmRaySplitFigureCluster", **album, ObjectId=people, FigureIds=figures[:1])
    settle()
    split = {"EditId": made.get("EditId", "")}
    call("ImmRayGetEdit", **album, **split)
    call("ImmRayExplain", **album, FigureId1=figures[0], FigureId2=figures[1])
    call("ImmRayExplain", **album, URI1=ANN[0], URI2=BOB[0])
    for _ in range(2):  # the second finds nothing to undo, and is refused later
        call("ImmRayUndo", **album, **split)
        settle()
    for action in ("ImmRayListEdits", "ImmRayHistory"):
        page = call(action, **album, MaxResults=1)
        call(action, **album, MaxResults=1, NextToken=page.get("NextToken", ""))
        call(action, **album)
    call("ImmRayHistory", **album, ObjectId=people)
    _purge(call, settle, project)


def _figures(
    call: Callable[..., Mapping[str, Any]], album: Mapping[str, Any]
) -> tuple[str, list[str]]:
    """Return the cluster of all figures, and the figures of Ann."""
    files = call("BatchGetFileMeta", **album, URIs=list(ANN)).get("Files", ())
    found = [figure for file in files for figure in file["Figures"]]
    return found[0]["FigureClusterId"], [figure["FigureId"] for figure in found]


def _search(
    call: Callable[..., Mapping[str, Any]], album: Mapping[str, Any], figures: list[str]
) -> None:
    content = base64.b64encode(UPLOAD).decode()
    call("ImmRaySearchByImage", **album, Content=content, Limit=3)
    call("ImmRayGetThumbnail", **album, URI=ANN[0], Size=64)
    call("ImmRayGetThumbnail", **album, FigureId=figures[0], Size=64)


def _ledgers(call: Callable[..., Mapping[str, Any]], project: Mapping[str, Any]) -> None:
    for task in call("ListTasks", **project).get("Tasks", ()):
        call("ImmRayGetTaskLedger", **project, TaskId=task["TaskId"])


def _purge(
    call: Callable[..., Mapping[str, Any]], settle: Callable[[], None], project: Mapping[str, Any]
) -> None:
    """Cancel a task that waits for a file, then purge its dataset."""
    purged = {**project, "DatasetName": "purged"}
    call("CreateDataset", **purged)
    call("IndexFileMeta", **purged, File={"URI": LATE})
    task = call("CreateFigureClusteringTask", **purged)
    call("ImmRayCancelTask", **project, TaskId=task.get("TaskId", ""))
    call("ImmRayPurgeDataset", **purged)
    settle()
