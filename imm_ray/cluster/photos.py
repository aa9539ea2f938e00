"""Which faces share a photo, and which of them can not be one person."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors
from imm_ray.cluster.graph import Slots
from imm_ray.model.image import Image, column

ALONE = -1
"""The photo of a face that has its photo to itself."""


class Photos:
    """Two faces of one photo are two people, unless they look alike to at least ``same_photo``.

    A mirror, a collage or a picture in the picture shows one person twice. Only photos with several
    faces cost anything.
    """

    def __init__(self, same_photo: int) -> None:
        self._same_photo = same_photo
        self._photo_of: NDArray[np.int64] = np.empty(0, np.int64)
        self._faces: dict[int, list[int]] = {}
        self._alike: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._faces)

    def reserve(self, slots: int) -> None:
        """Make room for slots below ``slots``."""
        have = len(self._photo_of)
        if slots > have:
            self._photo_of.resize(max(slots, have + have // 4, 1024), refcheck=False)
            self._photo_of[have:] = ALONE

    def insert(self, slots: Slots, photos: NDArray[np.int64], vectors: FixedVectors) -> None:
        """Add faces whose photos hold several; those of one photo come together."""
        self._photo_of[slots] = photos
        here: dict[int, list[int]] = {}
        for row, photo in enumerate(photos.tolist()):
            here.setdefault(photo, []).append(row)
        for photo, rows in here.items():
            together = slots[rows].tolist()
            self._faces.setdefault(photo, []).extend(together)
            wide = vectors[rows].astype(np.int64)
            near = wide @ wide.T >= self._same_photo
            self._alike.update(
                _pair(together[i], together[j])
                for i, j in combinations(range(len(rows)), 2)
                if near[i, j]
            )

    def remove(self, slots: Slots) -> None:
        """Forget faces."""
        for slot in slots[self._photo_of[slots] != ALONE].tolist():
            faces = self._faces[int(self._photo_of[slot])]
            faces.remove(slot)
            self._alike.difference_update(_pair(slot, other) for other in faces)
            if not faces:
                del self._faces[int(self._photo_of[slot])]
            self._photo_of[slot] = ALONE

    def state(self, size: int) -> Image:
        """Return the photos of the slots below ``size``, and who looks alike there."""
        alike = np.array(sorted(self._alike), np.int64).reshape(-1, 2)
        return Image({"photo": column(self._photo_of, size, ALONE)}, {"alike": alike})

    def restore(self, image: Image) -> None:
        """Take over a `state`."""
        self._photo_of = image.columns["photo"]
        self._alike = {(a, b) for a, b in image.facts["alike"].tolist()}
        self._faces = {}
        crowded = np.flatnonzero(self._photo_of != ALONE)
        for slot, photo in zip(crowded.tolist(), self._photo_of[crowded].tolist(), strict=True):
            self._faces.setdefault(photo, []).append(slot)

    def conflict(self, a: int, b: int) -> bool:
        """Return whether two faces are two people of one photo."""
        shared = self._photo_of[a] != ALONE and self._photo_of[a] == self._photo_of[b]
        return bool(shared) and _pair(a, b) not in self._alike

    def passed(self, a: int, b: int) -> bool:
        """Return whether two faces of one photo look alike enough to be one person."""
        return _pair(a, b) in self._alike

    def rivals(self, slot: int) -> list[int]:
        """Return the faces that are other people because they share the photo of ``slot``."""
        others = self._faces.get(int(self._photo_of[slot]), ())
        return [other for other in others if other != slot and not self.passed(slot, other)]

    def conflicts(self, slots: Slots, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the pairs of nodes, ``(2, c)``, that hold two people of one photo.

        ``nodes[i]`` is where the face ``slots[i]`` is.
        """
        crowded = np.flatnonzero(self._photo_of[slots] != ALONE)
        photos = self._photo_of[slots[crowded]]
        order = np.argsort(photos, kind="stable")
        cuts = np.flatnonzero(np.diff(photos[order])) + 1
        pairs = [
            _pair(int(nodes[i]), int(nodes[j]))
            for rows in np.split(crowded[order], cuts)
            if len(rows) > 1
            for i, j in combinations(rows.tolist(), 2)
            if nodes[i] != nodes[j] and not self.passed(int(slots[i]), int(slots[j]))
        ]
        return np.array(sorted(set(pairs)), np.int64).reshape(-1, 2).T.copy()


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)
