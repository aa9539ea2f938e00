"""The receipt of an erasure: what was deleted, and how it was made sure that nothing is left.

Layout: a JSON object of the members of `Receipt`, ``format`` (1) and ``sha256``, that of the same
JSON without this member, keys sorted and without spaces. URIs and ids stand in it as the SHA-256 of
the salt's bytes and the text, so who knows a URI can check that it was erased, and who does not
learns nothing but how many there were.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """An exact search among all that is stored of the dataset."""

    vectors: int
    """Erased vectors that were searched with."""
    compared_with: int
    """Vectors that are still stored."""
    found: int
    """Erased figures and files among what was found; 0 when the erasure is complete."""
    identical: int
    """Others of the same bytes: copies of a picture under another URI, which was not erased."""
    nearest: float
    """The highest cosine that was found; -1 where nothing is left to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteScan:
    """A look at every byte of every file below the data folder."""

    files: int
    bytes: int
    unreadable: int
    texts: int
    """URIs and parts of vectors that were looked for."""
    rewritten: bool
    """Whether the whole database was written anew, since the first look had found something."""
    hits: int
    kept_elsewhere: int
    """Of all texts, those that belong to other files too and therefore stay."""
    where: Sequence[str]
    """The files with hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was erased, and the checks."""

    version: str
    begun_at: str
    ended_at: str
    what: Mapping[str, str]
    salt: str
    files: Sequence[str]
    figures: Sequence[str]
    counts: Mapping[str, int]
    owner: str
    """``mended``: the running owner has taken it out of its memory; ``none``: no owner runs."""
    rows_left: int
    log_cut: bool
    search: Search
    scan: ByteScan
    not_covered: Sequence[str]

    @property
    def is_complete(self) -> bool:
        """Whether nothing was found."""
        return not (self.rows_left or self.search.found or self.scan.hits) and self.log_cut

    def text(self) -> str:
        """Return the JSON."""
        body = {"format": FORMAT, "complete": self.is_complete, **asdict(self)}
        return json.dumps({**body, "sha256": digest(body)}, indent=2, ensure_ascii=False) + "\n"


def salted(salt: str, text: str) -> str:
    """Return what stands for a text in a receipt."""
    return sha256(bytes.fromhex(salt) + text.encode()).hexdigest()


def digest(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a receipt's members, ``sha256`` left out."""
    members = {name: value for name, value in body.items() if name != "sha256"}
    canonical = json.dumps(members, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()
