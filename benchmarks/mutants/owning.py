"""Seeded bugs: who may write, and who does a chore."""

from benchmarks.mutants.mutant import Mutant

_ENGINE = "tests/unit/dataset/test_engine.py"
_FENCED = f"{_ENGINE}::test_a_fenced_owner_commits_nothing"
_EPOCHS = "tests/recovery/test_fencing.py"
_OWNERSHIP = "tests/unit/store/test_ownership.py"
_LEASES = "tests/unit/dataset/test_leases.py"
_WRITER = "tests/unit/store/test_writer.py"
_DISPATCHER = "tests/unit/runtime/test_dispatcher.py"


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
        name="a lease is released without the epoch",
        module="store/ownership.py",
        changes=(
            (
                "def _leave(tx: Tx, lease: Lease, *, lease_until: float | None) -> None:\n"
                "    check(tx, lease)\n",
                "def _leave(tx: Tx, lease: Lease, *, lease_until: float | None) -> None:\n",
            ),
        ),
        tests=(_older("release"),),
    ),
    Mutant(
        name="an older epoch is accepted",
        module="store/ownership.py",
        changes=(("    if held.epoch == lease.epoch:", "    if held.epoch >= lease.epoch:"),),
        tests=(_FENCED,),
    ),
    Mutant(
        name="a new owner keeps the epoch",
        module="store/ownership.py",
        changes=(
            ("            epoch=held.epoch + 1,\n", "            epoch=held.epoch,\n"),
            (
                "    return Lease(dataset_id, held.epoch + 1, generation)",
                "    return Lease(dataset_id, held.epoch, generation)",
            ),
        ),
        tests=(_FENCED,),
    ),
    Mutant(
        name="an older cluster takes over at once",
        module="store/ownership.py",
        changes=(
            (
                "    if held.generation > generation and not _is_free(held, watch):",
                "    if held.generation > generation and not held.host:",
            ),
        ),
        tests=(f"{_OWNERSHIP}::test_it_does_not_while_the_newer_renews",),
    ),
    Mutant(
        name="a lapsed lease is never taken over",
        module="dataset/opening.py",
        changes=(("self._generation, watch=self._watch\n", "self._generation\n"),),
        tests=("tests/unit/dataset/test_takeover.py",),
    ),
    Mutant(
        name="a cluster starts with the number of another",
        module="store/constants.py",
        changes=(
            (
                "raise_generation(tx, generation(tx) + 1)",
                "raise_generation(tx, max(generation(tx), 1))",
            ),
        ),
        tests=(f"{_WRITER}::test_generations_only_rise_and_the_secret_stays",),
    ),
    Mutant(
        name="a renewal is not counted",
        module="store/ownership.py",
        changes=(
            (
                "            o.c.lease_until > 0,\n"
                "        )\n"
                "        .values(lease_until=DatabaseTime() + LEASE_S, renewals=o.c.renewals + 1)",
                "            o.c.lease_until > 0,\n"
                "        )\n"
                "        .values(lease_until=DatabaseTime() + LEASE_S)",
            ),
        ),
        tests=(f"{_OWNERSHIP}::test_it_does_not_while_the_newer_renews",),
    ),
    Mutant(
        name="who was fenced is not told",
        module="dataset/leases.py",
        changes=(
            (
                "                self._lose(held, loss)\n",
                "                self._renewed(held, begun)\n",
            ),
        ),
        tests=(f"{_LEASES}::test_who_has_lost_a_dataset_is_told_once_and_the_others_are_renewed",),
    ),
    Mutant(
        name="an outage is taken for a failure",
        module="store/outage.py",
        changes=(
            (
                "if isinstance(error, DatabaseAway) else outage_of(error)",
                "if isinstance(error, DatabaseAway) else None",
            ),
        ),
        tests=(
            "tests/recovery/test_given_up.py::test_a_store_that_is_away_is_nobodys_failure",
            "tests/recovery/test_outage.py::test_an_owner_waits_for_space_and_goes_on_without_a_restart",
        ),
    ),
    Mutant(
        name="who has lost a duty goes on",
        module="runtime/duty.py",
        changes=(
            (
                "        self._shown_at = shown_at\n        return mine\n",
                "        self._shown_at = shown_at\n        return mine or self._is_mine\n",
            ),
        ),
        tests=(
            f"{_DISPATCHER}::test_one_dispatcher_delivers_and_another_takes_over_when_it_is_silent",
        ),
    ),
)
