"""What of the faults F1-F42 is injected where: the table ``benchmarks/results/faults.md``.

``python -m benchmarks.chaos.fault_table RESULTS.jsonl...`` writes it from results of chaos runs.
A unit test sees that every test that is named here exists.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "results" / "faults.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault of the list and where it is injected."""

    number: str
    fault: str
    injected: str
    """How; '' where it is not."""
    tests: tuple[str, ...] = ()
    """Tests as ``path`` or ``path::name``, from the folder ``tests``."""
    chaos: tuple[str, ...] = ()
    """Faults of `benchmarks.chaos.faults` by name."""
    reason: str = ""
    """Why there is no test, or what remains."""


KILL = "ray/test_kill.py::test_a_task_survives_each_process"
CHAOS = "chaos/test_storm.py::test_nothing_is_lost_in_a_storm"

ROWS = (
    Row("F1", "ingress replica SIGKILL", "SIGKILL of the replica", (KILL, CHAOS), ("ingress",)),
    Row("F2", "Serve proxy SIGKILL", "SIGKILL of the ProxyActor", (CHAOS,), ("proxy",)),
    Row("F3", "ServeController SIGKILL", "SIGKILL of the actor", (CHAOS,), ("controller",)),
    Row("F4", "embedder SIGKILL in a batch", "SIGKILL under load", (KILL, CHAOS), ("embedder",)),
    Row("F5", "owner SIGKILL", "SIGKILL of the OwnerActor", (KILL, CHAOS), ("owner",)),
    Row(
        "F6",
        "owner frozen, woken after its lease (split brain)",
        "SIGSTOP, another owner takes the dataset, SIGCONT",
        ("recovery/test_frozen.py", "recovery/test_fencing.py", CHAOS),
        ("frozen owner", "paused owner"),
    ),
    Row(
        "F7",
        "two owners forced",
        "two cluster generations on one database, also when the newer one dies",
        ("unit/store/test_ownership.py", "unit/dataset/test_host.py"),
        (),
        "two real Ray clusters are not started",
    ),
    Row("F8", "raylet lost", "SIGKILL of a node's processes", (), ("node",), "needs several nodes"),
    Row(
        "F9",
        "GCS / head killed",
        "SIGKILL of every process, and a start on the same data",
        ("ray/test_kill.py::test_everything_survives_the_death_of_everything",),
        ("machine",),
    ),
    Row(
        "F10",
        "Ray RPC lost",
        "RAY_testing_rpc_failure: requests and replies of PushTask, CreateActor, lease requests",
        (),
        ("lost calls",),
        "late calls (RAY_testing_asio_delay_us) not",
    ),
    Row(
        "F11",
        "PostgreSQL restart",
        "pg_ctl stop -m immediate, and a start 0-5 s later",
        ("unit/store/test_lost_connections.py",),
        ("database",),
    ),
    Row(
        "F12",
        "connection cut between COMMIT and its answer",
        "a TCP proxy that swallows the answer",
        ("unit/store/test_lost_connections.py",),
    ),
    Row("F13", "PostgreSQL failover", "", reason="no standby in the tests"),
    Row("F14", "slow fsync", "", reason="no shim that delays fsync"),
    Row(
        "F15",
        "fsync fails",
        "an LD_PRELOAD shim answers EIO",
        ("recovery/test_outage.py::test_what_could_not_be_synced_is_not_acknowledged",),
    ),
    Row(
        "F16",
        "disk full",
        "a small tmpfs; RLIMIT_FSIZE",
        ("recovery/test_outage.py", "recovery/test_snapshots.py"),
    ),
    Row(
        "F17",
        "data folder read-only",
        "remounted before the start; RLIMIT_FSIZE 0 while it runs",
        ("recovery/test_outage.py",),
    ),
    Row("F18", "power loss", "", reason="LazyFS is not built here; synchronous=FULL is set"),
    Row(
        "F19",
        "clock jump",
        "an injected clock, 20 minutes and a day either way",
        ("unit/runtime/test_clock_jumps.py", "unit/store/test_ownership.py"),
    ),
    Row(
        "F20",
        "notification endpoint fails",
        "500, hang, close, redirect, one after the other",
        (
            "ray/test_main_job.py::test_tasks_notify",
            "unit/runtime/test_dispatcher.py",
            "unit/notify/test_sender.py",
            CHAOS,
        ),
        ("inbox",),
    ),
    Row(
        "F21",
        "crash between send and mark",
        "the process ends at the point outbox.sent",
        (
            "unit/runtime/test_dispatcher.py::test_a_crash_loses_no_message",
            "recovery/test_every_crash_point.py",
        ),
    ),
    Row(
        "F22",
        "source fails or is slow",
        "a server that answers 404, 403, 500, too little, too much, nothing",
        ("unit/media/test_remote.py",),
    ),
    Row("F23", "source changed in mid-read", "", ("unit/media/test_remote.py",)),
    Row(
        "F24",
        "doorbell lost or doubled",
        "the steward, which rings again, is killed; each bell is rung thrice",
        (CHAOS,),
        ("steward", "doorbells"),
    ),
    Row(
        "F25",
        "client retry with the same nonce",
        "the signed bytes sent twice, in parallel and after a restart",
        ("security/test_replay.py",),
    ),
    Row(
        "F26",
        "client retry with a new nonce",
        "a client that dies with its server and asks again for what it has no answer to",
        ("recovery/test_every_crash_point.py",),
    ),
    Row(
        "F27",
        "kill between commit and answer",
        "the process ends at the point request.durable",
        ("recovery/test_every_crash_point.py",),
    ),
    Row(
        "F28",
        "torn snapshot",
        "files cut short, files of a crash in the middle",
        ("recovery/test_snapshots.py",),
    ),
    Row(
        "F29",
        "bit-flipped snapshot",
        "a byte of each file is flipped",
        ("recovery/test_snapshots.py::test_a_damaged_file_is_never_used",),
    ),
    Row(
        "F30",
        "foreign snapshot",
        "files of another dataset, model, limit or epoch; a link in the place of a file",
        ("recovery/test_snapshots.py",),
    ),
    Row(
        "F31",
        "model file damaged or missing",
        "a byte of a weight file is flipped",
        ("unit/embed/test_models.py",),
    ),
    Row(
        "F32",
        "NaN, infinite or zero vector",
        "an embedder that returns it",
        ("unit/dataset/test_health.py",),
    ),
    Row(
        "F33",
        "poisoned file in a batch",
        "441 hostile files among good ones; poison in every load; SIGKILL of the decoder child",
        ("hostile/test_corpus.py", "unit/media/test_decoder.py", CHAOS),
        ("decoder",),
    ),
    Row(
        "F34",
        "memory pressure",
        "RLIMIT_AS of the decoder child",
        ("unit/media/test_decoder.py",),
        (),
        "no cgroup limit on the whole service",
    ),
    Row("F35", "GPU lost", "", reason="no GPU code yet"),
    Row(
        "F36",
        "network slow or lossy",
        "sources: a server that trickles and cuts; database: a proxy that cuts",
        ("unit/media/test_remote.py", "unit/store/test_lost_connections.py"),
    ),
    Row(
        "F37",
        "SIGTERM during load",
        "SIGTERM and a start on the same data; draining owners",
        (
            "ray/test_life.py::test_a_signal_to_all_processes_at_once_stops_it_cleanly",
            "ray/test_owners.py",
            "unit/dataset/test_host.py",
        ),
        ("restart",),
        "no `serve deploy` every 20 s",
    ),
    Row(
        "F38",
        "upgrade from every schema",
        "databases of earlier schemas with rows; one of a newer schema",
        ("unit/store/test_migration.py", "cli/test_migrate.py"),
    ),
    Row(
        "F39",
        "10,000 datasets",
        "more datasets than places, requests while one leaves",
        ("unit/dataset/test_host.py", "unit/dataset/test_slots.py"),
        (),
        "the size itself: `python -m benchmarks many`",
    ),
    Row(
        "F40",
        "delete while indexing or clustering",
        "deletes, purges and re-creations among all other requests",
        (
            "unit/dataset/test_leaving.py",
            "recovery/test_purge.py",
            CHAOS,
        ),
    ),
    Row("F41", "disk of the logs full", "", reason="logs are Ray's; no test fills their disk"),
    Row(
        "F42",
        "handles, threads, processes used up",
        "RLIMIT_NOFILE",
        ("recovery/test_outage.py::test_too_few_file_handles_refuse_and_recover",),
        (),
        "RLIMIT_NPROC not",
    ),
)


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """Return the table in Markdown, with what chaos runs have found."""
    runs = [result for result in results if result.get("benchmark") == "chaos"]
    head = [
        "# Faults F1-F42: where each is injected, and what came of it",
        "",
        "Written by `python -m benchmarks.chaos.fault_table` from the results of chaos runs: how "
        "often a fault was injected under load, and the longest time without an answered read, "
        "write and question (one that needs an owner), in seconds.",
        "",
        *_totals(runs),
        "",
        "| # | fault | injected how | tests | chaos | times | no read | no write | no question "
        "| not done |",
        "|---|---|---|---|---|---:|---:|---:|---:|---|",
    ]
    return "\n".join([*head, *(_line(row, runs) for row in ROWS), ""])


def _totals(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"- {run['store']}, {run['nodes']} Ray node(s), seed {run['seed']}, {run['seconds']} s: "
        f"{run['injected']} faults, {run['requests']} requests, {run['lost']} lost, "
        f"{run['doubled']} doubled, {run['stuck']} stuck, {run['violations']} other violations; "
        f"{run['machine']}, load {run.get('load_average', 'above 10: others used the cores too')}."
        for run in runs
        if run["fault"] == "all"
    ]


def _line(row: Row, runs: Sequence[Mapping[str, Any]]) -> str:
    mine = [run for run in runs if run["fault"] in row.chaos]
    times = sum(run["injected"] for run in mine)
    worst = [
        f"{max(run[f'longest_without_{kind}_s'] for run in mine):.1f}" if mine else ""
        for kind in ("read", "write", "ask")
    ]
    tests = ", ".join(f"`{test}`" for test in row.tests)
    cells = (
        *(row.number, row.fault, row.injected, tests, ", ".join(row.chaos)),
        *(str(times) if mine else "", *worst, row.reason),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    results = [
        json.loads(line) for path in sys.argv[1:] for line in Path(path).read_text().splitlines()
    ]
    TABLE.write_text(table(results))


if __name__ == "__main__":
    main()
