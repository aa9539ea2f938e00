"""What the clients have said and been told: one line for each answer, on the disk before the next.

The verdict is read from the file, so a client that dies loses nothing either.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Outcome(StrEnum):
    """What a client knows of its request."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """There was no answer, or one that leaves open whether it was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request and its answer; times are seconds of the monotonic clock."""

    client: str
    action: str
    kind: str
    params: Mapping[str, Any]
    outcome: Outcome
    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    sent: float
    done: float

    @property
    def code(self) -> str:
        """IMM's error code, or ''."""
        return str(self.body.get("Code", ""))


class Journal:
    """Appends entries from any thread; an answer of 200 is on the disk when `add` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab")
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Write one entry."""
        line = json.dumps(asdict(entry), separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            if entry.outcome is Outcome.DONE:
                os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def read_journal(path: Path) -> Iterator[Entry]:
    """Yield the entries of a journal in the order in which they were answered."""
    with path.open() as file:
        for line in file:
            told = json.loads(line)
            yield Entry(**{**told, "outcome": Outcome(told["outcome"])})
