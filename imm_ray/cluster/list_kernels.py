"""Compiled loops over neighbour lists: compare, keep the best, forget, read a region's edges.

Notes
-----
``ids``, ``similarities`` are ``(slots, width)`` int32, of which the first ``counts[slot]`` hold a
pair, in no order. ``alive[slot]`` is False for removed items that a list may still name. The order
of pairs is (similarity, then smaller content key, then smaller slot).
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors

_Ids = NDArray[np.int32]
_Ints = NDArray[np.int64]
_Counts = NDArray[np.int16]
_Keys = NDArray[np.uint64]
_Flags = NDArray[np.bool_]

NO_PAIR = np.uint64(0xCBF29CE484222325)
"""The mark of an empty list."""


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
def _worst(ids: _Ids, similarities: _Ids, count: int, keys: _Keys, slot: int) -> int:
    """Return the place of the pair that leaves the list first."""
    w = 0
    for j in range(1, count):
        s, t = similarities[slot, j], similarities[slot, w]
        if s > t:
            continue
        a, b = ids[slot, j], ids[slot, w]
        if s < t or keys[a] > keys[b] or (keys[a] == keys[b] and a > b):
            w = j
    return w


@njit(cache=True, nogil=True)
def _enter(
    ids: _Ids,
    similarities: _Ids,
    counts: _Counts,
    capped: _Flags,
    keys: _Keys,
    p: int,
    q: int,
    s: int,
) -> bool:
    """Put the pair into the list of ``p``, in place of the worst one where it is full.

    Return whether it is there now.
    """
    count = counts[p]
    for j in range(count):
        if ids[p, j] == q:
            return True
    if count < ids.shape[1]:
        ids[p, count], similarities[p, count] = q, s
        counts[p] = count + 1
        return True
    capped[p] = True
    w = _worst(ids, similarities, count, keys, p)
    r, t = ids[p, w], similarities[p, w]
    if s > t or (s == t and (keys[q] < keys[r] or (keys[q] == keys[r] and q < r))):
        ids[p, w], similarities[p, w] = q, s
        return True
    return False


@njit(cache=True, nogil=True)
def enlist(
    ids: _Ids,
    similarities: _Ids,
    counts: _Counts,
    capped: _Flags,
    keys: _Keys,
    u: _Ints,
    v: _Ints,
    s: _Ints,
) -> _Flags:
    """Offer each pair to the lists of both its ends; return which are in one of them now."""
    stored = np.empty(len(u), np.bool_)
    for e in range(len(u)):
        there = _enter(ids, similarities, counts, capped, keys, u[e], v[e], s[e])
        back = _enter(ids, similarities, counts, capped, keys, v[e], u[e], s[e])
        stored[e] = there or back
    return stored


@njit(cache=True, nogil=True)
def worth(
    u: _Ints,
    v: _Ints,
    cosines: NDArray[np.float32],
    similarities: _Ids,
    counts: _Counts,
    capped: _Flags,
    error: float,
    least: float,
    unit: int,
) -> _Flags:
    """Return which pairs may enter a list; both ends of the others become capped.

    Pairs are grouped by ``u``, the nearest first. A pair is out when it reaches the threshold
    (surely so from ``least`` on), ``width`` pairs of ``u`` are surely nearer, and the list of ``v``
    is full of surely nearer ones.
    """
    width = similarities.shape[1]
    chosen = np.ones(len(u), np.bool_)
    start = 0
    for e in range(len(u)):
        if u[e] != u[start]:
            start = e
        q = v[e]
        if e - start < width or counts[q] < width or cosines[e] < least:
            continue
        farthest = similarities[q, 0]
        for j in range(1, width):
            farthest = min(farthest, similarities[q, j])
        nearest = min(cosines[start + width - 1] - error, farthest / unit)
        if cosines[e] + error < nearest:
            chosen[e] = False
            capped[u[e]] = capped[q] = True
    return chosen


@njit(cache=True, nogil=True)
def _leave(ids: _Ids, similarities: _Ids, counts: _Counts, p: int, q: int) -> None:
    """Take ``q`` out of the list of ``p``."""
    last = counts[p] - 1
    for j in range(last + 1):
        if ids[p, j] == q:
            ids[p, j], similarities[p, j] = ids[p, last], similarities[p, last]
            counts[p] = last
            return


@njit(cache=True, nogil=True)
def forget(ids: _Ids, similarities: _Ids, counts: _Counts, slots: _Ints) -> None:
    """Take items out of the lists of their neighbours, and empty their own."""
    for q in slots:
        for j in range(counts[q]):
            _leave(ids, similarities, counts, ids[q, j], q)
        counts[q] = 0


@njit(cache=True, nogil=True)
def sweep(ids: _Ids, similarities: _Ids, counts: _Counts, alive: _Flags) -> _Flags:
    """Take every removed item out of every list; return which lists named one."""
    named = np.zeros(len(counts), np.bool_)
    for p in range(len(counts)):
        kept = 0
        for j in range(counts[p]):
            if alive[ids[p, j]]:
                ids[p, kept], similarities[p, kept] = ids[p, j], similarities[p, j]
                kept += 1
        named[p] = kept < counts[p]
        counts[p] = kept
    return named


@njit(cache=True, nogil=True)
def adjacent(
    ids: _Ids, similarities: _Ids, counts: _Counts, alive: _Flags, slots: _Ints, least: int
) -> tuple[_Ints, _Ints]:
    """Return (place in ``slots``, living neighbour) of every pair of at least ``least``."""
    total = 0
    for p in slots:
        total += counts[p]
    places = np.empty(total, np.int64)
    found = np.empty(total, np.int64)
    n = 0
    for i in range(len(slots)):
        p = slots[i]
        for j in range(counts[p]):
            q = ids[p, j]
            if alive[q] and similarities[p, j] >= least:
                places[n], found[n] = i, q
                n += 1
    return places[:n], found[:n]


@njit(cache=True, nogil=True)
def _names(ids: _Ids, count: int, p: int, q: int) -> bool:
    """Return whether the list of ``p`` names ``q``."""
    named = False
    for j in range(count):
        named |= ids[p, j] == q
    return named


@njit(cache=True, nogil=True)
def region_edges(
    ids: _Ids,
    similarities: _Ids,
    counts: _Counts,
    alive: _Flags,
    capped: _Flags,
    slots: _Ints,
    node_of: _Ids,
) -> tuple[_Ids, _Ids, _Ints]:
    """Return each pair among ``slots`` once as nodes ``u < v``, with its similarity.

    ``node_of`` maps slots to nodes, -1 outside. A pair stands in the lists of both ends, unless one
    of them is capped.
    """
    total = 0
    for p in slots:
        for j in range(counts[p]):
            total += node_of[ids[p, j]] >= 0
    u = np.empty(total, np.int32)
    v = np.empty(total, np.int32)
    s = np.empty(total, np.int64)
    n = 0
    for p in slots:
        a = node_of[p]
        for j in range(counts[p]):
            q = ids[p, j]
            b = node_of[q]
            if b < 0 or not alive[q]:
                continue
            if a < b or (capped[q] and not _names(ids, counts[q], q, p)):
                u[n], v[n], s[n] = min(a, b), max(a, b), similarities[p, j]
                n += 1
    return u[:n], v[:n], s[:n]


@njit(cache=True, nogil=True)
def _marked(mark: Any, other: int, similarity: int) -> Any:
    """Return the mark of a list with one pair more."""
    pair = (np.uint64(other) << np.uint64(32)) | (np.uint64(similarity) & np.uint64(0xFFFFFFFF))
    pair = (pair ^ (pair >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    pair = (pair ^ (pair >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mark ^ pair ^ (pair >> np.uint64(31))) * np.uint64(0x100000001B3)


@njit(cache=True, nogil=True)
def marks(ids: _Ids, similarities: _Ids, counts: _Counts) -> _Keys:
    """Return 64 bits of each list: FNV-1a over its pairs, each mixed by the steps of splitmix64."""
    found = np.empty(len(counts), np.uint64)
    for p in range(len(counts)):
        mark = NO_PAIR
        for j in range(counts[p]):
            mark = _marked(mark, ids[p, j], similarities[p, j])
        found[p] = mark
    return found


@njit(cache=True, nogil=True)
def marks_of_runs(ids: _Ids, similarities: _Ids, counts: _Ids) -> _Keys:
    """Return the same of lists that lie one after the other."""
    found = np.empty(len(counts), np.uint64)
    n = 0
    for p in range(len(counts)):
        mark = NO_PAIR
        for _ in range(counts[p]):
            mark = _marked(mark, ids[n], similarities[n])
            n += 1
        found[p] = mark
    return found


@njit(cache=True, nogil=True)
def gathered(ids: _Ids, similarities: _Ids, slots: _Ints, counts: _Ids) -> tuple[_Ids, _Ids]:
    """Return the pairs of lists, list by list."""
    total = 0
    for count in counts:
        total += count
    found = np.empty(total, np.int32)
    near = np.empty(total, np.int32)
    n = 0
    for i in range(len(slots)):
        for j in range(counts[i]):
            found[n], near[n] = ids[slots[i], j], similarities[slots[i], j]
            n += 1
    return found, near


@njit(cache=True, nogil=True)
def put(
    ids: _Ids,
    similarities: _Ids,
    slots: _Ints,
    counts: _Ids,
    found: _Ids,
    near: _Ids,
) -> None:
    """Write pairs into lists, list by list: what `gathered` returned."""
    n = 0
    for i in range(len(slots)):
        for j in range(counts[i]):
            ids[slots[i], j], similarities[slots[i], j] = found[n], near[n]
            n += 1
