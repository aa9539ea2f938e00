"""Are seeded bugs in the durability code caught?

The tree is copied to a temporary folder once; each bug is seeded there, the tests that are named
for it run until one fails, and the module is put back. A mutant that no test notices survives.
Before that all these tests run where nothing is seeded, and have to pass: one that fails anyway
catches nothing. The tests run in a process that is forked from this one, in which what they import
from others is loaded already.
"""

import argparse
import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import pytest

from benchmarks.mutants.catalogue import MUTANTS
from benchmarks.mutants.mutant import STORY, Mutant
from benchmarks.result import report

_ROOT = Path(__file__).parents[2]
_COPIED = ("imm_ray", "tests", "benchmarks", "pyproject.toml")
_MOST_S = 600.0
_POLL_S = 0.1
_FAILED, _BROKEN, _HUNG = 1, 70, -9
_LOG, _POINTS = "pytest.log", "IMM_RAY_CRASH_POINTS"
_OURS = {"imm_ray", "tests", "benchmarks"}
_SLOW_TO_LOAD = ("alembic", "httpx", "numba", "pydantic", "sqlalchemy", "structlog")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks mutants", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--goal", type=int, default=0, help="fail when fewer are caught")
    options = parser.parse_args(arguments)
    mutants = [mutant for mutant in MUTANTS if options.only in mutant.name]
    for mutant in mutants:
        mutant.check(_ROOT / "imm_ray")
    for name in _SLOW_TO_LOAD:
        importlib.import_module(name)
    caught = 0
    with TemporaryDirectory() as folder:
        copy = _copied(Path(folder))
        _require_sound(copy, mutants)
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


def _require_sound(copy: Path, mutants: Sequence[Mutant]) -> None:
    """Return when all tests pass without any bug.

    Raises
    ------
    RuntimeError
    """
    tests = dict.fromkeys(test for mutant in mutants for test in mutant.tests)
    points = dict.fromkeys(point for mutant in mutants for point in mutant.points)
    story = [STORY] if points else []
    for some, env in ((list(tests), {}), (story, {_POINTS: ",".join(points)})):
        if some and _fails(copy, some, env):
            log = (copy / _LOG).read_text()
            raise RuntimeError(f"tests fail though nothing is seeded: {log[-2000:]}")


def _caught_by(copy: Path, mutant: Mutant) -> str | None:
    """Return the tests that notice a mutant, None when all pass."""
    module = copy / "imm_ray" / mutant.module
    healthy = module.read_text()
    module.write_text(mutant.applied(healthy))
    try:
        return next((tests for tests, env in _runs(mutant) if _fails(copy, [tests], env)), None)
    finally:
        module.write_text(healthy)


def _runs(mutant: Mutant) -> Iterator[tuple[str, dict[str, str]]]:
    yield from ((tests, {}) for tests in mutant.tests)
    if mutant.points:
        yield STORY, {_POINTS: ",".join(mutant.points)}


def _fails(copy: Path, tests: Sequence[str], env: dict[str, str]) -> bool:
    """Return whether a test fails; one that hangs does.

    Raises
    ------
    RuntimeError
        There is no such test, or it could not be run at all.
    """
    log = copy / _LOG
    child = os.fork()
    if child == 0:
        try:
            _run_there(copy, tests, {**env, "PYTHONPATH": str(copy)}, log)
        finally:  # whatever happens, this process does not go on as the one that it came from
            traceback.print_exc()
            os._exit(_BROKEN)
    status = _waited(child)
    if status not in (0, _FAILED, _HUNG):
        raise RuntimeError(f"pytest ended with {status}: {log.read_text()[-2000:]}")
    return status != 0


def _run_there(copy: Path, tests: Sequence[str], env: dict[str, str], log: Path) -> NoReturn:
    """Run pytest in this process, on the modules of the copy, and end the process."""
    os.environ.update(env)
    os.chdir(copy)
    for name in [name for name in sys.modules if name.split(".")[0] in _OURS]:
        del sys.modules[name]
    sys.path[:] = [str(copy), *(path for path in sys.path if path not in ("", str(_ROOT)))]
    sys.dont_write_bytecode = True
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))


def _waited(child: int) -> int:
    """Return the exit status of a process, `_HUNG` when it had to be killed."""
    deadline = time.monotonic() + _MOST_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_POLL_S)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return _HUNG


if __name__ == "__main__":
    main(sys.argv[1:])
