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


_WORK = "in work"
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
        (CHAOS,),
        ("frozen owner", "paused owner"),
    ),
    Row("F7", "two owners forced", "", reason=_WORK),
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
    Row("F13", "PostgreSQL failover", "", reason=_WORK),
    Row("F14", "slow fsync", "", reason=_WORK),
    Row("F15", "fsync fails", "", reason=_WORK),
    Row("F16", "disk full", "", reason=_WORK),
    Row("F17", "data folder read-only", "", reason=_WORK),
    Row("F18", "power loss", "", reason="LazyFS is not built here; synchronous=FULL is set"),
    Row("F19", "clock jump", "", reason=_WORK),
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
    Row("F21", "crash between send and mark", "", reason=_WORK),
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
    Row("F26", "client retry with a new nonce", "", reason=_WORK),
    Row("F27", "kill between commit and answer", "", ("recovery/test_crash.py",), (), _WORK),
    Row("F28", "torn snapshot", "", reason=_WORK),
    Row("F29", "bit-flipped snapshot", "", reason=_WORK),
    Row("F30", "foreign snapshot", "", reason=_WORK),
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
        "F36", "network slow or lossy", "", ("unit/media/test_remote.py",), (), "database: " + _WORK
    ),
    Row(
        "F37",
        "SIGTERM during load",
        "SIGTERM and a start on the same data",
        ("ray/test_life.py::test_a_signal_to_all_processes_at_once_stops_it_cleanly",),
        ("restart",),
    ),
    Row("F38", "upgrade from every schema", "", ("unit/store/test_migration.py",)),
    Row("F39", "10,000 datasets", "", reason=_WORK),
    Row(
        "F40",
        "delete while indexing or clustering",
        "deletes and re-creations among all other requests",
        ("unit/dataset/test_leaving.py", "recovery/test_purge.py", CHAOS),
        (),
        _WORK,
    ),
    Row("F41", "disk of the logs full", "", reason=_WORK),
    Row("F42", "handles, threads, processes used up", "", reason=_WORK),
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
