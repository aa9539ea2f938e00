"""What is done to the server, each fault by a name that the table of faults knows."""

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import psutil

from benchmarks.chaos.inbox import MOODS, WORKING, Inbox
from benchmarks.chaos.server import Server
from benchmarks.chaos.usurper import Usurper

_FIND_S = 30.0
FROZEN_S = 12.0
"""Longer than a lease (10 s)."""
_PAUSED_S = 3.0


@dataclass(frozen=True, slots=True)
class Field:
    """What a fault can reach."""

    server: Server
    inbox: Inbox
    usurper: Usurper
    chance: Random
    restart_store: Callable[[float], None] | None = None
    """Stops the database server as a crash would, and starts it after so many seconds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault; ``inject`` returns when it is over on our side."""

    name: str
    number: str
    """Its number in the list of faults, F1-F42."""
    inject: Callable[[Field], None]
    many_nodes: bool = False
    """Whether it needs more than one Ray node."""
    store_server: bool = False
    """Whether it needs a database that is a server."""


def _kill(mark: str) -> Callable[[Field], None]:
    """Return what kills one process of a class with SIGKILL, once there is one."""

    def inject(field: Field) -> None:
        field.chance.choice(_wait_for(field.server, mark)).kill()

    return inject


def _wait_for(server: Server, mark: str) -> list[psutil.Process]:
    deadline = time.monotonic() + _FIND_S
    while not (found := server.find(mark)):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no process {mark!r} within {_FIND_S:g} s")
        time.sleep(0.1)  # it is just being started again
    return found


def _freeze(mark: str, seconds: float) -> Callable[[Field], None]:
    def inject(field: Field) -> None:
        process = field.chance.choice(_wait_for(field.server, mark))
        _signal([process], signal.SIGSTOP)
        try:
            time.sleep(seconds)  # the fault itself: nothing of it moves for so long
        finally:
            _signal([process], signal.SIGCONT)

    return inject


def _usurp(field: Field) -> None:
    """Freeze all owners, take a dataset from them, wake them: they must commit nothing more."""
    owners = _wait_for(field.server, "OwnerActor")
    taken = None
    while taken is None:
        _signal(owners, signal.SIGSTOP)
        try:
            taken = field.usurper.take()
            if taken is not None:
                time.sleep(FROZEN_S)  # the fault itself: longer than the lease of the frozen owner
        finally:
            _signal(owners, signal.SIGCONT)
        if taken is None:
            time.sleep(field.chance.uniform(0.1, 0.5))  # another moment, by chance
    field.usurper.watch(taken)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _tell_nothing(field: Field) -> None:
    """Let notifications fail in every way, one after the other."""
    for mood in field.chance.sample(MOODS, len(MOODS)):
        field.inbox.become(mood)
        time.sleep(_PAUSED_S)  # the fault itself: notifications fail for so long
    field.inbox.become(WORKING)


def _lose_all(field: Field) -> None:
    field.server.kill_all()
    field.server.start()


def _lose_calls(field: Field) -> None:
    """Lose the machine, come back with a Ray that loses calls; the next restart ends that."""
    field.server.kill_all()
    field.server.start(lossy=True)


def _restart(field: Field) -> None:
    code = field.server.stop()
    if code != 0:
        raise RuntimeError(f"SIGTERM: the server ended with {code}")
    field.server.start()


def _lose_node(field: Field) -> None:
    """Kill a raylet and all that runs below it, then bring another node."""
    field.server.tell("lose node")
    field.server.tell("add node")


def _ring_thrice(field: Field) -> None:
    for dataset_id in field.usurper.dataset_ids():
        for _ in range(3):
            field.server.tell(f"ring {dataset_id}")


def _restart_store(field: Field) -> None:
    assert field.restart_store is not None
    field.restart_store(field.chance.uniform(0.0, 5.0))


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("ingress", "F1", _kill("Ingress")),
        Fault("proxy", "F2", _kill("ProxyActor")),
        Fault("controller", "F3", _kill("ServeController")),
        Fault("embedder", "F4", _kill("Embedder")),
        Fault("owner", "F5", _kill("OwnerActor")),
        Fault("frozen owner", "F6", _usurp),
        Fault("paused owner", "F6", _freeze("OwnerActor", _PAUSED_S)),
        Fault("node", "F8", _lose_node, many_nodes=True),
        Fault("machine", "F9", _lose_all),
        Fault("lost calls", "F10", _lose_calls),
        Fault("database", "F11", _restart_store, store_server=True),
        Fault("inbox", "F20", _tell_nothing),
        Fault("doorbells", "F24", _ring_thrice, many_nodes=True),
        Fault("steward", "F24", _kill("Steward")),
        Fault("decoder", "F33", _kill("decode_worker")),
        Fault("restart", "F37", _restart),
    )
}
"""Poisoned files (F33) need no fault of their own: the clients index them all the time."""


def in_turn(names: list[str], chance: Random) -> Callable[[], Fault]:
    """Return what gives the next fault: all of them in an order by chance, then again."""
    bag: list[str] = []

    def following() -> Fault:
        if not bag:
            bag.extend(chance.sample(names, len(names)))
        return FAULTS[bag.pop()]

    return following
