"""Which item stands for which in the index and the graph."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np

from imm_ray.cluster.duplicates import Departure
from imm_ray.cluster.fixed import FixedVectors
from imm_ray.dataset.ports import Slots


class Representatives(Protocol):
    """Maps items to the ones that stand for them (``cluster.duplicates.Duplicates``)."""

    def insert(self, slots: Slots, vectors: FixedVectors) -> Slots:
        """Add items; return the representative of each."""

    def remove(self, slots: Slots) -> Departure:
        """Forget items; return what changes among the representatives."""

    def representatives(self, slots: Slots) -> Slots:
        """Return the representative of each item."""

    def content_ids(self, slots: Slots) -> Sequence[str]:
        """Return a name of each item's vector."""

    def expand(self, representatives: Slots) -> Slots:
        """Return all items that the representatives stand for."""


class Themselves:
    """Every item stands for itself: an average over faces must count each of two equal ones."""

    def __init__(self) -> None:
        self._content: dict[int, str] = {}

    def insert(self, slots: Slots, vectors: FixedVectors) -> Slots:
        """Add items; each is its own representative."""
        for slot, vector in zip(slots.tolist(), vectors, strict=True):
            self._content[slot] = blake2b(vector.tobytes(), digest_size=16).hexdigest()
        return slots

    def remove(self, slots: Slots) -> Departure:
        """Forget items."""
        for slot in slots.tolist():
            del self._content[slot]
        none = np.empty(0, np.int64)
        return Departure(gone=slots, promoted=none, predecessors=none, shrunk=none)

    def representatives(self, slots: Slots) -> Slots:
        """Return the items."""
        return slots

    def content_ids(self, slots: Slots) -> Sequence[str]:
        """Return a digest of each item's vector."""
        return [self._content[slot] for slot in slots.tolist()]

    def expand(self, representatives: Slots) -> Slots:
        """Return the items."""
        return representatives
