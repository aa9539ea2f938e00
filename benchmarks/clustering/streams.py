"""Synthetic vectors as items of a collection, and the collection as a dataset's owner has it."""

import time
import uuid
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.figures import FigureClusterer
from imm_ray.cluster.fixed import fixed_of
from imm_ray.cluster.limits import FigureLimits
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.items import Item
from imm_ray.dataset.places import GroupRule
from imm_ray.dataset.ports import Candidates, VectorIndex
from imm_ray.dataset.representatives import Themselves
from imm_ray.model import ClusterId, FileId, Vectors


class SearchTimer:
    """Counts the seconds of an index's searches from now on."""

    def __init__(self, index: VectorIndex) -> None:
        self.seconds = 0.0
        search = index.within

        def timed(vectors: Vectors, cosine: float) -> Candidates:
            begun = time.perf_counter()
            found = search(vectors, cosine)
            self.seconds += time.perf_counter() - begun
            return found

        index.within = timed  # type: ignore[method-assign]


def figure_collection(index: VectorIndex, limits: FigureLimits, dimension: int) -> Collection:
    """Return an empty collection of faces; a person needs two of them."""
    clusterer = FigureClusterer(
        limits, dimension=dimension, fixed=lambda slots: fixed_of(index.wide(slots))
    )
    rule = GroupRule(
        mint=lambda: ClusterId(f"Cluster-{uuid.uuid4()}"),
        smallest=1,
        good_to_found=2,
        confidence=lambda cosine: cosine,
    )
    return Collection(index, clusterer, Themselves(), rule)


def items(vectors: Vectors, *, first: int, seq: int) -> Iterator[Item]:
    """Yield faces, each in a photo of its own, numbered from ``first``."""
    for number, vector in enumerate(vectors, first):
        name = str(uuid.UUID(int=number + 1))
        yield Item(
            item_id=name,
            file_id=FileId(name),
            seq=seq,
            vector=vector,
            is_good=True,
            quality=1.0,
        )


def shuffled(count: int, seed: int) -> NDArray[np.int64]:
    """Return an order of ``count`` items."""
    return np.random.default_rng(seed).permutation(count)
