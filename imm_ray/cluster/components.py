"""Connected components of the core items of neighbour lists."""

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster import component_kernels as kernels
from imm_ray.cluster.graph import Slots
from imm_ray.model.image import Image, column


class Components:
    """Which items paths of pairs join, and how many they are.

    Notes
    -----
    Union by size over arrays by slot, 8 bytes each. Removals split components, which is not noticed
    before `rebuild`: until then a component may be taken for larger than it is.
    """

    def __init__(self) -> None:
        self._parent: NDArray[np.int32] = np.empty(0, np.int32)
        self._weight: NDArray[np.int32] = np.empty(0, np.int32)

    def reserve(self, slots: int) -> None:
        """Make room for slots below ``slots``."""
        have = len(self._parent)
        if slots > have:
            rows = max(slots, have + have // 4, 1024)
            self._parent.resize(rows, refcheck=False)
            self._weight.resize(rows, refcheck=False)

    def state(self, size: int) -> Image:
        """Return the components of the slots below ``size``."""
        return Image({"parent": column(self._parent, size), "weight": column(self._weight, size)})

    def restore(self, image: Image) -> None:
        """Take over a `state`."""
        self._parent, self._weight = image.columns["parent"], image.columns["weight"]

    def insert(self, slots: Slots) -> None:
        """Add items, each for itself."""
        self._parent[slots] = slots
        self._weight[slots] = 1

    def unite(self, u: Slots, v: Slots) -> None:
        """Unite the components of the ends of each pair."""
        kernels.unite(self._parent, self._weight, u, v)

    def of(self, slots: Slots) -> NDArray[np.int64]:
        """Return the name of each item's component."""
        names: NDArray[np.int64] = kernels.roots(self._parent, slots)
        return names

    def sizes(self, names: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return how many items components have at most."""
        return self._weight[names]

    def rebuild(
        self,
        ids: NDArray[np.int32],
        counts: NDArray[np.int16],
        alive: NDArray[np.bool_],
        core: NDArray[np.bool_],
    ) -> None:
        """Find the components again from all lists."""
        everything = np.arange(len(self._parent))
        self.insert(everything)
        living = np.flatnonzero(alive)
        kernels.unite_neighbours(ids, counts, alive, core, self._parent, self._weight, living)
