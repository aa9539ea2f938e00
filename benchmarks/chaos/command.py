"""Faults of every kind against a server under load: nothing lost, nothing doubled, nothing stuck?

Real processes are killed and frozen by their ids at moments that the seed decides, while clients of
two accounts index, delete, cluster, merge, name, search and list over six datasets. One line of
JSON is printed for each kind of fault and one for the run; the exit code is 1 when anything was
lost, doubled, stuck or else not as promised.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.chaos.faults import FAULTS
from benchmarks.chaos.run import Plan, Report, faults_for, run
from benchmarks.result import report
from tests.postgres import PostgresServer


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=1, help="Ray nodes on this machine")
    parser.add_argument(
        "--postgres", action="store_true", help="a PostgreSQL of its own as the store, not SQLite"
    )
    parser.add_argument("--faults", nargs="+", choices=FAULTS, metavar="FAULT")
    parser.add_argument("--folder", type=Path, help="where everything is kept (an empty one)")
    options = parser.parse_args(arguments)
    folder = options.folder or Path(mkdtemp(prefix="imm-ray-chaos-"))
    print(f"seed {options.seed}, everything is kept in {folder}", file=sys.stderr)
    with ExitStack() as stack:
        server = stack.enter_context(closing(PostgresServer())) if options.postgres else None
        plan = Plan(
            folder=folder,
            seed=options.seed,
            seconds=options.minutes * 60,
            faults=options.faults or faults_for(options.nodes, store_server=options.postgres),
            nodes=options.nodes,
            store_url=server.url(server.create()) if server else "",
            restart_store=partial(_restart, server) if server else None,
        )
        found = run(plan)
    print_report(plan, found)
    if found.verdict.all():
        raise SystemExit(1)


def _restart(server: PostgresServer, down_s: float) -> None:
    server.stop("immediate")
    time.sleep(down_s)  # the fault itself: there is no database for so long
    server.start()


def print_report(plan: Plan, found: Report) -> None:
    """Print a line for each kind of fault, and one for all."""
    store = (plan.store_url or "sqlite").partition(":")[0]
    for name, figures in found.by_fault.items():
        number = FAULTS[name].number if name in FAULTS else ""
        report(
            "chaos",
            fault=name,
            number=number,
            seed=plan.seed,
            nodes=plan.nodes,
            store=store,
            **figures.figures(),
        )
    report(
        "chaos",
        fault="all",
        seed=plan.seed,
        nodes=plan.nodes,
        store=store,
        seconds=round(found.seconds),
        injected=sum(a.injected for name, a in found.by_fault.items() if name in FAULTS),
        requests=found.requests,
        poisoned_files=found.poisoned,
        server_lives=found.lives,
        load_average=round(os.getloadavg()[2], 1),
        **found.verdict.figures(),
    )
