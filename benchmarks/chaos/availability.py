"""How long nothing was answered, and what the answers looked like, around each fault."""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.chaos.caller import ASK, READ, WRITE
from benchmarks.chaos.journal import Entry, Outcome

_OWN_TEXT = {
    500: "Internal Server Error",
    503: "",
    404: "Path '/' not found. Ping",
}
"""What Serve itself answers while parts of it die, without IMM's JSON (listed in api.asgi)."""


@dataclass(slots=True)
class Window:
    """The time from one fault to the next."""

    fault: str
    start: float
    end: float = 0.0


class Watch:
    """Sees every answer of every client; threads share it.

    ``violations`` are answers that no fault excuses (I14).
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._entries: list[Entry] = []
        self._changed = threading.Condition()

    def see(self, entry: Entry) -> None:
        """Take an answer into account."""
        wrong = misshapen(entry)
        with self._changed:
            self._entries.append(entry)
            if wrong:
                self.violations.append(f"I14 {wrong}")
            self._changed.notify_all()

    def wait_for_answers(self, since: float, timeout_s: float) -> bool:
        """Return True once a request of each kind that was sent after ``since`` is done."""
        with self._changed:
            return self._changed.wait_for(lambda: self._answered(since), timeout_s)

    def entries(self) -> Sequence[Entry]:
        """Return what was answered so far, in that order."""
        with self._changed:
            return list(self._entries)

    def _answered(self, since: float) -> bool:
        kinds = set()
        for entry in reversed(self._entries):
            if entry.done < since:
                break
            if entry.outcome is Outcome.DONE and entry.sent >= since:
                kinds.add(entry.kind)
        return {READ, WRITE, ASK} <= kinds


def misshapen(entry: Entry) -> str:
    """Return what is wrong with the form of an answer, or ''.

    A connection that was cut is a fault's doing; so is the text of Serve's own layer. Errors of
    ours are IMM's JSON, and none is an internal error.
    """
    if entry.status in (0, 200):
        return ""
    body = entry.body
    if "Text" in body:
        own = entry.status in _OWN_TEXT and str(body["Text"]).startswith(_OWN_TEXT[entry.status])
        return "" if own else f"{entry.action}: {entry.status} {body['Text']!r}"
    if not (body.get("Code") and body.get("RequestId") and "Message" in body):
        return f"{entry.action}: {entry.status} without Code, Message and RequestId: {body}"
    return f"{entry.action}: {body}" if entry.status == 500 else ""


@dataclass(frozen=True, slots=True)
class Availability:
    """What one kind of fault has cost; seconds are the worst of its injections."""

    injected: int
    answers: int
    unanswered: int
    unavailable_s: Mapping[str, float]
    p99_ms: float
    outcomes: Mapping[str, int] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Return them for a line of results."""
        return {
            "injected": self.injected,
            "answered": self.answers,
            "unanswered": self.unanswered,
            **{f"longest_without_{kind}_s": round(s, 2) for kind, s in self.unavailable_s.items()},
            "p99_ms": round(self.p99_ms, 1),
            "outcomes": dict(self.outcomes),
        }


def availability(entries: Sequence[Entry], windows: Iterable[Window]) -> Availability:
    """Return what the windows of one kind of fault have in common."""
    mine = list(windows)
    inside = [e for e in entries if any(w.start <= e.done < w.end for w in mine)]
    outcomes: dict[str, int] = {}
    for entry in inside:
        name = f"{entry.status} {entry.code}".strip()
        outcomes[name] = outcomes.get(name, 0) + 1
    taken = [entry.done - entry.sent for entry in inside if entry.outcome is Outcome.DONE]
    return Availability(
        injected=len(mine),
        answers=sum(entry.outcome is not Outcome.UNKNOWN for entry in inside),
        unanswered=sum(entry.outcome is Outcome.UNKNOWN for entry in inside),
        unavailable_s={
            kind: max((_longest_gap(_done_times(entries, kind), w) for w in mine), default=0.0)
            for kind in (READ, WRITE, ASK)
        },
        p99_ms=float(np.percentile(taken, 99)) * 1000 if taken else 0.0,
        outcomes=dict(sorted(outcomes.items())),
    )


def _done_times(entries: Sequence[Entry], kind: str) -> list[float]:
    return sorted(e.done for e in entries if e.kind == kind and e.outcome is Outcome.DONE)


def _longest_gap(times: Sequence[float], window: Window) -> float:
    """Return the longest time within a window in which no request was done."""
    start = bisect_left(times, window.start)
    end = bisect_left(times, window.end)
    marks = [window.start, *times[start:end], window.end]
    return max((b - a for a, b in pairwise(marks)), default=0.0)
