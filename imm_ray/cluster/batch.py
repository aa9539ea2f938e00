"""Clustering everything at once: what the incremental engine must come to."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.base_clusterer import BaseClusterer
from imm_ray.cluster.content import content_keys
from imm_ray.cluster.fixed import FixedVectors, quantise, search_cosine
from imm_ray.cluster.followers import Followers
from imm_ray.cluster.graph import Slots
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.lists import WIDTH, RatedPairs
from imm_ray.cluster.newcomers import Newcomers
from imm_ray.cluster.overlay import Overlay
from imm_ray.cluster.photos import ALONE
from imm_ray.model import Vectors

_AT_ONCE = 512


class SearchableVectors(Protocol):
    """An index that holds item ``i`` under slot ``i``."""

    def within(self, vectors: Vectors, cosine: float) -> RatedPairs:
        """Return every stored item at ``cosine`` or nearer to each query."""


def cluster_figures(
    vectors: Vectors,
    *,
    limits: FigureLimits,
    index: SearchableVectors,
    photos: NDArray[np.int64] | None = None,
    core: NDArray[np.bool_] | None = None,
    width: int = WIDTH,
) -> NDArray[np.int64]:
    """Return the person of each face: shape ``(n,)``, persons numbered from 0.

    Parameters
    ----------
    photos
        A number of the photo of each face.
    core
        Which faces are good enough to found and join; the others only follow. A follower whom
        nobody takes is a person of its own here.
    """
    fixed = quantise(vectors)
    core = np.ones(len(vectors), np.bool_) if core is None else core

    def of(slots: Slots) -> FixedVectors:
        return fixed[slots]

    clusterer = BaseClusterer(limits, dimension=vectors.shape[1], fixed=of, width=width)
    shared = _shared(np.arange(len(vectors)) if photos is None else photos)
    keys = content_keys(fixed)
    for slots in _whole_photos(shared):
        found = index.within(vectors[slots], search_cosine(limits.threshold, vectors.shape[1]))
        clusterer.insert(Newcomers(slots, keys[slots], core[slots], shared[slots]), found)
    changed, _ = clusterer.consolidate()
    overlay = Overlay(clusterer.graph, limits)
    overlay.update(changed)
    followers = Followers(clusterer.graph, limits)
    followers.update(np.flatnonzero(~core), overlay)
    labels = np.full(len(vectors), -1, np.int64)
    for person, numbers in enumerate(overlay.persons(clusterer.base.numbers())):
        labels[clusterer.base.members(np.array(numbers, np.int64))] = person
        labels[followers.of(numbers)] = person
    alone = np.flatnonzero(labels < 0)
    labels[alone] = labels.max(initial=-1) + 1 + np.arange(len(alone))
    return labels


def _shared(photos: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the photo of each face, ``ALONE`` where it is the only one there."""
    _, at, counts = np.unique(photos, return_inverse=True, return_counts=True)
    return np.where(counts[at] > 1, at, ALONE)


def _whole_photos(photos: NDArray[np.int64]) -> list[Slots]:
    """Return portions of all slots that do not part a photo."""
    order = np.argsort(photos, kind="stable")
    starts = np.flatnonzero(np.diff(photos[order], prepend=-2) | (photos[order] == ALONE))
    cuts = starts[np.searchsorted(starts, np.arange(_AT_ONCE, len(order), _AT_ONCE)) - 1]
    return [part for part in np.split(order, np.unique(cuts)) if len(part)]
