"""``python -m benchmarks NAME [...]``: run benchmarks and print one JSON line per result."""

import argparse
import importlib
import sys
from pathlib import Path

NAMES = {
    "ingest": "speed of indexing against a bare loop over the same files, in one run",
    "quality": "faces and near-duplicates through the official SDK, scored against the labels",
    "backup": "speed and size of a backup and its restore, and the memory that they take",
    "footprint": "seconds until ready, and the memory of an idle server",
}
"""Measurements without options of their own; several run one after the other."""

COMMANDS = {
    "calibrate": ("benchmarks.calibrate.command", "a model card's limits, from your pictures"),
    "chaos": ("benchmarks.chaos.command", "faults under load: lost, doubled, stuck, unavailable"),
    "fuzz": ("benchmarks.fuzz", "mutated requests to every action: what is answered, and memory"),
    "clustering": ("benchmarks.clustering.command", "quality and cost of the clustering engine"),
    "many": ("benchmarks.many", "10,000 datasets, 500 of them touched: time, memory, turns"),
    "conformance": ("benchmarks.conformance", "every action through every official client"),
    "hostile": ("benchmarks.hostile", "hostile pictures on the whole way: verdict, CPU, memory"),
    "soak": ("benchmarks.soak", "24 simulated hours: memory, handles, threads, rows, database"),
    "restart": ("benchmarks.restart.command", "seconds with a snapshot, without, and its cost"),
    "serving": ("benchmarks.serving.command", "requests a second, their times, and our share"),
    "mutants": ("benchmarks.mutants.command", "seeded bugs: which do the tests catch?"),
}
"""Measurements whose ``main(arguments)`` reads its own options: module and question."""


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        module, _ = COMMANDS[sys.argv[1]]
        importlib.import_module(module).main(sys.argv[2:])
        return
    questions = NAMES | {f"{name} [--help]": question for name, (_, question) in COMMANDS.items()}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        epilog="; ".join(f"{name}: {question}" for name, question in questions.items()),
    )
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="labelled sets")
    parser.add_argument("--quick", action="store_true", help="a part of each set")
    options = parser.parse_args()
    for name in options.names:
        importlib.import_module(f"benchmarks.{name}").run(options.data, quick=options.quick)


if __name__ == "__main__":
    main()
