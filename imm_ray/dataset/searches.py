"""Questions about what is indexed: nearest items, the cluster of a face, why two are together."""

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors, quantise, to_cosine, to_fixed
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.places import NOWHERE
from imm_ray.dataset.ports import Slots
from imm_ray.model import (
    ClusterKind,
    Explained,
    FaceFound,
    Found,
    Near,
    NearCluster,
    Search,
    Vector,
)

_MOST_CLUSTERS = 32  # of the nearest: who is nearest of all is among them
_MOST_MEMBERS = 4096  # bounds the time for a cluster of any size


class Searches:
    """Answers from the collections of one dataset; changes nothing.

    Notes
    -----
    A face belongs to a cluster by the rule for faces that follow: its mean similarity to the good
    faces must reach the threshold. A person may be made of several base clusters that are not alike
    (a child, a grown-up), so the mean is not over all faces but over those that are at least the
    threshold alike to the one nearest to the question: its part of the cluster. That needs no
    graph, so a dataset can be searched as soon as it is loaded. The cost is one search of the index
    and, for each near cluster, its faces.
    """

    def __init__(self, collections: dict[ClusterKind, Collection]) -> None:
        self._figures = collections[ClusterKind.FIGURE]
        self._images = collections[ClusterKind.SIMILAR]

    def search(self, wanted: Search) -> Found:
        """Return what is nearest to vectors; one that a model got wrong is near nothing."""
        return Found(
            faces=tuple(self._face(vector, wanted.faces_each) for vector in wanted.faces),
            images=self._near_images(wanted),
        )

    def explain_images(self, a: str, b: str) -> Explained | None:
        """Return why two pictures are in one group of similar ones or not; None when unknown."""
        images = self._images
        slots = [images.items.slot_of(item_id) for item_id in (a, b)]
        if any(slot is None or images.is_new(slot) for slot in slots):
            return None
        ends = np.array(slots, np.int64)
        vectors = images.fixed(images.heads(ends)).astype(np.int64)
        similarity = int(vectors[0] @ vectors[1])
        numbers = images.places.of(ends).tolist()
        together = numbers[0] == numbers[1] != NOWHERE
        reason = _reason(together, similarity >= to_fixed(images.threshold), numbers)
        sizes = [images.places.size(number) if number != NOWHERE else 1 for number in numbers]
        verdict = "In one group" if together else "Not in one group"
        sentence = (
            f"{verdict}: {_WHY[reason]} (the two pictures {to_cosine(similarity):.3f}; threshold "
            f"{images.threshold:.3f}; groups of {sizes[0]} and {sizes[1]})."
        )
        return Explained(
            together=together,
            reason=reason,
            sentence=sentence,
            similarity=to_cosine(similarity),
            threshold=images.threshold,
            group_sizes=(sizes[0], sizes[1]),
        )

    def _face(self, vector: Vector, most: int) -> FaceFound:
        if not _is_unit(vector):
            return FaceFound()
        return FaceFound(self._cluster(vector), _nearest(self._figures, vector, most))

    def _near_images(self, wanted: Search) -> tuple[Near, ...]:
        if wanted.image is None or not _is_unit(wanted.image):
            return ()
        return _nearest(self._images, wanted.image, wanted.images)

    def _cluster(self, vector: Vector) -> NearCluster | None:
        """Return the cluster that a face belongs to."""
        figures = self._figures
        found = figures.index.within(vector[None], figures.search_cosine)
        order = np.argsort(-found.cosines, kind="stable")
        numbers = figures.places.of(found.slots[order])
        near = [number for number in dict.fromkeys(numbers.tolist()) if number != NOWHERE]
        rated = [(self._likeness(vector, number), number) for number in near[:_MOST_CLUSTERS]]
        rated = [(mean, number) for mean, number in rated if mean >= to_fixed(figures.threshold)]
        if not rated:
            return None
        mean, number = max(rated, key=lambda pair: (pair[0], figures.places.cluster_id(pair[1])))
        return NearCluster(figures.places.cluster_id(number), figures.confidence(to_cosine(mean)))

    def _likeness(self, vector: Vector, number: int) -> float:
        """Return the mean similarity of a face to its part of a cluster, in fixed point."""
        members = self._figures.places.members(number)
        core = members[self._figures.items.core[members]]
        members = core if len(core) else members
        members = members[:: -(-len(members) // _MOST_MEMBERS)]
        vectors = self._figures.fixed(members).astype(np.int64)
        similar = vectors @ quantise(vector[None])[0].astype(np.int64)
        part = vectors @ vectors[int(np.argmax(similar))] >= to_fixed(self._figures.threshold)
        part[int(np.argmax(similar))] = True
        return float(similar[part].mean())


def _nearest(collection: Collection, vector: Vector, most: int) -> tuple[Near, ...]:
    """Return the items most like a vector, the most similar first, equals by id."""
    heads = collection.index.nearest(vector[None], most).slots if most else np.empty(0, np.int64)
    if not len(heads):
        return ()
    slots, of = collection.alike(heads)
    similar = _similarities(collection.fixed(heads), quantise(vector[None]))[of]
    items = collection.items
    rated = sorted(
        zip((-similar).tolist(), items.item_ids(slots), items.file_ids(slots), strict=True)
    )
    return tuple(
        Near(item_id, file_id, collection.confidence(to_cosine(-negative)))
        for negative, item_id, file_id in rated[:most]
    )


def _similarities(vectors: FixedVectors, one: FixedVectors) -> NDArray[np.int64]:
    found: Slots = vectors.astype(np.int64) @ one[0].astype(np.int64)
    return found


def _is_unit(vector: Vector) -> bool:
    try:
        quantise(vector[None])
    except ValueError:
        return False
    return True


def _reason(together: bool, alike: bool, numbers: list[int]) -> str:
    if together:
        return "SameGroup"
    if not alike:
        return "TooDifferent"
    return "Waiting" if numbers == [NOWHERE, NOWHERE] else "MixedGroup"


_WHY = {
    "SameGroup": "all pictures of their group are alike",
    "TooDifferent": "they are less alike than the threshold",
    "MixedGroup": "they are alike, but one group of both would hold two pictures that are not",
    "Waiting": "they are alike, and the next task will look at them",
}
