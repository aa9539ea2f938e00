"""FacesSearching tasks: what they ask, when they are due, how they end."""

import json
from collections.abc import Sequence
from dataclasses import replace

from imm_ray.crash_point import reached
from imm_ray.dataset.health import usable
from imm_ray.dataset.ports import Clock
from imm_ray.dataset.searches import Searches
from imm_ray.errors import StatusConflict
from imm_ray.model import (
    SIMILAR_FACES,
    FigureId,
    File,
    FileId,
    Near,
    Outcome,
    Refused,
    Search,
    SearchedSource,
    SimilarFace,
    Source,
    Task,
    TaskStatus,
    TaskType,
    largest_face,
)
from imm_ray.store import files, ownership, results, tasks
from imm_ray.store.database import Database
from imm_ray.store.ownership import Lease

_NO_FACE = "There is no face in the picture."


def sources_of(task: Task) -> list[Source]:
    """Return the pictures that a task searches with."""
    asked = json.loads(task.request_definition)
    return [
        Source(uri=source["URI"], media_type="image", account=task.account)
        for source in asked["Sources"]
    ]


class FaceSearches:
    """Runs the searches of one dataset.

    Notes
    -----
    A search keeps nothing but its task row: until that has ended in the transaction that puts its
    notification into the outbox, a new owner does it again from the start.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        searches: Searches,
        *,
        notices: tasks.Notices,
        clock: Clock,
        mismatch: str = "",
    ) -> None:
        self._database = database
        self._lease = lease
        self._searches = searches
        self._notices = notices
        self._clock = clock
        self._mismatch = mismatch

    def due(self) -> Task | None:
        """Return the oldest task of the dataset if it is a search that may run now.

        Where pictures can not be compared with what is stored, searches that are due fail instead.
        """
        task = self._oldest()
        while task is not None and self._mismatch:
            with self._database.write() as tx:
                ownership.check(tx, self._lease)
                tasks.fail(
                    tx, task, StatusConflict.code, self._mismatch, self._clock(), self._notices
                )
            task = self._oldest()
        return task

    def _oldest(self) -> Task | None:
        dataset_id = self._lease.dataset_id
        with self._database.read() as tx:
            task = tasks.oldest_run(tx, dataset_id, self._clock())
            if task is None or task.task_type is not TaskType.FACES_SEARCHING:
                return None
            return None if results.pending_until(tx, dataset_id, task.watermark) else task

    def finish(self, task: Task, outcomes: Sequence[Outcome]) -> None:
        """Search with what the embedder has found in each source, and end the task."""
        most = int(json.loads(task.request_definition).get("MaxResult") or SIMILAR_FACES)
        searched = [
            self._searched(source.uri, usable(outcome), most)
            for source, outcome in zip(sources_of(task), outcomes, strict=True)
        ]
        failed = [source for source in searched if source.error]
        ended = replace(
            task,
            status=TaskStatus.FAILED if len(failed) == len(searched) else TaskStatus.SUCCEEDED,
            progress=100,
            ended_at=self._clock(),
            searched=tuple(searched),
            ledger={
                "sources": len(searched),
                "sources_failed": len(failed),
                "faces_found": sum(len(source.faces) for source in searched),
            },
        )
        if ended.status is TaskStatus.FAILED:
            message = f"No source can be searched with; the first: {failed[0].error}"
            ended = replace(ended, code="InvalidArgument", message=message)
        with self._database.write() as tx:
            ownership.check(tx, self._lease)
            tasks.finish(tx, ended, self._notices, self._clock())
            reached("search.end_written")
        reached("search.ended")

    def _searched(self, uri: str, outcome: Outcome, most: int) -> SearchedSource:
        if isinstance(outcome, Refused):
            return SearchedSource(uri=uri, error=outcome.reason)
        analysis = outcome.analysis
        face = None if analysis is None else largest_face(analysis.faces)
        if face is None:
            return SearchedSource(uri=uri, error=_NO_FACE)
        found = self._searches.search(Search(faces=(face.vector,), faces_each=most))
        return SearchedSource(uri=uri, box=face.box, faces=self._faces(found.faces[0].nearest))

    def _faces(self, near: Sequence[Near]) -> tuple[SimilarFace, ...]:
        """Return the stored faces, as they are visible; one that was just deleted is left out."""
        by_id = self._files({item.file_id for item in near})
        figures = {
            figure.figure_id: (figure, file.uri)
            for file in by_id.values()
            for figure in file.figures
        }
        return tuple(
            SimilarFace(*figures[FigureId(item.item_id)], item.similarity)
            for item in near
            if FigureId(item.item_id) in figures
        )

    def _files(self, file_ids: set[FileId]) -> dict[FileId, File]:
        with self._database.read() as tx:
            return files.by_id(tx, self._lease.dataset_id, file_ids)
