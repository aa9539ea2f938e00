"""``python -m benchmarks clustering``: the parts of the clustering benchmark."""

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PARTS = {
    "peers": "comparison",
    "faces": "faces",
    "incremental": "incremental",
    "cost": "cost",
    "similar": "similar",
}
"""What can be measured, and the module beside this one whose ``run`` does it."""


def main(arguments: Sequence[str]) -> None:
    """Run the parts that ``arguments`` name, in the order of the table."""
    options = _parser().parse_args(arguments)
    for part, module in PARTS.items():
        if part in options.parts:
            more: dict[str, Any] = {}
            if part == "peers":
                more = {"sizes": options.size, "seeds": options.seeds}
            run = importlib.import_module(f"benchmarks.clustering.{module}").run
            run(options.data, quick=options.quick, out=options.out, **more)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks clustering",
        epilog="Needs the extras cpu (or gpu) and bench: pip install 'imm-ray[cpu,bench]'",
    )
    parser.add_argument(
        "--parts",
        type=_parts,
        default=list(PARTS),
        metavar="PART[,PART...]",
        help=f"of {', '.join(PARTS)}; default: all",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs="+",
        default=[20_000, 100_000],
        metavar="FACES",
        help="sizes of the synthetic samples of `peers`; default: 20000 100000",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[1],
        metavar="SEED",
        help="seeds of the synthetic samples of `peers`: each is measured; default: 1",
    )
    parser.add_argument("--quick", action="store_true", help="small samples: about a minute")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="labelled sets")
    parser.add_argument(
        "--out", type=Path, default=Path("build/benchmarks"), help="folder for the plots"
    )
    return parser


def _parts(names: str) -> list[str]:
    parts = names.split(",")
    if strange := [part for part in parts if part not in PARTS]:
        raise argparse.ArgumentTypeError(
            f"there is no part {strange[0]!r}: choose of {', '.join(PARTS)}"
        )
    return parts
