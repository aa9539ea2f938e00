"""``python -m benchmarks NAME [...]``: run benchmarks and print one JSON line per result."""

import argparse
import importlib
from pathlib import Path

NAMES = {
    "ingest": "speed of indexing against a bare loop over the same files, in one run",
    "quality": "faces and near-duplicates through the official SDK, scored against the labels",
    "footprint": "seconds until ready, and the memory of an idle server",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        epilog="; ".join(f"{name}: {question}" for name, question in NAMES.items()),
    )
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="labelled sets")
    parser.add_argument("--quick", action="store_true", help="a part of each set")
    options = parser.parse_args()
    for name in options.names:
        importlib.import_module(f"benchmarks.{name}").run(options.data, quick=options.quick)


if __name__ == "__main__":
    main()
