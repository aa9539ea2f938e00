"""Seeded bugs: answers to clients, messages, purged datasets."""

from benchmarks.mutants.mutant import Mutant

_ENGINE = "tests/unit/dataset/test_engine.py"
_WRITER = "tests/unit/store/test_writer.py"
_LOST = "tests/unit/store/test_lost_connections.py"
_REPLAY = "tests/security/test_replay.py"
_DISPATCHER = "tests/unit/runtime/test_dispatcher.py"
_PURGE = "tests/recovery/test_purge.py"

ANSWERS = (
    Mutant(
        name="a request is answered before its commit",
        module="store/writer.py",
        changes=(
            (
                "                outcomes.append(self._attempt(tx, write))\n",
                "                outcomes.append(self._attempt(tx, write))\n"
                "                if outcomes[-1].failure is None:\n"
                "                    write.done.set_result(outcomes[-1].result)\n",
            ),
            (
                "                outcome.write.done.set_result(outcome.result)\n",
                "                pass\n",
            ),
        ),
        tests=(f"{_WRITER}::test_a_commit_that_fails_fails_every_write_of_its_group",),
    ),
    Mutant(
        name="a refused write is half kept",
        module="store/writer.py",
        changes=(
            (
                "            with tx.begin_nested():\n"
                "                return _Outcome(write, write.run(tx), None)\n",
                "            return _Outcome(write, write.run(tx), None)\n",
            ),
        ),
        tests=("tests/unit/store/test_half_writes.py",),
    ),
    Mutant(
        name="a lost transaction is taken for a commit",
        module="store/sqlite.py",
        changes=(
            (
                "    return bool(connection.connection.in_transaction)\n",
                "    return connection.connection.in_transaction is not None\n",
            ),
        ),
        tests=(f"{_WRITER}::test_a_full_disk_acknowledges_nothing_that_is_lost",),
    ),
    Mutant(
        name="the nonce of a write is not stored",
        module="api/service.py",
        changes=(
            (
                "            self._use_nonce(tx, verified.identity, verified.call.now)\n"
                "            verified.take_turn(tx)\n",
                "            verified.take_turn(tx)\n",
            ),
        ),
        tests=(f"{_REPLAY}::test_of_many_at_once_one_works",),
    ),
    Mutant(
        name="a nonce is forgotten while it could be sent again",
        module="store/nonces.py",
        changes=(("timedelta(minutes=31)", "timedelta(minutes=16)"),),
        tests=("tests/unit/runtime/test_purge_nonces.py",),
    ),
    Mutant(
        name="a transaction is not signed",
        module="store/writer.py",
        changes=(("                self._receipts.sign(tx)\n", "                pass\n"),),
        tests=(f"{_LOST}::test_a_commit_whose_answer_is_lost_happens_once_and_is_told",),
    ),
    Mutant(
        name="a request of before a restore is accepted",
        module="api/service.py",
        changes=(("since=self._signed_from)", "since=None)"),),
        tests=("tests/security/test_restored.py",),
    ),
)

MESSAGES = (
    Mutant(
        name="a message is marked before it is sent",
        module="runtime/dispatcher.py",
        changes=(
            (
                '            reached("outbox.read")\n            try:\n',
                "            sent = message.message_id\n"
                "            await self._write(lambda tx: outbox.delivered(tx, sent))\n"
                '            reached("outbox.read")\n'
                "            try:\n",
            ),
        ),
        tests=(f"{_DISPATCHER}::test_a_crash_loses_no_message",),
        points=("outbox.read",),
    ),
    Mutant(
        name="a message that could not be sent is forgotten",
        module="runtime/dispatcher.py",
        changes=(
            (
                "                await self._put_off(endpoint, waiting, error)\n"
                "                return False\n",
                "                await self._put_off(endpoint, waiting, error)\n",
            ),
        ),
        tests=(f"{_DISPATCHER}::test_a_failed_message_waits_and_does_not_hold_up_others",),
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
        module="notify/journal.py",
        changes=(
            (
                '        os.fsync(file)\n        reached("topic_file.synced")\n',
                '        reached("topic_file.synced")\n',
            ),
        ),
        tests=("tests/unit/notify/test_synced_topic.py",),
    ),
    Mutant(
        name="no message is ever given up",
        module="notify/backoff.py",
        changes=(
            (
                "    if age >= timedelta(seconds=settings.give_up_after_s):\n",
                "    if age < timedelta():\n",
            ),
        ),
        tests=("tests/unit/notify/test_sender.py::test_there_is_no_retry_after_a_day",),
    ),
)

PURGES = (
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
        module="store/sqlite.py",
        changes=(('"NORMAL" if relaxed else "FULL"', '"NORMAL" if relaxed else "OFF"'),),
        tests=("tests/unit/store/test_durable.py",),
    ),
    Mutant(
        name="a deleted vector stays readable on the disk",
        module="store/sqlite.py",
        changes=(
            ('        "secure_delete=ON",  # vectors', '        "secure_delete=OFF",  # vectors'),
        ),
        tests=("tests/unit/store/test_durable.py",),
    ),
)
