"""Compiled loops: agglomeration by reciprocal nearest pairs.

Kernels call those of their own module only, because numba's disk cache notices changes of a
kernel's own file only. They compile at their first call, for the signatures that `warmup` knows;
the cache is in ``NUMBA_CACHE_DIR`` where that is set, so the package's folder need not be writable.

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

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors

MAX_MEMBERS = 129_000
"""Items of one cluster at most: their sum fits 32 bits per component, and the product of two such
sums 64 (see ``fixed``). Larger clusters stay two."""
_CERTAIN = 2.0**-16  # two float64 quotients below 2**29 err by less than 2**-21 together

_Ids = NDArray[np.int32]
_Ints = NDArray[np.int64]
_Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def average_link(
    vectors: FixedVectors,
    sums: _Ids,
    source: _Ints,
    counts: _Ints,
    owners: _Ids,
    u: _Ids,
    v: _Ids,
    s: _Ints,
    limit: int,
    barred: _Ints,
) -> _Ints:
    """Return each node's group, named by its smallest node, under average link cut at ``limit``.

    Parameters
    ----------
    vectors, sums, source
        A node is one item, row ``~source`` of ``vectors``, or a cluster, whose sum of vectors is
        row ``source`` of ``sums``. ``sums`` has room for one more row for each two items; it is
        used up.
    counts
        Items of each node; used up.
    owners
        Nodes of different owners other than 0 must not share a group; used up.
    u, v, s
        All pairs ``u < v`` whose mean similarity reaches ``limit``, with its sum ``s``, that may
        share a group.
    barred
        ``(2, c)``: further pairs that must not share a group; used up.
    """
    rep = np.arange(len(source))
    spare = _spare_rows(source, len(sums))
    spares = len(spare)
    means = _means(u, v, s, counts)
    while len(u) > 0:
        merged = np.zeros(len(source), np.bool_)
        for e in _reciprocal(u, v, s, means, counts):
            a, b = u[e], v[e]
            rep[b] = a
            merged[a] = merged[b] = True
            counts[a] += counts[b]
            owners[a] = max(owners[a], owners[b])
            spares = _unite(vectors, sums, source, a, b, spare, spares)
        keep, stale, values = _contract(u, v, s, rep, merged)
        keys, totals, known = _united(stale, values, _barred_keys(barred, rep), merged)
        fresh_u, fresh_v, fresh_s = average_edges(
            keys, totals, known, vectors, sums, source, counts, owners, limit
        )
        means = _renewed(means, keep, _means(fresh_u, fresh_v, fresh_s, counts))
        u, v, s = _renewed(u, keep, fresh_u), _renewed(v, keep, fresh_v), _renewed(s, keep, fresh_s)
    return _flatten(rep)


@njit(cache=True, nogil=True)
def _spare_rows(source: _Ints, rows: int) -> _Ints:
    """Return the rows of sums that no node uses, the last one first."""
    used = np.zeros(rows, np.bool_)
    for row in source:
        if row >= 0:
            used[row] = True
    spare = np.empty(rows, np.int64)
    found = 0
    for row in range(rows - 1, -1, -1):
        if not used[row]:
            spare[found] = row
            found += 1
    return spare[:found]


@njit(cache=True, nogil=True)
def _unite(
    vectors: FixedVectors, sums: _Ids, source: _Ints, a: int, b: int, spare: _Ints, spares: int
) -> int:
    """Make node ``a`` the sum of both; return how many spare rows are left."""
    x, y = source[a], source[b]
    if x < 0 and y < 0:
        spares -= 1
        row = spare[spares]
        source[a] = row
        for k in range(sums.shape[1]):
            sums[row, k] = np.int32(vectors[~x, k]) + np.int32(vectors[~y, k])
    elif x >= 0 and y >= 0:
        for k in range(sums.shape[1]):
            sums[x, k] += sums[y, k]
        spare[spares] = y
        spares += 1
    else:
        row, item = max(x, y), ~min(x, y)
        source[a] = row
        for k in range(sums.shape[1]):
            sums[row, k] += vectors[item, k]
    return spares


@njit(cache=True, nogil=True)
def _product(vectors: FixedVectors, sums: _Ids, x: int, y: int) -> int:
    """Return the sum of similarities over all pairs across two nodes of sources ``x``, ``y``."""
    total = np.int64(0)
    if x >= 0 and y >= 0:
        a, b = sums[x], sums[y]
        for k in range(len(a)):
            total += np.int64(a[k]) * np.int64(b[k])
    elif x < 0 and y < 0:
        p, q = vectors[~x], vectors[~y]
        for k in range(len(p)):
            total += np.int64(np.int32(p[k]) * np.int32(q[k]))
    else:
        a, p = sums[max(x, y)], vectors[~min(x, y)]
        for k in range(len(a)):
            total += np.int64(a[k]) * np.int64(p[k])
    return int(total)


@njit(cache=True, nogil=True)
def products(vectors: FixedVectors, sums: _Ids, source: _Ints, u: _Ids, v: _Ids) -> _Ints:
    """Return the sum of similarities over all pairs across nodes ``u[i]`` and ``v[i]``."""
    found = np.empty(len(u), np.int64)
    for i in range(len(u)):
        found[i] = _product(vectors, sums, source[u[i]], source[v[i]])
    return found


@njit(cache=True, nogil=True)
def _united(
    keys: _Ints, values: _Ints, banned: _Ints, merged: _Flags
) -> tuple[_Ints, _Ints, _Flags]:
    """Return the distinct keys that are not banned, with what their parts add up to.

    The sum over all pairs across two united nodes is known when all their parts had edges; else
    some part is missing and the sum must be computed.
    """
    order = _order(keys)
    banned = banned[_order(banned)]
    free = np.empty(len(keys), np.int64)
    totals = np.empty(len(keys), np.int64)
    known = np.empty(len(keys), np.bool_)
    found = start = place = 0
    for stop in range(1, len(keys) + 1):
        key = keys[order[start]]
        if stop < len(keys) and keys[order[stop]] == key:
            continue
        while place < len(banned) and banned[place] < key:
            place += 1
        if place == len(banned) or banned[place] != key:
            total = np.int64(0)
            for i in range(start, stop):
                total += values[order[i]]
            a, b = key // len(merged), key % len(merged)
            free[found], totals[found] = key, total
            known[found] = stop - start == (1 + merged[a]) * (1 + merged[b])
            found += 1
        start = stop
    return free[:found], totals[:found], known[:found]


@njit(cache=True, nogil=True)
def average_edges(
    keys: _Ints,
    totals: _Ints,
    known: _Flags,
    vectors: FixedVectors,
    sums: _Ids,
    source: _Ints,
    counts: _Ints,
    owners: _Ids,
    limit: int,
) -> tuple[_Ids, _Ids, _Ints]:
    """Return the pairs ``a * n + b`` of ``keys`` that may merge, and their sums of similarities.

    They may when their mean similarity reaches ``limit``, no two owners meet, and the sum of their
    vectors fits 32 bits. Where the sum is ``known`` it is in ``totals``.
    """
    n = len(source)
    u = np.empty(len(keys), np.int32)
    v = np.empty(len(keys), np.int32)
    s = np.empty(len(keys), np.int64)
    found = 0
    for i in range(len(keys)):
        a, b = keys[i] // n, keys[i] % n
        if owners[a] != owners[b] and owners[a] != 0 and owners[b] != 0:
            continue
        if counts[a] + counts[b] > MAX_MEMBERS:
            continue
        total = totals[i] if known[i] else _product(vectors, sums, source[a], source[b])
        if total >= limit * counts[a] * counts[b]:
            u[found], v[found], s[found] = a, b, total
            found += 1
    return u[:found], v[:found], s[:found]


@njit(cache=True, nogil=True)
def complete_link(count: int, u: _Ids, v: _Ids, s: _Ints) -> _Ints:
    """Return each node's group, named by its smallest node, under complete link.

    The pairs ``u < v`` are all that may share a group: two groups merge only if every pair across
    is there.
    """
    rep = np.arange(count)
    ones = np.ones(count, np.int64)
    means = _means(u, v, s, ones)
    while len(u) > 0:
        merged = np.zeros(count, np.bool_)
        for e in _reciprocal(u, v, s, means, ones):
            rep[v[e]] = u[e]
            merged[u[e]] = merged[v[e]] = True
        keep, stale, values = _contract(u, v, s, rep, merged)
        fresh_u, fresh_v, fresh_s = _complete_edges(stale, values, merged)
        means = _renewed(means, keep, _means(fresh_u, fresh_v, fresh_s, ones))
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
def _means(u: _Ids, v: _Ids, s: _Ints, counts: _Ints) -> NDArray[np.float64]:
    """Return the mean over all pairs of each edge, rounded."""
    means = np.empty(len(u), np.float64)
    for e in range(len(u)):
        means[e] = s[e] / (counts[u[e]] * counts[v[e]])
    return means


@njit(cache=True, nogil=True)
def _closer(e: int, f: int, u: _Ids, v: _Ids, s: _Ints, counts: _Ints) -> bool:
    """Return whether edge ``e`` beats ``f``, of nearly equal mean, for the node they share.

    That is decided exactly, and between equal means by the smaller other end.
    """
    sign = _compare(s[e], counts[u[e]] * counts[v[e]], s[f], counts[u[f]] * counts[v[f]])
    # The shared node cancels out: the smaller sum has the smaller other end.
    return sign > 0 or (sign == 0 and u[e] + v[e] < u[f] + v[f])


@njit(cache=True, nogil=True)
def _reciprocal(u: _Ids, v: _Ids, s: _Ints, means: NDArray[np.float64], counts: _Ints) -> _Ints:
    """Return the edges that are the nearest of both their ends."""
    best = np.full(len(counts), -1, np.int64)
    nearest = np.full(len(counts), -np.inf)
    for e in range(len(u)):
        for node in (u[e], v[e]):
            gap = means[e] - nearest[node]
            if gap > _CERTAIN or (gap >= -_CERTAIN and _closer(e, best[node], u, v, s, counts)):
                best[node], nearest[node] = e, means[e]
    found = 0
    both = np.empty(len(u), np.int64)
    for e in range(len(u)):
        if best[u[e]] == e and best[v[e]] == e:
            both[found] = e
            found += 1
    return both[:found]


@njit(cache=True, nogil=True)
def _contract(
    u: _Ids, v: _Ids, s: _Ints, rep: _Ints, merged: _Flags
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
def _renewed(old: NDArray[Any], keep: _Flags, fresh: NDArray[Any]) -> NDArray[Any]:
    """Return the kept values, then the fresh ones.

    In loops, because numba takes seconds to compile assignments to slices.
    """
    values = np.empty(len(old) + len(fresh), old.dtype)
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
def _complete_edges(keys: _Ints, values: _Ints, merged: _Flags) -> tuple[_Ids, _Ids, _Ints]:
    """Return the edges that lead to all parts of both ends, with the least similarity of each."""
    order = _order(keys)
    u = np.empty(len(keys), np.int32)
    v = np.empty(len(keys), np.int32)
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
