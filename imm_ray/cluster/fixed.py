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
    fixed: FixedVectors = np.rint(wide * SCALE).astype(np.int16)
    return fixed


def to_fixed(cosine: float) -> int:
    """Return the smallest integer similarity that is at least ``cosine``.

    >>> to_fixed(1.0) == UNIT
    True
    """
    return math.ceil(cosine * UNIT)


def to_cosine(similarity: int) -> float:
    """Return an integer similarity as a cosine."""
    return similarity / UNIT


def search_cosine(threshold: int, dimension: int) -> float:
    """Return the float32 cosine to search with so that no pair at or over ``threshold`` is missed.

    Notes
    -----
    With rounding errors ``|e_i| <= 1/2`` the fixed and the real cosine differ by at most ``(|<e_x,
    y>| + |<x, e_y>|) / SCALE + |<e_x, e_y>| / UNIT``, below ``1.01 * sqrt(d) / SCALE + d / 2 **
    30``; a float32 dot product adds at most ``1.1 * d / 2 ** 24``.
    """
    margin = (1 + LENGTH_SLACK) * math.sqrt(dimension) / SCALE + dimension / 2**22
    return to_cosine(threshold) - margin
