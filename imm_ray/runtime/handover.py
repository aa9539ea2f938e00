"""Has owner actors let their datasets go, before they are stopped or replaced."""

from collections.abc import Sequence
from typing import Any

import ray
import structlog
from ray.exceptions import GetTimeoutError, RayError

from imm_ray.runtime.names import NAMESPACE, is_owner

_log = structlog.get_logger(__name__)


def actors() -> list[str]:
    """Return the names of the actors of all generations that there are."""
    return [
        actor["name"]
        for actor in ray.util.list_named_actors(all_namespaces=True)
        if actor["namespace"] == NAMESPACE
    ]


def find_actor(name: str) -> Any | None:
    """Return the handle of an actor, None when there is none of that name."""
    try:
        return ray.get_actor(name, NAMESPACE)
    except ValueError:
        return None


def drain(names: Sequence[str], timeout_s: float) -> None:
    """Return when the owners of these names hold no dataset any more, or after so long."""
    found = [actor for name in names if (actor := find_actor(name)) is not None]
    drained = [actor.drain.remote() for actor in found]
    try:
        ray.get(drained, timeout=timeout_s)
    except (GetTimeoutError, RayError) as error:
        _log.warning("owners not drained", owners=len(drained), why=str(error))


def end(name: str) -> None:
    """End an actor for good, even one that is frozen."""
    if (actor := find_actor(name)) is not None:
        ray.kill(actor, no_restart=True)


class _Answer:
    """An owner's answer to a ping (implements ``watch.Answer``)."""

    def __init__(self, name: str) -> None:
        actor = find_actor(name)
        self._reference = None if actor is None else actor.ping.remote()

    def get(self) -> int | None:
        """Return what it has said, None while it has said nothing.

        Raises
        ------
        LookupError
            There was no such actor any more.
        ray.exceptions.RayError
            It has died.
        """
        if self._reference is None:
            raise LookupError("there is no such actor any more")
        done, _ = ray.wait([self._reference], timeout=0)
        return int(ray.get(self._reference)) if done else None


class RayActors:
    """The actors of this Ray cluster (implements ``watch.Actors``)."""

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s

    def names(self) -> list[str]:
        """Return the names of all."""
        return actors()

    def ping(self, name: str) -> _Answer:
        """Ask an owner how many datasets it has in hand."""
        return _Answer(name)

    def replace(self, name: str) -> None:
        """End an actor; the next bell starts another."""
        end(name)

    def retire(self, name: str) -> None:
        """Have an actor let its datasets go, if it has any, and end it."""
        if is_owner(name):
            drain([name], self._drain_s)
        end(name)
