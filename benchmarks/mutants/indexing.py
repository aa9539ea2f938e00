"""Seeded bugs: what an owner makes of what clients have said."""

from benchmarks.mutants.mutant import Mutant

_ENGINE = "tests/unit/dataset/test_engine.py"
_PUBLISH = "tests/unit/store/test_publish.py"
_DOOR = "tests/unit/dataset/test_door.py"
_CRASH = "tests/recovery/test_crash.py"

REVISIONS = (
    Mutant(
        name="a result of an older revision is taken",
        module="store/results.py",
        changes=(
            (
                ".where(f.c.file_id == file.file_id, f.c.revision == file.revision)",
                ".where(f.c.file_id == file.file_id)",
            ),
        ),
        tests=(f"{_ENGINE}::test_a_result_of_an_older_revision_is_dropped",),
    ),
    Mutant(
        name="a file that is indexed again keeps its revision",
        module="store/files.py",
        changes=(
            ("            revision=row.revision + 1,\n", "            revision=row.revision,\n"),
        ),
        tests=(f"{_ENGINE}::test_a_result_of_an_older_revision_is_dropped",),
    ),
    Mutant(
        name="a task does not wait for the last file before it",
        module="store/results.py",
        changes=(
            ("FileStatus.PENDING, f.seq <= watermark", "FileStatus.PENDING, f.seq < watermark - 1"),
        ),
        tests=("tests/unit/dataset/test_watermark.py",),
    ),
    Mutant(
        name="a run says that it covers one change more",
        module="dataset/publisher.py",
        changes=(
            (
                "watermark=max(collection.at.watermark, cause.watermark)",
                "watermark=max(collection.at.watermark, cause.watermark) + 1",
            ),
        ),
        tests=(f"{_ENGINE}::test_a_task_covers_what_was_acknowledged_before_it",),
        points=("run.published",),
    ),
    Mutant(
        name="two changes get one number",
        module="store/datasets.py",
        changes=(("values(seq=d.c.seq + count)", "values(seq=func.max(d.c.seq + count - 1, 1))"),),
        points=("task.created",),
    ),
    Mutant(
        name="a deleted file leaves no tombstone",
        module="store/files.py",
        changes=(
            (
                '"seq": seq, "file_id": file_id} for file_id in file_ids]',
                '"seq": seq, "file_id": "none"}]',
            ),
        ),
        tests=(f"{_ENGINE}::test_a_cluster_shrinks_and_dissolves_with_its_files",),
        points=("files.delete_written",),
    ),
    Mutant(
        name="a start does not settle the deletes before it",
        module="dataset/engine.py",
        changes=(
            (
                "before it said so\n            self._settle_deletes()\n",
                "before it said so\n            pass\n",
            ),
        ),
        tests=("tests/recovery/test_forgotten_deletes.py",),
        points=(
            "files.delete_written",
            "request.durable",
        ),
    ),
)

RUNS = (
    Mutant(
        name="old places are swept before the run is visible",
        module="dataset/publisher.py",
        changes=(
            (
                '        reached("run.staged")\n',
                '        self._sweep(kind, run)\n        reached("run.staged")\n',
            ),
        ),
        points=("run.staged", "run.ends_staged", "run.publish_written"),
        tests=(f"{_CRASH}::test_every_transaction_may_be_the_last",),
    ),
    Mutant(
        name="what a dead owner has staged stays",
        module="dataset/publisher.py",
        changes=(("        if kind not in self._settled:\n", "        if not kind:\n"),),
        points=("run.members_staged", "run.states_staged"),
    ),
    Mutant(
        name="places that a dead owner has closed stay closed",
        module="store/staging.py",
        changes=(
            (
                "reopen = select(key).where(*closed).limit(CHUNK)",
                "reopen = select(key).where(*closed).limit(0)",
            ),
        ),
        tests=("tests/unit/store/test_half_writes.py",),
    ),
    Mutant(
        name="a run is published over an edit that it does not know",
        module="store/staging.py",
        changes=(
            (
                "    if kind is ClusterKind.FIGURE and edits.pending_after(",
                "    if not kind and edits.pending_after(",
            ),
        ),
        tests=(f"{_PUBLISH}::test_an_edit_that_came_meanwhile_sends_the_run_back",),
    ),
    Mutant(
        name="a run of a task that has ended becomes visible",
        module="store/staging.py",
        changes=(
            (
                "        if not tasks.finish(tx, end.task, notices, end.at):\n"
                "            return False\n",
                "        tasks.finish(tx, end.task, notices, end.at)\n",
            ),
        ),
        tests=(f"{_PUBLISH}::test_a_task_that_ended_otherwise_changes_nothing",),
    ),
    Mutant(
        name="an ended task ends once more",
        module="store/tasks.py",
        changes=(
            (
                "        .where(t.task_id == task.task_id, t.status == TaskStatus.RUNNING)\n",
                "        .where(t.task_id == task.task_id)\n",
            ),
        ),
        tests=(f"{_PUBLISH}::test_a_task_that_ended_otherwise_changes_nothing",),
    ),
    Mutant(
        name="the constraints of a run are not stored",
        module="store/staging.py",
        changes=(
            ("    constraints.change(tx, lease, added=end.added, removed=end.removed)\n", ""),
        ),
        tests=(f"{_PUBLISH}::test_a_run_is_published_with_all_that_belongs_to_it_or_not_at_all",),
    ),
    Mutant(
        name="a new owner leaves the door shut",
        module="dataset/door.py",
        changes=(
            (
                "            self._is_closed = door.is_held(tx, self._lease.dataset_id)\n"
                "        self.open()\n",
                "            self._is_closed = door.is_held(tx, self._lease.dataset_id)\n",
            ),
        ),
        tests=(f"{_DOOR}::test_a_new_owner_opens_what_a_dead_one_has_closed",),
    ),
    Mutant(
        name="memory goes on after an engine call has failed",
        module="dataset/service.py",
        changes=(("            self._failure = failure\n", ""),),
        tests=("tests/unit/dataset/test_failed_engine.py",),
    ),
)
