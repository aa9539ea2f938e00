"""Tasks live for seven days after their start, by the clock that is given."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from imm_ray.model import TaskId
from imm_ray.runtime.purge import Purge
from imm_ray.store import tasks
from imm_ray.store.nonce_memory import open_relaxed
from tests.wire.rig import Rig


def test_expired_tasks_are_hidden_at_once_and_purged_when_they_have_ended(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig, closing(open_relaxed(rig.database)) as relaxed:
        names = rig.album()
        old = rig.call("CreateFigureClusteringTask", **names)["TaskId"]
        running = rig.call("CreateSimilarImageClusteringTask", **names)["TaskId"]
        rig.call("ImmRayCancelTask", ProjectName="p", TaskId=old)
        with rig.database.read() as tx:
            template = tasks.of_dataset(tx, rig.rung[-1], old)
        assert template is not None
        with rig.database.write() as tx:
            for number in range(1200):
                tasks.create(tx, replace(template, task_id=TaskId(f"copy-{number}")))
        rig.clock.move(days=3)
        young = rig.call("CreateFigureClusteringTask", **names)["TaskId"]
        days = rig.settings.tasks.retention_days
        purge = Purge(rig.database, rig.clock, relaxed=relaxed, retention_days=days)
        purge.run()
        assert len(rig.call("ListTasks", ProjectName="p", Sort="StartTime")["Tasks"]) == 100
        rig.clock.move(days=4, seconds=1)
        listed = rig.call("ListTasks", ProjectName="p")["Tasks"]
        assert [task["TaskId"] for task in listed] == [young]
        purge.run()
        with rig.database.read() as tx:
            ids = map(TaskId, (old, running, young))
            left = [tasks.of_dataset(tx, rig.rung[-1], task_id) for task_id in ids]
            assert tasks.of_dataset(tx, rig.rung[-1], TaskId("copy-0")) is None
        assert [task and task.task_id for task in left] == [None, running, young]
