"""Tasks whose run fails again and again: tried for a while, then failed."""

from collections.abc import Callable

import structlog

from imm_ray.crash_point import reached
from imm_ray.dataset.health import ImplausibleRun
from imm_ray.dataset.ports import Clock
from imm_ray.errors import ThrottledUser
from imm_ray.model import Task
from imm_ray.store import tasks, trouble
from imm_ray.store.database import Database
from imm_ray.store.outage import interruption_of
from imm_ray.store.ownership import Fenced, Lease, check
from imm_ray.store.trouble import Patience

PATIENCE = Patience(attempts=5, seconds=120.0)

_log = structlog.get_logger(__name__)


class RunFailed(Exception):
    """The run of a task has failed: that counts against the task, and not against its dataset."""


class TaskAttempts:
    """Counts the runs of a dataset's tasks before they begin.

    So a run that ends the process counts as well as one that raises. Others go on meanwhile: a task
    that has failed waits for its next attempt behind them (`tasks.oldest_run`).
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        patience: Patience,
        *,
        notices: tasks.Notices,
        clock: Clock,
    ) -> None:
        self._database = database
        self._lease = lease
        self._patience = patience
        self._notices = notices
        self._clock = clock

    def run(self, task: Task, run: Callable[[], None]) -> None:
        """Run a task, unless it has failed too often: then it is failed instead.

        Raises
        ------
        RunFailed
            The memory of the engine may not be what is stored any more.
        """
        if not self._begin(task):
            return
        try:
            run()
        except (Fenced, ImplausibleRun, ThrottledUser):  # none is a fault of the task
            raise
        except Exception as error:
            if interruption_of(error) is not None:
                raise
            raise RunFailed(f"the run of task {task.task_id} failed") from error

    def _begin(self, task: Task) -> bool:
        """Return whether a task may run now; one that has failed too often has ended instead."""
        now = self._clock()
        since = task.attempted_at or now
        # Either way round: a clock that was put back must not keep a task for a day.
        is_over = self._patience.is_over(task.attempts, abs((now - since).total_seconds()))
        with self._database.write() as tx:
            if is_over:
                check(tx, self._lease)
                trouble.fail(tx, task, _message(task), now, self._notices)
            else:
                trouble.attempted(tx, self._lease, task, now)
            reached("task.attempt_written")
        reached("task.given_up" if is_over else "task.attempt_begun")
        if is_over:
            _log.error("task given up", task_id=task.task_id, attempts=task.attempts)
        return not is_over


def _message(task: Task) -> str:
    return (
        f"The task was given up: its run has failed {task.attempts} times, and nothing of it is "
        "visible. The log of the server says why. What it covered is left to the next task of its "
        "kind; create one when the cause is mended."
    )
