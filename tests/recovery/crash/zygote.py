"""Dies at the named points, one after the other: each life is a process of its own.

``python -m tests.recovery.crash.zygote FOLDER`` reads everything into memory once and forks for
each life, so a life costs what it does and not what it takes to start Python. Each line that it
reads is the points at which the lives of one story die: ``*:7`` dies at the seventh that is
reached, ``*:7 *:3`` does and dies again at the third that the next life reaches, ``outbox.sent:1``
dies when that point is reached; an empty line never dies. For each it writes a line of JSON that
says how the story has ended.
"""

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import structlog

from imm_ray import crash_point
from imm_ray.cluster.warmup import compile_kernels
from tests.recovery.crash import verdict
from tests.recovery.crash.story import Client


def live(folder: Path, at: str) -> None:
    """Live through the story; die at a point, if it comes to it."""
    countdown = crash_point.Countdown(at) if at else None
    names = os.open(folder / "points", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def watch(name: str) -> None:
        os.write(names, f"{name}\n".encode())
        if countdown is not None:
            countdown(name)

    with crash_point.watched(watch):
        client = Client(folder)
        client.go_on()
        client.expire()
        client.life.close()


def finish(folder: Path, deaths: int) -> None:
    """Live through what is left of the story, and write down what is wrong at its end."""
    client = Client(folder)
    client.go_on()
    wrong = list(verdict.findings(client, deaths))
    outcome = {"wrong": wrong, "partition": verdict.partition(client)}
    (folder / "outcome.json").write_text(json.dumps(outcome))
    client.life.close()


def in_a_process(run: Callable[[], None]) -> int:
    """Return the exit status of a process that runs a function."""
    child = os.fork()
    if child == 0:
        try:
            run()
        except BaseException:  # noqa: BLE001 - the process ends here, and says so by its status
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def play(folder: Path, deaths: Sequence[str]) -> dict[str, object]:
    """Return how the story ends whose lives die at these points."""
    folder.mkdir()
    statuses = [in_a_process(partial(live, folder, at)) for at in deaths or [""]]
    died = statuses.count(crash_point.EXIT_STATUS)
    ended = in_a_process(partial(finish, folder, died))
    outcome = folder / "outcome.json"
    found = json.loads(outcome.read_text()) if outcome.exists() else {"wrong": ["it did not end"]}
    points = (folder / "points").read_text().split()
    shutil.rmtree(folder)
    return {"deaths": deaths, "statuses": [*statuses, ended], "points": points, **found}


def main() -> None:
    """Play a story for each line that comes in."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    compile_kernels()
    for count, line in enumerate(sys.stdin):
        played = play(Path(sys.argv[1]) / str(count), line.split())
        sys.stdout.write(json.dumps(played) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
