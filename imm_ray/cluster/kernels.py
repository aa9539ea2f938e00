"""Compiled loops: exact similarities, components, agglomeration by reciprocal nearest pairs.

All kernels live in one module because numba's disk cache notices changes of a kernel's own file
only. They compile at their first call, for the one signature that the callers keep to; the cache is
in ``NUMBA_CACHE_DIR`` where that is set, so the package's folder need not be writable.

Notes
-----
Agglomeration merges, round by round, all pairs of nodes that are each other's nearest. For a
reducible linkage (average and complete are; with cannot-links, whose similarity counts as minus
infinity, they remain so) that gives the hierarchy of one-pair-at-a-time agglomeration. Nodes are
numbered in canonical order, a merged node keeps its smaller number, and ties go to the smaller
number: the result depends on the contents only. Every round merges at least one pair: of all nodes
on an edge of the greatest similarity, the smallest one and its smallest partner choose each other.

An edge is dropped once its similarity is below the threshold. That is exact, because the
similarity of merged nodes is never above the best of its parts.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors

MAX_CLUSTER_PAIRS = 2**34  # see fixed.py
_CERTAIN = 2.0**-16  # two float64 quotients below 2**29 err by less than 2**-21 together

_Ints = NDArray[np.int64]
_Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def pair_similarities(vectors: FixedVectors, u: _Ints, v: _Ints) -> _Ints:
    """Return the exact dot product of rows ``u[i]`` and ``v[i]``."""
    products = np.empty(len(u), np.int64)
    for i in range(len(u)):
        total = np.int64(0)
        for k in range(vectors.shape[1]):
            total += np.int64(vectors[u[i], k]) * np.int64(vectors[v[i], k])
        products[i] = total
    return products


@njit(cache=True, nogil=True)
def connected(count: int, u: _Ints, v: _Ints) -> _Ints:
    """Return for each of ``count`` nodes the smallest node of its connected component."""
    root = np.arange(count)
    for e in range(len(u)):
        a, b = u[e], v[e]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        root[max(a, b)] = min(a, b)
    return _flatten(root)


@njit(cache=True, nogil=True)
def average_link(sums: _Ints, u: _Ints, v: _Ints, s: _Ints, limit: int, barred: _Ints) -> _Ints:
    """Return each node's group, named by its smallest node, under average link cut at ``limit``.

    Parameters
    ----------
    sums
        The fixed-point vectors, ``(n, d)``; used up: afterwards rows hold sums of groups.
    u, v, s
        All pairs ``u < v`` of similarity ``s`` >= ``limit`` that are not barred.
    barred
        ``(2, c)``: pairs that must not share a group.
    """
    rep = np.arange(len(sums))
    counts = np.ones(len(sums), np.int64)
    pairs = np.ones(len(u), np.int64)
    while len(u) > 0:
        merged = np.zeros(len(sums), np.bool_)
        for e in _reciprocal(u, v, s, pairs, len(sums)):
            a, b = u[e], v[e]
            rep[b] = a
            merged[a] = merged[b] = True
            counts[a] += counts[b]
            for k in range(sums.shape[1]):
                sums[a, k] += sums[b, k]
        keep, stale, _ = _contract(u, v, s, rep, merged)
        fresh_u, fresh_v, fresh_s = _average_edges(
            _admitted(stale, _barred_keys(barred, rep)), sums, counts, limit
        )
        u, v, s = _renewed(u, keep, fresh_u), _renewed(v, keep, fresh_v), _renewed(s, keep, fresh_s)
        pairs = np.empty(len(u), np.int64)
        for e in range(len(u)):
            pairs[e] = counts[u[e]] * counts[v[e]]
    return _flatten(rep)


@njit(cache=True, nogil=True)
def complete_link(count: int, u: _Ints, v: _Ints, s: _Ints) -> _Ints:
    """Return each node's group, named by its smallest node, under complete link.

    The pairs ``u < v`` are all that may share a group: two groups merge only if every pair across
    is there.
    """
    rep = np.arange(count)
    while len(u) > 0:
        merged = np.zeros(count, np.bool_)
        for e in _reciprocal(u, v, s, np.ones(len(u), np.int64), count):
            rep[v[e]] = u[e]
            merged[u[e]] = merged[v[e]] = True
        keep, stale, values = _contract(u, v, s, rep, merged)
        fresh_u, fresh_v, fresh_s = _complete_edges(stale, values, merged)
        u, v, s = _renewed(u, keep, fresh_u), _renewed(v, keep, fresh_v), _renewed(s, keep, fresh_s)
    return _flatten(rep)


@njit(cache=True, nogil=True)
def _flatten(parent: _Ints) -> _Ints:
    """Return the root of every node, where parents have smaller numbers than their children."""
    root = parent.copy()
    for i in range(len(root)):
        root[i] = root[root[i]]
    return root


@njit(cache=True, nogil=True)
def _compare(a: int, b: int, c: int, d: int) -> int:
    """Return the sign of ``a / b - c / d`` (``b``, ``d`` > 0), exact and without overflow."""
    gap = a / b - c / d
    if abs(gap) > _CERTAIN:
        return 1 if gap > 0 else -1
    sign = 1
    while True:
        x, y = a // b, c // d
        if x != y:
            return sign if x > y else -sign
        a, c = a - x * b, c - y * d
        if a == 0 or c == 0:
            return sign * (int(a > 0) - int(c > 0))
        a, b, c, d = b, a, d, c  # reciprocals of the remainders: the order turns round
        sign = -sign


@njit(cache=True, nogil=True)
def _closer(e: int, f: int, u: _Ints, v: _Ints, s: _Ints, pairs: _Ints) -> bool:
    """Return whether edge ``e`` beats ``f`` for the node they share (``f`` < 0: no edge yet)."""
    if f < 0:
        return True
    sign = _compare(s[e], pairs[e], s[f], pairs[f])
    # The shared node cancels out: the smaller sum has the smaller other end.
    return sign > 0 or (sign == 0 and u[e] + v[e] < u[f] + v[f])


@njit(cache=True, nogil=True)
def _reciprocal(u: _Ints, v: _Ints, s: _Ints, pairs: _Ints, count: int) -> _Ints:
    """Return the edges (similarity ``s / pairs``) that are the nearest of both their ends."""
    best = np.full(count, -1, np.int64)
    for e in range(len(u)):
        if _closer(e, best[u[e]], u, v, s, pairs):
            best[u[e]] = e
        if _closer(e, best[v[e]], u, v, s, pairs):
            best[v[e]] = e
    found = 0
    both = np.empty(len(u), np.int64)
    for e in range(len(u)):
        if best[u[e]] == e and best[v[e]] == e:
            both[found] = e
            found += 1
    return both[:found]


@njit(cache=True, nogil=True)
def _contract(
    u: _Ints, v: _Ints, s: _Ints, rep: _Ints, merged: _Flags
) -> tuple[_Flags, _Ints, _Ints]:
    """Return which edges no merge touches; of the others new ends (``a * n + b``) and values."""
    keep = np.zeros(len(u), np.bool_)
    stale = np.empty(len(u), np.int64)
    values = np.empty(len(u), np.int64)
    found = 0
    for e in range(len(u)):
        a, b = rep[u[e]], rep[v[e]]
        if a == b:
            continue
        if not (merged[a] or merged[b]):
            keep[e] = True
            continue
        stale[found] = min(a, b) * len(rep) + max(a, b)
        values[found] = s[e]
        found += 1
    return keep, stale[:found], values[:found]


@njit(cache=True, nogil=True)
def _renewed(old: _Ints, keep: _Flags, fresh: _Ints) -> _Ints:
    """Return the kept values, then the fresh ones.

    In loops, because numba takes seconds to compile assignments to slices.
    """
    values = np.empty(len(old) + len(fresh), np.int64)
    found = 0
    for e in range(len(old)):
        if keep[e]:
            values[found] = old[e]
            found += 1
    for value in fresh:
        values[found] = value
        found += 1
    return values[:found]


@njit(cache=True, nogil=True)
def _order(keys: _Ints) -> _Ints:
    """Return the places of ``keys`` in ascending order.

    The one sort of this module: each takes a second to compile.
    """
    order: _Ints = np.argsort(keys)
    return order


@njit(cache=True, nogil=True)
def _barred_keys(barred: _Ints, rep: _Ints) -> _Ints:
    """Move the barred pairs to the merged nodes, in place; return them as keys ``a * n + b``."""
    keys = np.empty(barred.shape[1], np.int64)
    for i in range(len(keys)):
        a, b = rep[barred[0, i]], rep[barred[1, i]]
        barred[0, i], barred[1, i] = a, b
        keys[i] = min(a, b) * len(rep) + max(a, b)
    return keys


@njit(cache=True, nogil=True)
def _admitted(keys: _Ints, banned: _Ints) -> _Ints:
    """Return the distinct keys that are not banned, ascending."""
    free = np.empty(len(keys), np.int64)
    banned = banned[_order(banned)]
    found = place = 0
    for key in keys[_order(keys)]:
        while place < len(banned) and banned[place] < key:
            place += 1
        if place < len(banned) and banned[place] == key:
            continue
        if found == 0 or free[found - 1] != key:
            free[found] = key
            found += 1
    return free[:found]


@njit(cache=True, nogil=True)
def _average_edges(
    keys: _Ints, sums: _Ints, counts: _Ints, limit: int
) -> tuple[_Ints, _Ints, _Ints]:
    """Return the edges of ``keys`` whose mean similarity reaches ``limit``, and their totals."""
    u = np.empty(len(keys), np.int64)
    v = np.empty(len(keys), np.int64)
    s = np.empty(len(keys), np.int64)
    found = 0
    for key in keys:
        a, b = key // len(sums), key % len(sums)
        pairs = counts[a] * counts[b]
        if pairs > MAX_CLUSTER_PAIRS:
            raise OverflowError(
                "two clusters have more than 2**34 pairs: similarities overflow int64"
            )
        total = np.int64(0)
        for k in range(sums.shape[1]):
            total += sums[a, k] * sums[b, k]
        if total >= limit * pairs:
            u[found], v[found], s[found] = a, b, total
            found += 1
    return u[:found], v[:found], s[:found]


@njit(cache=True, nogil=True)
def _complete_edges(keys: _Ints, values: _Ints, merged: _Flags) -> tuple[_Ints, _Ints, _Ints]:
    """Return the edges that lead to all parts of both ends, with the least similarity of each."""
    order = _order(keys)
    u = np.empty(len(keys), np.int64)
    v = np.empty(len(keys), np.int64)
    s = np.empty(len(keys), np.int64)
    found = start = 0
    for stop in range(1, len(keys) + 1):
        if stop < len(keys) and keys[order[stop]] == keys[order[start]]:
            continue
        a, b = keys[order[start]] // len(merged), keys[order[start]] % len(merged)
        if stop - start == (1 + merged[a]) * (1 + merged[b]):
            u[found], v[found], s[found] = a, b, values[order[start]]
            for place in order[start + 1 : stop]:
                s[found] = min(s[found], values[place])
            found += 1
        start = stop
    return u[:found], v[:found], s[:found]
