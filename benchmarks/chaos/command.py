"""Faults of every kind against a server under load: nothing lost, nothing doubled, nothing stuck?

Real processes are killed and frozen by their ids at moments that the seed decides, while clients of
two accounts index, delete, cluster, merge, name, search and list over six datasets. One line of
JSON is printed for each kind of fault and one for the run; the exit code is 1 when anything was
lost, doubled, stuck or else not as promised.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.chaos.faults import FAULTS
from benchmarks.chaos.run import Plan, Report, faults_for, run
from benchmarks.result import report


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=1, help="Ray nodes on this machine")
    parser.add_argument("--store", default="", help="SQLAlchemy URL; '' = SQLite in the folder")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, metavar="FAULT")
    parser.add_argument("--folder", type=Path, help="where everything is kept (an empty one)")
    options = parser.parse_args(arguments)
    folder = options.folder or Path(mkdtemp(prefix="imm-ray-chaos-"))
    print(f"seed {options.seed}, everything is kept in {folder}", file=sys.stderr)
    plan = Plan(
        folder=folder,
        seed=options.seed,
        seconds=options.minutes * 60,
        faults=options.faults or faults_for(options.nodes),
        nodes=options.nodes,
        store_url=options.store,
    )
    found = run(plan)
    print_report(plan, found)
    if found.verdict.all():
        raise SystemExit(1)


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
        **found.verdict.figures(),
    )
