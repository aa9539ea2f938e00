"""Segments: files of arrays. Their form is safetensors: a JSON header of shapes, then the values.

Nothing in them is ever executed. A segment is read only when its size and SHA-256 are those that
the manifest names, and its header may ask for no more bytes than the file has.
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from imm_ray.model.image import Arrays


class SnapshotRefused(Exception):
    """A snapshot can not be used; the text says why."""


class Content(StrEnum):
    """What a segment holds."""

    PAGE = "page"
    """What never changes of the items in some slots, with their vectors."""
    ROWS = "rows"
    """The neighbours of some slots; of two segments with the same slot the later one holds."""
    COLUMNS = "columns"
    """What may change, by slot, of some slots."""
    FACTS = "facts"
    """The rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A file of a snapshot, as its manifest names it."""

    name: str
    content: Content
    sha256: str
    """In hex."""
    size: int
    """Bytes."""
    first: int = 0
    """The first slot of a page, or of columns."""
    count: int = 0
    """Slots in it."""
    mark: str = ""
    """Of a page: a digest of whose vectors are in it; the same mark means the same page."""


def encode(arrays: Arrays) -> bytes:
    """Return a segment's bytes.

    >>> decode(encode({"a": np.arange(3)}))["a"].tolist()
    [0, 1, 2]
    """
    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def decode(data: bytes) -> Arrays:
    """Return the arrays of a segment, each with memory of its own.

    Raises
    ------
    SnapshotRefused
        It is no segment.
    """
    try:
        return {name: array.copy() for name, array in load(data).items()}
    except (SafetensorError, ValueError, KeyError) as error:
        raise SnapshotRefused(
            f"a segment of {len(data)} bytes is no safetensors: {error}"
        ) from error


def digest(data: bytes) -> str:
    """Return the SHA-256 of bytes in hex."""
    return sha256(data).hexdigest()


def mark_of(page: Arrays) -> str:
    """Return a digest of all columns of a page, in the order of their names."""
    state = sha256()
    for name in sorted(page):
        state.update(f"{name}:{page[name].dtype.str}:{page[name].shape};".encode())
        state.update(np.ascontiguousarray(page[name]).tobytes())
    return state.hexdigest()
