"""What an index does, and how to get one."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Candidates
from imm_ray.index.exact import ExactIndex
from imm_ray.model import Vectors


class VectorIndex(Protocol):
    """Stored vectors by slot. One writer; no call may overlap another."""

    def __len__(self) -> int: ...

    def add(self, slots: NDArray[np.int64], vectors: Vectors) -> None:
        """Store ``vectors`` under ``slots``, none of which may be stored."""

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Forget ``slots``, all of which must be stored."""

    def vectors(self, slots: NDArray[np.int64]) -> Vectors:
        """Return the stored vectors of ``slots``, bit by bit as they were added."""

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return every stored item at ``cosine`` or nearer to each query, by query row and slot."""

    def nearest(self, vectors: Vectors, k: int) -> Candidates:
        """Return the ``k`` (or all, if fewer) nearest items of each query, the nearest first."""


def open_index(
    backend: Literal["faiss", "exact"], dimension: int, *, threads: int = 1
) -> VectorIndex:
    """Return an empty index of the kind that the settings name.

    FAISS is loaded only when it is asked for.
    """
    if backend == "exact":
        return ExactIndex(dimension)
    from imm_ray.index.flat import FaissFlatIndex

    return FaissFlatIndex(dimension, threads=threads)
