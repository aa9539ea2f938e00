"""Which slot's vector is where."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Slots

NOWHERE = -1

_Book: TypeAlias = NDArray[np.int32]


class Places:
    """A map between slots and the rows that hold their vectors, both ways.

    Notes
    -----
    Two int32 arrays, each up to one and a half times as long as needed: at most 12 bytes for each
    of densely numbered slots.
    """

    def __init__(self) -> None:
        self.row_of: _Book = np.empty(0, np.int32)
        """By slot; NOWHERE where not stored."""
        self.slot_at: _Book = np.empty(0, np.int32)
        """By row; NOWHERE where free."""

    def holds(self, slots: Slots) -> NDArray[np.bool_]:
        """Return which of ``slots`` are stored."""
        known = (slots >= 0) & (slots < len(self.row_of))
        known[known] = self.row_of[slots[known]] != NOWHERE
        return known

    def stored(self) -> Slots:
        """Return all stored slots, in order."""
        return np.flatnonzero(self.row_of != NOWHERE)

    def rows(self, slots: Slots) -> NDArray[np.int64]:
        """Return where the vectors of stored slots are."""
        return self.row_of[slots].astype(np.int64)

    def slots(self, rows: NDArray[np.int64]) -> Slots:
        """Return whose vectors are in ``rows``."""
        return self.slot_at[rows].astype(np.int64)

    def reserve(self, *, slots: int, rows: int) -> None:
        """Make room for slots and rows below these numbers."""
        self.row_of = grown(self.row_of, slots)
        self.slot_at = grown(self.slot_at, rows)

    def put(self, slots: Slots, rows: NDArray[np.int64]) -> None:
        """Record that the vectors of ``slots`` are in ``rows``; there must be room."""
        self.row_of[slots] = rows
        self.slot_at[rows] = slots


def grown(book: _Book, size: int) -> _Book:
    """Return ``book``, or a longer copy filled with NOWHERE where it is shorter than ``size``."""
    if size <= len(book):
        return book
    longer = np.full(max(size, len(book) * 3 // 2), NOWHERE, np.int32)
    longer[: len(book)] = book
    return longer
