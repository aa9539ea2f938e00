"""What an index answers, and what it refuses to store or look for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imm_ray.model import Vectors

Slots: TypeAlias = NDArray[np.int64]
"""Numbers of stored items: small, dense, not negative; free for reuse after a removal."""
Wide: TypeAlias = NDArray[np.float32]
"""Vectors for arithmetic: float32, shape ``(n, dimension)``, every value one that fp16 has."""

_SLOT_LIMIT = 2**31  # the books of an index are int32


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of a query and a stored item: parallel arrays, query by query."""

    query_rows: NDArray[np.int64]
    slots: Slots
    cosines: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.slots)

    @classmethod
    def join(cls, parts: "list[Candidates]") -> "Candidates":
        """Return all pairs of ``parts``, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([np.empty(0, np.int64), *(part.query_rows for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.slots for part in parts)]),
            np.concatenate([np.empty(0, np.float32), *(part.cosines for part in parts)]),
        )

    def by_slot(self) -> "Candidates":
        """Return the pairs ordered by query row, then slot."""
        return self._taken(np.lexsort((self.slots, self.query_rows)))

    def best(self, k: int) -> "Candidates":
        """Return the ``k`` (or all, if fewer) nearest items of each query, the nearest first."""
        order = np.lexsort((self.slots, -self.cosines, self.query_rows))
        rows = self.query_rows[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        return self._taken(order[place < k])

    def _taken(self, order: NDArray[np.int64]) -> "Candidates":
        return Candidates(self.query_rows[order], self.slots[order], self.cosines[order])


def checked(vectors: Vectors | Wide, dimension: int) -> Wide:
    """Return ``vectors`` as float32.

    Raises
    ------
    ValueError
        They are not of shape ``(n, dimension)``, or one is zero or not finite.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"vectors have shape {vectors.shape}; this index holds (n, {dimension})")
    wide = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(wide, axis=1)
    refused = np.flatnonzero(~((lengths > 0) & np.isfinite(lengths)))
    if refused.size:
        row = int(refused[0])
        raise ValueError(
            f"vector {row} of {len(vectors)} has length {lengths[row]}: a zero or non-finite "
            "vector is like nothing; leave such items out"
        )
    return wide


def check_new(slots: Slots, vectors: Vectors, holds: Callable[[Slots], NDArray[np.bool_]]) -> None:
    """Refuse, with ValueError, slots that cannot be added.

    They are stored, named twice, not one for each vector, or no small numbers from 0 up.
    """
    if slots.shape != vectors.shape[:1]:
        raise ValueError(f"{len(slots)} slots for {len(vectors)} vectors: give one for each")
    strange = slots[(slots < 0) | (slots >= _SLOT_LIMIT)]
    if strange.size:
        raise ValueError(f"slot {strange[0]} is not from 0 up to {_SLOT_LIMIT - 1}: number densely")
    if len(np.unique(slots)) != len(slots):
        raise ValueError("a slot is named twice: name each once")
    clash = slots[holds(slots)]
    if clash.size:
        raise ValueError(f"slot {clash.min()} is stored already: remove it before adding it again")


def check_stored(slots: Slots, holds: Callable[[Slots], NDArray[np.bool_]]) -> None:
    """Refuse, with ValueError, slots that are not stored."""
    strange = slots[~holds(slots)]
    if strange.size:
        raise ValueError(f"slot {strange.min()} is not stored: add it first")
