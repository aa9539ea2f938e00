"""Fixed-point vectors: similarities are integers, so no batch size, BLAS or order can move one.

Notes
-----
A stored vector ``x`` is fp16 with unit length up to rounding; fixed point is ``rint(SCALE * x)`` as
int16, and the similarity of two items is the exact integer dot product, ``UNIT = SCALE ** 2`` for a
cosine of 1. ``quantise`` admits lengths within ``LENGTH_SLACK`` of 1, so components stay below
16,549 and, for up to 4,096 dimensions, by Cauchy-Schwarz every similarity and every partial sum of
one stays below ``1.03 * UNIT < 2 ** 28.05``.

Clusters compare by sums: ``|<sum_A, sum_B>| <= n_A * n_B * 2 ** 28.05``, which fits int64 as long
as ``n_A * n_B <= MAX_CLUSTER_PAIRS = 2 ** 34`` (two clusters of 131,072 items each).
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imm_ray.model import Vectors

SCALE = 16384
UNIT = SCALE * SCALE
LENGTH_SLACK = 0.01

FixedVectors: TypeAlias = NDArray[np.int16]
"""Embeddings in fixed point: shape ``(n, d)``."""


def quantise(vectors: Vectors) -> FixedVectors:
    """Return ``vectors`` in fixed point.

    Raises
    ------
    ValueError
        A row is not of unit length (zero, NaN and infinite rows included).

    Examples
    --------
    >>> quantise(np.array([[0.6, -0.8]], dtype=np.float16)).tolist()
    [[9832, -13104]]
    """
    wide = vectors.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=1)
    refused = np.flatnonzero(~(np.abs(lengths - 1) <= LENGTH_SLACK))
    if refused.size:
        row = int(refused[0])
        raise ValueError(
            f"vector {row} of {len(vectors)} has length {lengths[row]}; stored vectors "
            "have length 1: normalise before storing"
        )
    return fixed_of(wide)


def fixed_of(wide: NDArray[np.float32]) -> FixedVectors:
    """Return stored vectors, read back as float32, in fixed point; they were checked on the way in.

    Scaling by a power of two is exact and so is rounding, so this is `quantise` bit by bit.
    """
    scaled = wide * np.float32(SCALE)
    fixed: FixedVectors = np.rint(scaled, out=scaled).astype(np.int16)
    return fixed


def to_fixed(cosine: float) -> int:
    """Return the smallest integer similarity that is at least ``cosine``.

    >>> to_fixed(1.0) == UNIT
    True
    """
    return math.ceil(cosine * UNIT)


def to_cosine(similarity: float) -> float:
    """Return a similarity, or a mean of some, as a cosine."""
    return similarity / UNIT


def search_cosine(threshold: int, dimension: int) -> float:
    """Return the float32 cosine to search with so that no pair at ``threshold`` is missed."""
    return to_cosine(threshold) - cosine_error(dimension)


def cosine_error(dimension: int) -> float:
    """Return by how much a float32 cosine may differ from the fixed-point one.

    Notes
    -----
    With rounding errors ``|e_i| <= 1/2`` the fixed and the real cosine differ by at most ``(|<e_x,
    y>| + |<x, e_y>|) / SCALE + |<e_x, e_y>| / UNIT``, below ``1.01 * sqrt(d) / SCALE + d / 2 **
    30``; a float32 dot product adds at most ``1.1 * d / 2 ** 24``.
    """
    return (1 + LENGTH_SLACK) * math.sqrt(dimension) / SCALE + dimension / 2**22
