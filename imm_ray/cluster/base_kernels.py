"""Compiled loops over base clusters: linked lists of items, sums of vectors."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_Ids = NDArray[np.int32]
_Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def members_of(head: _Ids, following: _Ids, numbers: _Ints, size: _Ids) -> _Ints:
    """Return the items of clusters, cluster by cluster."""
    total = 0
    for c in numbers:
        total += size[c]
    found = np.empty(total, np.int64)
    n = 0
    for c in numbers:
        p = head[c]
        while p >= 0:
            found[n] = p
            n += 1
            p = following[p]
    return found


@njit(cache=True, nogil=True)
def move(
    label: _Ids,
    following: _Ids,
    before: _Ids,
    head: _Ids,
    size: _Ids,
    slots: _Ints,
    numbers: _Ints,
) -> None:
    """Take items out of their clusters and put them into those of ``numbers`` (-1: none)."""
    for i in range(len(slots)):
        p = slots[i]
        c = label[p]
        if c >= 0:
            if before[p] >= 0:
                following[before[p]] = following[p]
            else:
                head[c] = following[p]
            if following[p] >= 0:
                before[following[p]] = before[p]
            size[c] -= 1
        c = numbers[i]
        label[p], before[p] = c, -1
        if c >= 0:
            following[p] = head[c]
            if head[c] >= 0:
                before[head[c]] = p
            head[c] = p
            size[c] += 1


@njit(cache=True, nogil=True)
def add_up(vectors: NDArray[np.int16], lengths: _Ints) -> _Ids:
    """Return the sum of each stretch of rows."""
    sums = np.zeros((len(lengths), vectors.shape[1]), np.int32)
    row = 0
    for i in range(len(lengths)):
        for _ in range(lengths[i]):
            for k in range(vectors.shape[1]):
                sums[i, k] += vectors[row, k]
            row += 1
    return sums
