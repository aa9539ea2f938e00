"""People, their photos, and what an embedder says of each version of a photo."""

from dataclasses import dataclass

import numpy as np

from imm_ray.model import Indexed, Vector
from imm_ray.testing import face, near, picture
from tests.unit.dataset.owner import DIMENSION

PHOTOS = 16
VERSIONS = 3
LOOK_ALIKES = frozenset({0, 1})
"""Two people who may or may not be one, as the model sees them."""
PEOPLE = 5
POOR, FAIR, GOOD = 0.2, 0.6, 0.95
"""Follows only; takes part but does not found; founds."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """One face in one version of a photo."""

    person: int
    vector: Vector
    quality: float
    left: int


class World:
    """Photos of five people, two of them look-alikes; everything follows from the seed.

    Every third photo shows two people, one shows one person twice in a mirror, and some show a
    face bit by bit as another one does. Version 1 of a photo is another picture of the same scene,
    in version 2 somebody else stands in place of the first person and nobody in that of the second.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        basis, _ = np.linalg.qr(self._rng.normal(size=(DIMENSION, PEOPLE)))
        centres = basis.T
        alike = self._rng.choice([0.6, 0.7, 0.8])
        centres[1] = alike * centres[0] + np.sqrt(1 - alike**2) * centres[1]
        self._centres = centres.astype(np.float16)
        self._scenes = [self._scene(photo) for photo in range(PHOTOS)]

    def portraits(self, photo: int, version: int) -> list[Portrait]:
        """The faces of a photo, from the left."""
        return self._scenes[photo][version]

    def outcome(self, photo: int, version: int) -> Indexed:
        """What an embedder makes of a photo."""
        faces = [
            face(p.vector, left=p.left, quality=p.quality) for p in self.portraits(photo, version)
        ]
        return picture(f"{photo} {version}", *faces)

    def _scene(self, photo: int) -> list[list[Portrait]]:
        first, second = self._rng.choice(PEOPLE, 2, replace=False).tolist()
        cast = [first] if photo % 3 else [first, second]
        qualities = self._rng.choice([GOOD, FAIR, POOR], len(cast), p=[0.7, 0.1, 0.2]).tolist()
        original, retake = (
            [
                self._portrait(person, f"{photo} {version} {place}", quality, 200 * place)
                for place, (person, quality) in enumerate(zip(cast, qualities, strict=True))
            ]
            for version in range(2)
        )
        if photo == 1:  # a mirror
            twin = original[0]
            original.append(Portrait(twin.person, twin.vector, twin.quality, 200))
        other = (first + int(self._rng.integers(1, PEOPLE))) % PEOPLE
        swapped = [self._portrait(other, f"{photo} 2", qualities[0], 0)]
        return [original, retake, swapped]

    def _portrait(self, person: int, seed: str, quality: float, left: int) -> Portrait:
        likeness = "copy" if self._rng.random() < 0.15 else f"{seed} {self._rng.integers(99)}"
        vector = near(self._centres[person], f"{person} {likeness}", 0.93)
        return Portrait(person, vector, quality, left)
