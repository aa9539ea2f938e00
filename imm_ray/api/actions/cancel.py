"""ImmRayCancelTask."""

from typing import Annotated

from pydantic import Field

from imm_ray.api.actions.tasks import find_task
from imm_ray.api.call import Call, Written
from imm_ray.api.schema import OfProject
from imm_ray.errors import StatusConflict
from imm_ray.model import EditKind, Task
from imm_ray.store import edits, tasks
from imm_ray.store.database import Tx

CANCELLED = "Cancelled"
"""Code of a task that a client has ended."""


class CancelTask(OfProject):
    """Parameters of ImmRayCancelTask."""

    task_id: Annotated[str, Field(max_length=128)]


def cancel_task(tx: Tx, call: Call, params: CancelTask) -> Written:
    """End a task that runs or waits to run: nothing of it becomes visible.

    An extension of this service. The task is Failed at once, with Code ``Cancelled``, and that is
    told to the topics of its ``Notification``. What it would have covered is left to the next task;
    files that wait to be indexed are indexed all the same. A task that has ended is a
    StatusConflict and stays as it ended. Policies are asked about the project, as for GetTask; a
    Deny on the task's dataset keeps it from being cancelled too.
    """
    task = find_task(tx, call, params.project_name, params.task_id)
    call.check_dataset(task.dataset_name)
    _take_back_edit(tx, call, task)
    message = "The task was cancelled by a client."
    notices = call.surroundings.notifications.task
    if not tasks.fail(tx, task, CANCELLED, message, call.now, notices):
        raise StatusConflict(f"The task {task.task_id} has ended as {task.status}.")
    return Written({}, (task.dataset_id,))


def _take_back_edit(tx: Tx, call: Call, task: Task) -> None:
    """Have the edit of a task undone in the run that applies it.

    No run becomes visible that does not know all edits, so the two become visible together. The
    edit comes first: its number is taken from the dataset's row, which every writer locks first.
    """
    edit = edits.pending_of_task(tx, task.dataset_id, task.task_id)
    if edit is not None:
        edits.add(tx, task.dataset_id, EditKind.UNDO, {"edit_id": edit.edit_id}, call.now)
