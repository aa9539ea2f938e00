"""Seeded bugs: snapshots, backups, what is left of the deleted."""

from benchmarks.mutants.mutant import Mutant

_SNAPSHOTS = "tests/recovery/test_snapshots.py"
_BACKUP = "tests/unit/store/test_backup.py"

KEEPING = (
    Mutant(
        name="a snapshot is recorded before its files are stored",
        module="dataset/snapshot/keeper.py",
        changes=(
            (
                "        self._writer.put(name, data)\n        yield from self._writer.settled()\n",
                "        self._writer.put(name, data)\n",
            ),
        ),
        tests=("tests/recovery/test_snapshot_order.py",),
    ),
    Mutant(
        name="a damaged segment is read",
        module="dataset/snapshot/loader.py",
        changes=(("        if digest(data) != segment.sha256:\n", "        if not data:\n"),),
        tests=(f"{_SNAPSHOTS}::test_a_damaged_file_is_never_used",),
    ),
    Mutant(
        name="a fenced owner deletes the snapshots of its successor",
        module="dataset/snapshot/keeper.py",
        changes=((" and int(epoch) <= self._around.lease.epoch", ""),),
        tests=(f"{_SNAPSHOTS}::test_what_a_crash_left_half_written_goes_with_the_next_snapshot",),
    ),
    Mutant(
        name="a restore keeps old owners alive",
        module="store/backup/restore.py",
        changes=(
            (
                '            "epoch": to_microseconds(self.now) // 1_000,\n',
                '            "epoch": 0,\n',
            ),
        ),
        tests=(f"{_BACKUP}::test_an_owner_of_the_time_before_commits_nothing",),
    ),
    Mutant(
        name="what was deleted stays in histories",
        module="store/erasure/scrub.py",
        changes=(
            (
                "= _scrub_events(database, dataset_id) + _scrub_edits(database, dataset_id)",
                "= 0",
            ),
        ),
        tests=(
            "tests/recovery/test_erasure.py::test_ordinary_deletes_are_complete_after_the_next_compaction",
        ),
    ),
)
