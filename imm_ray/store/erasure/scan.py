"""Looks for bytes in all files below a folder."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CHUNK = 4 * 2**20
_KEY = 8
SHORTEST = _KEY
"""Bytes that a text must have to be looked for."""


@dataclass(slots=True)
class Scan:
    """What was looked at, and what was found."""

    files: int = 0
    size: int = 0
    unreadable: int = 0
    """Files that went away, or that may not be read."""
    hits: dict[bytes, set[str]] = field(default_factory=dict)
    """Where each text that was found stands: paths, relative to the folder."""


def scan(folder: Path, wanted: Iterable[bytes], *, skip: Iterable[Path] = ()) -> Scan:
    """Return in which files below ``folder`` one of the texts stands, at any place.

    Its cost follows the bytes and hardly the number of texts: only places whose first four bytes
    are those of some text are looked at closely.

    Raises
    ------
    ValueError
        A text is shorter than `SHORTEST`.
    """
    texts = _Texts(wanted)
    found, left_out = Scan(), {path.absolute() for path in skip}
    for path in _files(folder):
        if path.absolute() in left_out:
            continue
        try:
            _scan_file(path, path.relative_to(folder), texts, found)
        except OSError:
            found.unreadable += 1
    return found


class _Texts:
    def __init__(self, wanted: Iterable[bytes]) -> None:
        self.by_key: dict[bytes, set[bytes]] = {}
        self.longest = _KEY
        self.begins = np.zeros(2**16, np.bool_)
        self.goes_on = np.zeros(2**16, np.bool_)
        for text in wanted:
            if len(text) < SHORTEST:
                raise ValueError(f"a text of {len(text)} bytes is found everywhere")
            self.by_key.setdefault(text[:_KEY], set()).add(text)
            self.longest = max(self.longest, len(text))
            self.begins[int.from_bytes(text[:2], "little")] = True
            self.goes_on[int.from_bytes(text[2:4], "little")] = True

    def within(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the texts that stand in a chunk."""
        if len(chunk) < _KEY:
            return
        content = np.frombuffer(chunk, np.uint8).astype(np.uint16)
        pairs: NDArray[np.uint16] = content[:-1] | (content[1:] << np.uint16(8))
        places = np.flatnonzero(self.begins[pairs[:-2]] & self.goes_on[pairs[2:]])
        for place in places.tolist():
            for text in self.by_key.get(chunk[place : place + _KEY], ()):
                if chunk.startswith(text, place):
                    yield text


def _scan_file(path: Path, name: Path, texts: _Texts, found: Scan) -> None:
    kept = b""
    with path.open("rb") as file:
        found.files += 1
        while chunk := file.read(_CHUNK):
            found.size += len(chunk)
            for text in texts.within(kept + chunk):
                found.hits.setdefault(text, set()).add(str(name))
            kept = (kept + chunk)[-(texts.longest - 1) :]


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent) / name
            if path.is_file() and not path.is_symlink():
                yield path
