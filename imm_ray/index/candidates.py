"""What an index answers, and what it refuses to store or look for."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imm_ray.model import Vectors


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of a query and a stored item: parallel arrays, query by query."""

    query_rows: NDArray[np.int64]
    slots: NDArray[np.int64]
    cosines: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.slots)

    @classmethod
    def join(cls, parts: "list[Candidates]") -> "Candidates":
        """Return all pairs of ``parts``, which follow each other in query rows."""
        return cls(
            np.concatenate([np.empty(0, np.int64), *(part.query_rows for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.slots for part in parts)]),
            np.concatenate([np.empty(0, np.float32), *(part.cosines for part in parts)]),
        )

    def by_slot(self) -> "Candidates":
        """Return the pairs ordered by query row, then slot."""
        order = np.lexsort((self.slots, self.query_rows))
        return Candidates(self.query_rows[order], self.slots[order], self.cosines[order])


def checked(vectors: Vectors, dimension: int) -> NDArray[np.float32]:
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


def check_new(slots: NDArray[np.int64], vectors: Vectors, stored: Set[int]) -> None:
    """Refuse, with ValueError, slots that are stored, named twice, or not one for each vector."""
    if slots.shape != vectors.shape[:1]:
        raise ValueError(f"{len(slots)} slots for {len(vectors)} vectors: give one for each")
    if len(set(slots.tolist())) != len(slots):
        raise ValueError("a slot is named twice: name each once")
    if clash := stored & set(slots.tolist()):
        raise ValueError(f"slot {min(clash)} is stored already: remove it before adding it again")


def check_stored(slots: NDArray[np.int64], stored: Set[int]) -> None:
    """Refuse, with ValueError, slots that are not stored."""
    if strange := set(slots.tolist()) - stored:
        raise ValueError(f"slot {min(strange)} is not stored: add it first")
