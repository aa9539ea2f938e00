"""Are seeded bugs in the durability code caught?

The tree is copied to a temporary folder once; each bug is seeded there, the tests that are named
for it run until one fails, and the module is put back. A mutant that no test notices survives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.mutants.catalogue import MUTANTS
from benchmarks.mutants.mutant import STORY, Mutant
from benchmarks.result import report

_ROOT = Path(__file__).parents[2]
_COPIED = ("imm_ray", "tests", "benchmarks", "pyproject.toml")
_MOST_S = 600.0
_FAILED = 1


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks mutants", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--goal", type=int, default=0, help="fail when fewer are caught")
    options = parser.parse_args(arguments)
    mutants = [mutant for mutant in MUTANTS if options.only in mutant.name]
    for mutant in mutants:
        mutant.check(_ROOT / "imm_ray")
    caught = 0
    with TemporaryDirectory() as folder:
        copy = _copied(Path(folder))
        for mutant in mutants:
            begun = time.perf_counter()
            by = _caught_by(copy, mutant)
            caught += by is not None
            seconds = round(time.perf_counter() - begun)
            report("mutants", mutant=mutant.name, module=mutant.module, by=by, seconds=seconds)
    report("mutants", mutants=len(mutants), caught=caught)
    if caught < options.goal:
        raise SystemExit(1)


def _copied(to: Path) -> Path:
    """Return a copy of what the tests need, with the kernels that are compiled already."""
    for name in _COPIED:
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            shutil.copy2(source, to / name)
    return to


def _caught_by(copy: Path, mutant: Mutant) -> str | None:
    """Return the tests that notice a mutant, None when all pass."""
    module = copy / "imm_ray" / mutant.module
    healthy = module.read_text()
    module.write_text(mutant.applied(healthy))
    try:
        return next((tests for tests, env in _runs(mutant) if _fails(copy, tests, env)), None)
    finally:
        module.write_text(healthy)


def _runs(mutant: Mutant) -> Iterator[tuple[str, dict[str, str]]]:
    yield from ((tests, {}) for tests in mutant.tests)
    if mutant.points:
        yield STORY, {"IMM_RAY_CRASH_POINTS": ",".join(mutant.points)}


def _fails(copy: Path, tests: str, env: dict[str, str]) -> bool:
    """Return whether a test fails; one that hangs does.

    Raises
    ------
    RuntimeError
        There is no such test, or it could not be run at all.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", tests]
    more = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env={**os.environ, **more, **env},
            capture_output=True,
            text=True,
            timeout=_MOST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in (0, _FAILED):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}")
    return done.returncode == _FAILED


if __name__ == "__main__":
    main(sys.argv[1:])
