"""Items on their way into a clusterer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.graph import Slots


@dataclass(frozen=True, slots=True)
class Newcomers:
    """New items: parallel arrays. Those of one photo come together."""

    slots: Slots
    """Small numbers that no item has."""
    keys: NDArray[np.uint64]
    """A number of each item's content: what orders ties."""
    core: NDArray[np.bool_]
    """Faces that take part in average link; the others only follow."""
    photos: NDArray[np.int64]
    """Faces: a number of the photo of each, ``photos.ALONE`` where it is the only one there."""
