"""The seeded bugs, by what they take away."""

from benchmarks.mutants.mutant import Mutant

_ENGINE = "tests/unit/dataset/test_engine.py"
_FENCED = f"{_ENGINE}::test_a_fenced_owner_commits_nothing"
_EPOCHS = "tests/recovery/test_fencing.py"
_LAPSED = "test_a_lapsed_lease_is_taken_over_by_an_older_cluster_and_a_held_one_is_not"
_WRITER = "tests/unit/store/test_writer.py"
_PUBLISH = "tests/unit/store/test_publish.py"
_REPLAY = "tests/security/test_replay.py"
_DISPATCHER = "tests/unit/runtime/test_dispatcher.py"
_PURGE = "tests/recovery/test_purge.py"
_DOOR = "tests/unit/dataset/test_door.py"
_SPLITS = "tests/unit/dataset/test_splits.py"
_CRASH = "tests/recovery/test_crash.py"


def _older(name: str) -> str:
    """Return the test of one write under an older epoch."""
    return f"{_EPOCHS}::test_an_owner_of_an_older_epoch_writes_nothing[{name}]"


FENCING = (
    Mutant(
        name="results are committed without the epoch",
        module="store/results.py",
        changes=(("    check(tx, lease)\n    accepted = [", "    accepted = ["),),
        tests=(_older("results"),),
    ),
    Mutant(
        name="the end of a cluster is staged without the epoch",
        module="store/lineage.py",
        changes=(
            (
                "    check(tx, lease)\n    c, r = tables.cluster, tables.retired_cluster\n    h",
                "    c, r = tables.cluster, tables.retired_cluster\n    h",
            ),
        ),
        tests=(_older("ends"),),
    ),
    Mutant(
        name="places are staged without the epoch",
        module="store/staging.py",
        changes=(
            (
                "    check(tx, lease)\n    m, f = tables.membership, tables.file\n",
                "    m, f = tables.membership, tables.file\n",
            ),
        ),
        tests=(_older("places"),),
    ),
    Mutant(
        name="states are staged without the epoch",
        module="store/staging.py",
        changes=(
            (
                "    check(tx, lease)\n    c, s = tables.cluster, tables.cluster_state\n    fresh",
                "    c, s = tables.cluster, tables.cluster_state\n    fresh",
            ),
        ),
        tests=(_older("states"),),
    ),
    Mutant(
        name="a lease is released without the epoch",
        module="store/ownership.py",
        changes=(
            (
                "    check(tx, lease)\n    o = tables.ownership\n    tx.execute(update(o)",
                "    o = tables.ownership\n    tx.execute(update(o)",
            ),
        ),
        tests=(_older("release"),),
    ),
    Mutant(
        name="an older epoch is accepted",
        module="store/ownership.py",
        changes=(("    if epoch != lease.epoch:", "    if epoch < lease.epoch:"),),
        tests=(_FENCED,),
    ),
    Mutant(
        name="a new owner keeps the epoch",
        module="store/ownership.py",
        changes=(("epoch=o.c.epoch + 1", "epoch=o.c.epoch"),),
        tests=(_FENCED,),
    ),
    Mutant(
        name="an older cluster takes over at once",
        module="store/ownership.py",
        changes=(("(o.c.generation <= generation) |", "(o.c.generation >= 0) |"),),
        tests=(f"{_ENGINE}::test_an_older_generation_waits_for_the_lease",),
    ),
    Mutant(
        name="a lapsed lease is never taken over",
        module="store/ownership.py",
        changes=(("func.coalesce(o.c.lease_until, 0.0) < now", "o.c.lease_until > now + 1e6"),),
        tests=(f"{_EPOCHS}::{_LAPSED}",),
    ),
    Mutant(
        name="a cluster starts with the number of another",
        module="store/constants.py",
        changes=(('int(_get(tx, "generation") or 0) + 1', 'int(_get(tx, "generation") or 1)'),),
        tests=(f"{_WRITER}::test_generations_only_rise_and_the_secret_stays",),
    ),
)

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
        name="a deleted file stays in its clusters' counts",
        module="store/files.py",
        changes=(("    departures.leave_clusters(tx, dataset_id, now, file_ids=file_ids)\n", ""),),
        tests=(f"{_ENGINE}::test_a_cluster_shrinks_and_dissolves_with_its_files",),
    ),
    Mutant(
        name="a start does not settle the deletes before it",
        module="dataset/engine.py",
        changes=(("        if deleted:\n            self._settle_deletes()\n", ""),),
        points=("files.delete_written", "request.durable"),
        tests=("tests/recovery/test_forgotten_deletes.py",),
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
        tests=(f"{_CRASH}::test_every_transaction_may_be_the_last",),
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
        name="a cluster that an edit waits for is swept",
        module="store/staging.py",
        changes=(("    gone = found - spared\n", "    gone = found\n"),),
        tests=("tests/unit/dataset/test_publisher.py", _SPLITS),
    ),
    Mutant(
        name="memory goes on after an engine call has failed",
        module="dataset/service.py",
        changes=(("            self._failure = failure\n", ""),),
        tests=("tests/unit/dataset/test_service.py",),
    ),
)

ANSWERS = (
    Mutant(
        name="a request is answered before its commit",
        module="store/writer.py",
        changes=(
            (
                "                    outcomes.append((write, *_attempt(tx, write.run)))\n",
                "                    outcomes.append((write, *_attempt(tx, write.run)))\n"
                "                    if outcomes[-1][2] is None:\n"
                "                        write.done.set_result(outcomes[-1][1])\n",
            ),
            (
                "            if failure is None:\n                write.done.set_result(result)\n",
                "            if failure is None:\n                pass\n",
            ),
        ),
        tests=(f"{_WRITER}::test_a_commit_that_fails_fails_every_write_of_its_group",),
    ),
    Mutant(
        name="a refused write is half kept",
        module="store/writer.py",
        changes=(
            (
                "        with tx.begin_nested():\n            return run(tx), None\n",
                "        return run(tx), None\n",
            ),
        ),
        tests=(f"{_WRITER}::test_a_write_that_fails_takes_no_other_with_it",),
    ),
    Mutant(
        name="a lost transaction is taken for a commit",
        module="store/writer.py",
        changes=(("                    require_open(tx)\n", ""),),
        tests=(f"{_WRITER}::test_a_full_disk_acknowledges_nothing_that_is_lost",),
    ),
    Mutant(
        name="the nonce of a write is not stored",
        module="api/service.py",
        changes=(
            (
                "            self._use_nonce(tx, verified.identity, verified.call.now)\n"
                "            return verified.run",
                "            return verified.run",
            ),
        ),
        tests=(f"{_REPLAY}::test_of_many_at_once_one_works",),
    ),
    Mutant(
        name="a nonce is forgotten while it could be sent again",
        module="store/nonces.py",
        changes=(("timedelta(minutes=31)", "timedelta(minutes=16)"),),
        tests=(f"{_REPLAY}::test_it_is_remembered_as_long_as_it_could_be_sent",),
    ),
)

MESSAGES = (
    Mutant(
        name="a message is marked before it is sent",
        module="runtime/dispatcher.py",
        changes=(
            (
                '            reached("outbox.read")\n            sender.send(message)\n',
                "            with self._database.write() as tx:\n"
                "                outbox.delivered(tx, message.message_id)\n"
                '            reached("outbox.read")\n            sender.send(message)\n',
            ),
        ),
        tests=(_DISPATCHER,),
        points=("outbox.read",),
    ),
    Mutant(
        name="a message that could not be sent is forgotten",
        module="runtime/dispatcher.py",
        changes=(
            (
                "            self._put_off(waiting, error)\n            return False\n",
                "            self._put_off(waiting, error)\n",
            ),
        ),
        tests=(_DISPATCHER,),
    ),
    Mutant(
        name="the end of a task is told in no transaction of its own",
        module="store/tasks.py",
        changes=(
            (
                '    outbox.put(tx, notices(task), now)\n    reached("task.told")\n',
                '    reached("task.told")\n',
            ),
        ),
        tests=(f"{_ENGINE}::test_the_end_of_a_task_and_its_message_are_one_transaction",),
    ),
    Mutant(
        name="a request waits for ever for a revision that was overtaken",
        module="store/requests.py",
        changes=(("r.c.revision <= revision, r.c.done", "r.c.revision == revision, r.c.done"),),
        tests=("tests/unit/store/test_overtaken_requests.py",),
    ),
    Mutant(
        name="the requests of a purged dataset are not answered",
        module="store/requests.py",
        changes=(
            (
                "    for event_id in events:\n"
                "        outbox.put(tx, notices(_finished(tx, event_id, now)), now)\n"
                "    tx.execute(delete(r)",
                "    tx.execute(delete(r)",
            ),
        ),
        tests=(f"{_PURGE}::test_tasks_fail_and_everything_that_waits_is_told",),
    ),
    Mutant(
        name="a file of a topic is not synced",
        module="notify/sender.py",
        changes=(("                os.fsync(file.fileno())\n", ""),),
        tests=("tests/unit/notify/test_synced_topic.py",),
    ),
)

PURGES = (
    Mutant(
        name="a purged dataset keeps its owner",
        module="store/purge.py",
        changes=(("    tx.execute(delete(o).where(o.c.dataset_id == dataset_id))\n", ""),),
        tests=(f"{_PURGE}::test_the_owner_of_a_marked_dataset_ends_and_writes_nothing",),
    ),
    Mutant(
        name="the tasks of a purged dataset run for ever",
        module="store/purge.py",
        changes=(
            ("    if _end_tasks(tx, dataset_id, now, task_notices):\n", "    if not dataset_id:\n"),
        ),
        tests=(f"{_PURGE}::test_tasks_fail_and_everything_that_waits_is_told",),
    ),
    Mutant(
        name="a task that runs expires",
        module="store/tasks.py",
        changes=(
            (
                ".where(t.started_at < alive_since, t.status != TaskStatus.RUNNING)",
                ".where(t.started_at < alive_since)",
            ),
        ),
        tests=("tests/unit/runtime/test_purge.py",),
    ),
    Mutant(
        name="a commit does not wait for the disk",
        module="store/database.py",
        changes=(('"NORMAL" if relaxed else "FULL"', '"NORMAL" if relaxed else "OFF"'),),
        tests=("tests/unit/store/test_durable.py",),
    ),
    Mutant(
        name="a deleted vector stays readable on the disk",
        module="store/database.py",
        changes=(
            ('        "secure_delete=ON",  # vectors', '        "secure_delete=OFF",  # vectors'),
        ),
        tests=("tests/unit/store/test_durable.py",),
    ),
)

MUTANTS = (*FENCING, *REVISIONS, *RUNS, *ANSWERS, *MESSAGES, *PURGES)
