"""Compiled loops over connected components: union by size, and what lists can reach."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_Ids = NDArray[np.int32]
_Ints = NDArray[np.int64]
_Counts = NDArray[np.int16]
_Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def _root_of(parent: _Ids, p: int) -> int:
    """Return the root of an item's component, and shorten the way to it."""
    while parent[p] != p:
        parent[p] = parent[parent[p]]
        p = parent[p]
    return p


@njit(cache=True, nogil=True)
def _unite(parent: _Ids, weight: _Ids, p: int, q: int) -> None:
    """Make one component of those of two items."""
    a, b = _root_of(parent, p), _root_of(parent, q)
    if a != b:
        if weight[a] < weight[b]:
            a, b = b, a
        parent[b] = a
        weight[a] += weight[b]


@njit(cache=True, nogil=True)
def unite(parent: _Ids, weight: _Ids, u: NDArray[Any], v: NDArray[Any]) -> None:
    """Unite the components of the ends of each pair."""
    for e in range(len(u)):
        _unite(parent, weight, u[e], v[e])


@njit(cache=True, nogil=True)
def unite_neighbours(
    ids: _Ids,
    counts: _Counts,
    alive: _Flags,
    core: _Flags,
    parent: _Ids,
    weight: _Ids,
    slots: _Ints,
) -> None:
    """Unite the components of ``slots`` with those of their neighbours (core items only)."""
    for p in slots:
        if not core[p]:
            continue
        for j in range(counts[p]):
            q = ids[p, j]
            if alive[q] and core[q]:
                _unite(parent, weight, p, q)


@njit(cache=True, nogil=True)
def roots(parent: _Ids, slots: _Ints) -> _Ints:
    """Return the root of each item's component."""
    found = np.empty(len(slots), np.int64)
    for i in range(len(slots)):
        found[i] = _root_of(parent, slots[i])
    return found


@njit(cache=True, nogil=True)
def reach(
    ids: _Ids, counts: _Counts, alive: _Flags, core: _Flags, named: _Flags, seeds: _Ints
) -> _Ints:
    """Return the core items that paths over lists join to ``seeds``, which are core.

    ``named`` is all False, and is so again afterwards. A list names its neighbours whether or not
    theirs name it back, and both directions are followed where both stand in lists.
    """
    found = np.empty(max(1024, len(seeds)), np.int64)
    n = 0
    for p in seeds:
        if not named[p]:
            named[p] = True
            found[n] = p
            n += 1
    place = 0
    while place < n:
        p = found[place]
        place += 1
        for j in range(counts[p]):
            q = ids[p, j]
            if named[q] or not (alive[q] and core[q]):
                continue
            named[q] = True
            if n == len(found):
                found = _doubled(found)
            found[n] = q
            n += 1
    for i in range(n):
        named[found[i]] = False
    return found[:n]


@njit(cache=True, nogil=True)
def _doubled(values: _Ints) -> _Ints:
    wider = np.empty(2 * len(values), np.int64)
    for i in range(len(values)):
        wider[i] = values[i]
    return wider
