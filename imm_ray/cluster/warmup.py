"""Compiles the numba kernels, or loads them from the cache, before the first run needs them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.content import content_keys
from imm_ray.cluster.figures import FigureClusterer
from imm_ray.cluster.fixed import UNIT, FixedVectors, fixed_of
from imm_ray.cluster.graph import Slots
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.list_kernels import marks_of_runs
from imm_ray.cluster.newcomers import Newcomers
from imm_ray.cluster.photos import ALONE
from imm_ray.cluster.similar import SimilarClusterer

_log = logging.getLogger(__name__)

_LIMITS = FigureLimits(
    threshold=UNIT // 2,
    margin=UNIT // 16,
    same_photo=UNIT,
    strong=UNIT // 2,
    strong_share=0.5,
    second_mean=0,
    second_smallest=1,
)
_Clusterer: TypeAlias = FigureClusterer | SimilarClusterer

_DIMENSION = 4
_MOST_KERNELS = 200  # each may fail once
_ITEMS = 24


def compile_kernels() -> None:
    """Have every kernel compiled for all that runs will do; seconds where no cache exists.

    Tiny clusterers go through inserts, runs, removals and consolidation: kernels compile for the
    types of array that they are given, and so they are given what runs give them.

    A kernel whose machine code can not be cached (the disk is full) works all the same, but the
    call that compiled it fails: such calls are made here, so that none fails in a run.
    """
    for _ in range(_MOST_KERNELS):
        try:
            _use_all()
        except OSError as error:
            _log.warning("compiled code not cached, so each process compiles again: %s", error)
        else:
            return


def _use_all() -> None:
    figures = partial(FigureClusterer, _LIMITS, dimension=_DIMENSION, fixed=_fixed)
    images = partial(SimilarClusterer, _LIMITS.threshold, dimension=_DIMENSION, fixed=_fixed)
    makers: list[Callable[[], _Clusterer]] = [
        partial(figures, width=4, exact_items=0),
        figures,
        partial(images, guard=2),
        images,
    ]
    for make in makers:
        clusterer = make()
        _live(clusterer)
        _restore(make(), clusterer)


@dataclass(frozen=True, slots=True)
class _AllPairs:
    """Every pair of a query and an item."""

    query_rows: NDArray[np.int64]
    slots: Slots
    cosines: NDArray[np.float32]

    @classmethod
    def of(cls, queries: Slots, stored: Slots) -> "_AllPairs":
        cosines = _vectors(queries) @ _vectors(stored).T
        rows, columns = np.nonzero(cosines >= -1)
        return cls(rows, stored[columns], cosines[rows, columns])


def _vectors(slots: Slots) -> NDArray[np.float32]:
    """Return vectors of two people, with a little that tells each face from the others."""
    spread = np.sin(np.outer(slots + 1, np.arange(1, _DIMENSION + 1))) / 2
    vectors = np.eye(_DIMENSION)[slots % 2] + spread
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def _fixed(slots: Slots) -> FixedVectors:
    return fixed_of(_vectors(slots))


def _live(clusterer: _Clusterer) -> None:
    """Take a clusterer through everything that an engine asks of it."""
    slots = np.arange(_ITEMS)
    for part in np.split(slots, 3):
        core = part % 5 > 0
        photos = np.where(part % 4 > 1, part // 4, ALONE)
        new = Newcomers(part, content_keys(_fixed(part)), core, photos)
        clusterer.insert(new, _AllPairs.of(part, slots[: part[-1] + 1]))
        clusterer.run()
    if isinstance(clusterer, FigureClusterer):
        clusterer.pin(1, 1)
        clusterer.explain(1, 2)
    gone, left = np.arange(0, _ITEMS, 2), np.arange(1, _ITEMS, 2)
    clusterer.remove(gone)
    clusterer.refill(left, _AllPairs.of(left, left))
    clusterer.run()
    clusterer.freed()
    clusterer.consolidate()
    clusterer.means(left)


def _restore(
    empty: FigureClusterer | SimilarClusterer, lived: FigureClusterer | SimilarClusterer
) -> None:
    """Take a clusterer over what another has, as from a snapshot."""
    empty.restore(lived.state(_ITEMS), {owner: owner for owner in lived.owners()})
    rows = lived.rows(np.arange(1, _ITEMS, 2))
    empty.put_rows(rows)
    empty.resume()
    empty.marks(_ITEMS)
    marks_of_runs(rows.ids, rows.similarities, rows.counts)
