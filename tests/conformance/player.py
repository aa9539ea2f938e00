"""Plays the scenario with one client and keeps what was found, action by action."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.settings import load_settings
from imm_ray.testing import FakeEmbedder, LocalImm
from tests.conformance import album
from tests.conformance.clients import CLIENTS, Client
from tests.conformance.contract import Contract, Findings, changed
from tests.conformance.scenario import play
from tests.conformance.sdk import KEY, RefusedCall

MISSING = "missing"
NOT_IN_CLIENT = "not in this client"


@dataclass(slots=True)
class Result:
    """What one client saw of one action."""

    calls: int = 0
    refused: str = ""
    """The code of a refusal that was expected."""
    absent: str = ""
    """`MISSING` or `NOT_IN_CLIENT`."""
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether the action was called, or the client can not call it, and nothing was wrong."""
        called = self.calls > 0 or self.absent == NOT_IN_CLIENT
        return called and not self.problems


class Player:
    """Makes the calls of the scenario and checks their responses."""

    def __init__(self, client: Client, contract: Contract, settle: Callable[[], None]) -> None:
        self.results: dict[str, Result] = {}
        self.findings = Findings()
        self.settle = settle
        self._client = client
        self._contract = contract

    def call(self, action: str, /, **parameters: Any) -> Mapping[str, Any]:
        """Return the response; {} when there is none, which is then in the results."""
        result = self.results.setdefault(action, Result())
        if not self._can_call(action, result):
            return {}
        result.calls += 1
        try:
            answer = self._client.call(action, parameters)
        except RefusedCall as error:
            result.problems.append(f"refused: {error}")
            return {}
        found = self._contract.check(action, answer.body)
        self.findings.filled |= found.filled
        result.problems += found.problems
        if answer.has_model:
            lost = changed(answer.body, answer.read, answer.newer)
            result.problems += [f"model: {place}" for place in lost]
        return answer.body if isinstance(answer.body, dict) else {}

    def refuse(self, action: str, /, **parameters: Any) -> None:
        """Make a call that must be refused with one of IMM's errors."""
        result = self.results.setdefault(action, Result())
        if not self._can_call(action, result):
            return
        result.calls += 1
        try:
            self._client.call(action, parameters)
        except RefusedCall as error:
            result.refused = error.code
            if not 400 <= error.status < 500:
                result.problems.append(f"refused as no client's fault: {error}")
        else:
            result.problems.append("it was expected to be refused")

    def _can_call(self, action: str, result: Result) -> bool:
        if action not in ACTIONS:
            result.absent = MISSING
        elif not self._client.knows(action):
            result.absent = NOT_IN_CLIENT
        return not result.absent


@dataclass(frozen=True, slots=True)
class Played:
    """What one client saw."""

    results: Mapping[str, Result]
    filled: set[tuple[str, str]]


def play_with(name: str, contract: Contract, *, store_url: str = "") -> Played:
    """Run the scenario with the client of this name against a server of its own.

    Its database is SQLite's, or another that has no rows yet.
    """
    with TemporaryDirectory() as folder:
        pictures = album.write_pictures(Path(folder) / "bucket")
        key = {"access_key_id": KEY[0], "access_key_secret": KEY[1], "v1": True}
        settings = load_settings(
            None,
            data=Path(folder) / "data",
            store={"url": store_url},
            auth={"users": [key]},
            buckets={album.BUCKET: str(Path(folder) / "bucket")},
            notifications={"topics": {"told": str(Path(folder) / "told.jsonl")}},
        )
        with (
            LocalImm(settings.data, FakeEmbedder(pictures), settings=settings) as imm,
            CLIENTS[name](imm.address) as client,
        ):
            player = Player(client, contract, imm.settle)
            play(player.call, player.refuse, player.settle)
    for action in contract.responses:
        player.results.setdefault(action, Result(absent="" if action in ACTIONS else MISSING))
    return Played(player.results, player.findings.filled)
