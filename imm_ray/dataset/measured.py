"""What one dataset's engine tells of its work: to the metrics, and a line in the log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from imm_ray.dataset.ports import Clock, Measures
from imm_ray.measure import (
    CLUSTERING_SECONDS,
    FILES,
    INDEXING_SECONDS,
    RUN_DISTANCES,
    RUN_ITEMS,
    RUN_SECONDS,
)
from imm_ray.model import ClusterKind, Refused, Task
from imm_ray.store.results import Result

_log = structlog.get_logger(__name__)


class EngineMeasures:
    """Counts what is committed. Call it after the commit: what is rolled back does not count."""

    def __init__(self, measures: Measures, clock: Clock) -> None:
        self._measures = measures
        self._clock = clock
        self._waits_since: datetime | None = None
        """When the oldest figure was acknowledged that no run has covered since."""

    def committed(self, results: Sequence[Result]) -> None:
        """Count files whose indexing has ended."""
        now = self._clock()
        for result in results:
            outcome = "failed" if isinstance(result.outcome, Refused) else "indexed"
            self._measures.count(FILES, outcome=outcome)
            if (asked_at := result.file.asked_at) is not None:
                self._measures.observe(INDEXING_SECONDS, _seconds(now, asked_at))
                self._waits_since = min(self._waits_since or asked_at, asked_at)

    def published(
        self,
        kind: ClusterKind,
        ledger: Mapping[str, Any],
        task: Task | None,
        *,
        seconds: float,
        covers_new: bool,
    ) -> None:
        """Count a run that is visible now.

        Parameters
        ----------
        seconds
            How long the run took.
        covers_new
            It looked at new items, and not only at edits or at what there was.
        """
        label = str(kind)
        self._measures.observe(RUN_SECONDS, seconds, kind=label)
        self._measures.count(RUN_ITEMS, float(ledger.get("items_new", 0)), kind=label)
        self._measures.count(RUN_DISTANCES, float(ledger.get("distances_computed", 0)), kind=label)
        now = self._clock()
        if task is not None:
            waited = _seconds(now, task.started_at)
            self._measures.observe(CLUSTERING_SECONDS, waited, kind=label, trigger="task")
            _log.info("task succeeded", task_id=task.task_id, kind=label, seconds=round(seconds, 3))
        if kind is ClusterKind.FIGURE and covers_new:
            if task is None and self._waits_since is not None:
                waited = _seconds(now, self._waits_since)
                self._measures.observe(CLUSTERING_SECONDS, waited, kind=label, trigger="stream")
            self._waits_since = None


def _seconds(now: datetime, since: datetime) -> float:
    """Return the seconds since a time; a clock that was set back makes them 0."""
    return max(0.0, (now - since).total_seconds())
