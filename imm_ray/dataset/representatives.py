"""Which item stands for which in the index and the graph."""

from typing import Protocol

import numpy as np

from imm_ray.cluster.duplicates import Departure
from imm_ray.cluster.fixed import FixedVectors
from imm_ray.dataset.ports import Slots
from imm_ray.model.image import Image


class Representatives(Protocol):
    """Maps items to the ones that stand for them (``cluster.duplicates.Duplicates``)."""

    @property
    def may_be_equal(self) -> bool:
        """Whether two representatives may have one vector."""

    def insert(self, slots: Slots, vectors: FixedVectors) -> Slots:
        """Add items; return the representative of each."""

    def remove(self, slots: Slots) -> Departure:
        """Forget items; return what changes among the representatives."""

    def representatives(self, slots: Slots) -> Slots:
        """Return the representative of each item."""

    def expand(self, representatives: Slots) -> Slots:
        """Return all items that the representatives stand for."""

    def state(self, size: int) -> Image:
        """Return what is known of the slots below ``size``."""

    def restore(self, image: Image) -> None:
        """Take over a `state`."""


class Themselves:
    """Every item stands for itself: an average over faces must count each of two equal ones."""

    may_be_equal = True

    def insert(self, slots: Slots, vectors: FixedVectors) -> Slots:
        """Return the items: each is its own representative."""
        return slots

    def remove(self, slots: Slots) -> Departure:
        """Return what a removal means: the items go, nobody takes their places."""
        none = np.empty(0, np.int64)
        return Departure(gone=slots, promoted=none, predecessors=none, shrunk=none)

    def state(self, size: int) -> Image:
        """Return nothing: there is nothing to know."""
        return Image()

    def restore(self, image: Image) -> None:
        """Do nothing."""

    def representatives(self, slots: Slots) -> Slots:
        """Return the items."""
        return slots

    def expand(self, representatives: Slots) -> Slots:
        """Return the items."""
        return representatives


def expand_each(representatives: Representatives, heads: Slots) -> tuple[Slots, Slots]:
    """Return the items that each of ``heads`` stands for, and its place for each of them."""
    groups = [representatives.expand(heads[place : place + 1]) for place in range(len(heads))]
    places = np.repeat(np.arange(len(heads)), [len(group) for group in groups])
    return np.concatenate([np.empty(0, np.int64), *groups]), places
