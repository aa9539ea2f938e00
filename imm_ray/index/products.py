"""FAISS's brute-force kernels over arrays that we own."""

import faiss
import numpy as np
from numpy.typing import NDArray

from imm_ray.index.candidates import Candidates, Wide

PAIRS_AT_ONCE = 2**20
"""Pairs compared by one call at most, for results of some 50 MB when everything is near."""
_QUERIES_AT_ONCE = 512
_FEW = 8  # queries for which FAISS is faster with the roles as they are
_FAST = 2**17  # number of queries times dimension from which FAISS is seven times faster
_TIMES_FASTER = 7


def within_rows(queries: Wide, stored: Wide, cosine: float, *, threads: int) -> Candidates:
    """Return the pairs of a query and a row of ``stored`` at ``cosine`` or over, in no order.

    ``len(queries) * len(stored)`` must not be over PAIRS_AT_ONCE.

    Notes
    -----
    Stored rows take the part of FAISS's queries: its matrix product is up to six times slower for
    32 to 255 queries against many rows than for many queries against few rows (FAISS 1.15, measured
    on one core: 65 against 12 ns for a pair of 512-d vectors).
    """
    if len(queries) < _FEW:
        rows, found, cosines = _over(queries, stored, cosine, threads)
        return Candidates(rows, found, cosines)
    found, rows, cosines = _over(stored, queries, cosine, threads)
    return Candidates(rows, found, cosines)


def tiles(queries: int, stored: int) -> list[tuple[slice, list[slice]]]:
    """Return slices of queries, and for each the slices of stored rows to compare them with."""
    parts = []
    for start in range(0, queries, _QUERIES_AT_ONCE):
        stop = min(queries, start + _QUERIES_AT_ONCE)
        step = PAIRS_AT_ONCE // (stop - start)
        blocks = [slice(row, min(stored, row + step)) for row in range(0, stored, step)]
        parts.append((slice(start, stop), blocks))
    return parts


def nearest_rows(
    queries: Wide, stored: Wide, k: int, *, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return cosines and row numbers of the ``min(k, stored)`` nearest rows of each query.

    Notes
    -----
    The slowness that `within_rows` avoids is avoided here by adding queries of zeros, where that
    pays.
    """
    k = min(k, len(stored))
    if k <= 0 or not len(queries):
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    faiss.omp_set_num_threads(threads)
    count, fast = len(queries), _FAST // queries.shape[1]
    if fast // _TIMES_FASTER <= count < fast:
        more = np.zeros((fast - count, queries.shape[1]), np.float32)
        queries = np.concatenate((queries, more))
    cosines, rows = faiss.knn(queries, stored, k, metric=faiss.METRIC_INNER_PRODUCT)
    return cosines[:count], rows[:count]


def _over(
    left: Wide, right: Wide, cosine: float, threads: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    # OpenMP's thread number belongs to the calling thread, so it is set by every call.
    faiss.omp_set_num_threads(threads)
    # FAISS keeps what is strictly over the radius.
    radius = float(np.nextafter(np.float32(cosine), np.float32(-2)))
    result = faiss.RangeSearchResult(len(left))
    faiss.range_search_inner_product(
        faiss.swig_ptr(left),
        faiss.swig_ptr(right),
        left.shape[1],
        len(left),
        len(right),
        radius,
        result,
    )
    ends = faiss.rev_swig_ptr(result.lims, len(left) + 1).astype(np.int64)
    count = int(ends[-1])
    if not count:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    return (
        np.repeat(np.arange(len(left)), np.diff(ends)),
        faiss.rev_swig_ptr(result.labels, count).copy(),
        faiss.rev_swig_ptr(result.distances, count).copy(),
    )
