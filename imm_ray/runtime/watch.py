"""Looks after the owner actors of a cluster: replaces those that hang, and ends those left over."""

import time
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from imm_ray.runtime.names import is_owner_of, older, owner_hosts

_log = structlog.get_logger(__name__)


class Actors(Protocol):
    """The actors of the Ray cluster (``runtime.handover``)."""

    def names(self) -> list[str]:
        """Return the names of all."""

    def ping(self, name: str) -> "Answer":
        """Ask an owner how many datasets it has in hand."""

    def replace(self, name: str) -> None:
        """End an actor that answers nothing; the next bell starts another."""

    def retire(self, name: str) -> None:
        """Have an actor let its datasets go, and end it."""


class Answer(Protocol):
    """What an owner will say."""

    def get(self) -> int | None:
        """Return what it has said, None while it has said nothing.

        Raises
        ------
        Exception
            It has died, and is restarted by Ray.
        """


class Watch:
    """Pings the owners of one generation, and retires those of earlier ones.

    Parameters
    ----------
    answer_s
        An owner that has answered before and then says nothing for so long is replaced: it is
        frozen, or its event loop hangs. One that starts has more time.
    monotonic
        Returns seconds that never go back.
    """

    def __init__(
        self,
        actors: Actors,
        *,
        hosts: int,
        generation: int,
        answer_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._actors = actors
        self._shared = frozenset(owner_hosts(hosts, generation))
        self._generation = generation
        self._answer_s = answer_s
        self._monotonic = monotonic
        self._asked: dict[str, tuple[Any, float]] = {}
        self._empty: set[str] = set()
        self._known: set[str] = set()

    def look(self) -> None:
        """Look at every actor once; takes no longer than the retiring of those that are old."""
        names = self._actors.names()
        for name in older(names, self._generation):
            _log.info("retiring", actor=name)
            self._actors.retire(name)
        mine = {name for name in names if is_owner_of(self._generation, name)}
        for name in self._asked.keys() - mine:
            self._forget(name)
        for name in mine:
            self._look_at(name)

    def _look_at(self, name: str) -> None:
        now = self._monotonic()
        if name not in self._asked:
            self._asked[name] = (self._actors.ping(name), now)
            return
        answer, asked_at = self._asked[name]
        try:
            in_hand = answer.get()
        except Exception as error:  # noqa: BLE001 - whatever Ray says: the actor is not there now
            _log.warning("owner away", owner=name, why=str(error))
            self._forget(name)
            return
        if in_hand is not None:
            self._answered(name, in_hand)
        elif now - asked_at >= self._answer_s * (1 if name in self._known else 3):
            _log.error("owner does not answer", owner=name, seconds=round(now - asked_at, 1))
            self._forget(name)
            self._actors.replace(name)

    def _answered(self, name: str, in_hand: int) -> None:
        del self._asked[name]
        self._known.add(name)
        if in_hand or name in self._shared:
            self._empty.discard(name)
        elif name in self._empty:  # it had a large dataset, which rests now
            self._forget(name)
            self._actors.replace(name)
        else:
            self._empty.add(name)

    def _forget(self, name: str) -> None:
        self._asked.pop(name, None)
        self._known.discard(name)
        self._empty.discard(name)
