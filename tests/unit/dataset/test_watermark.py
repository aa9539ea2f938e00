"""A task waits for every file that was acknowledged before it, the last one included."""

from contextlib import closing
from pathlib import Path

from imm_ray.model import TaskStatus
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits, uri


def test_a_task_does_not_run_while_a_file_before_it_waits(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    with closing(owner.database):
        owner.index(portraits("ann", 2))
        task_id = owner.create_task()
        assert not owner.engine.run_due_task()
        assert owner.task(task_id).status is TaskStatus.RUNNING
        owner.drain()
        assert owner.task(task_id).status is TaskStatus.SUCCEEDED
        assert owner.cluster_of(uri("ann", 0)) == owner.cluster_of(uri("ann", 1)) != ""
