"""All models of one replica: a decoded picture in, figures and vectors out."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imm_ray.embed.align import align
from imm_ray.embed.cards import ModelCard, load_card
from imm_ray.embed.detector import Detection, FaceDetector, YuNetDetector
from imm_ray.embed.face import DlibFaceEmbedder
from imm_ray.embed.image import EfficientNetEmbedder
from imm_ray.embed.image_quality import image_score
from imm_ray.embed.quality import assess_face
from imm_ray.embed.verify import require_intact
from imm_ray.model import Box, DetectedFace, Pixels, Vector


@dataclass(frozen=True, slots=True)
class Seen:
    """What the models see in one picture."""

    faces: tuple[DetectedFace, ...]
    """Boxes in pixels of the full-size picture; the surest first."""
    vector: Vector | None
    """Of the whole picture; None where there is nothing to compare (one colour)."""
    image_score: float


class EmbeddedModels:
    """The models that come with the package. Threads may share it.

    Parameters
    ----------
    face, image
        Names of model cards.

    Raises
    ------
    ValueError
        There is no such card, or not of that kind.
    DamagedModel
        A file is not the one of its card.
    """

    def __init__(self, face: str, image: str) -> None:
        face_card, image_card = _card(face, "face"), _card(image, "image")
        cv2.setNumThreads(1)  # several pictures are analysed at once
        self._detector: FaceDetector = YuNetDetector()
        self._faces = DlibFaceEmbedder(face_card.files[0].path)
        self._images = EfficientNetEmbedder(*(file.path for file in image_card.files))

    def analyze(self, pixels: Pixels, width: int, height: int) -> Seen:
        """Return the faces, the vector and the score of an upright picture.

        Parameters
        ----------
        pixels
            BGR; may be smaller than the picture.
        width, height
            Of the full-size picture.
        """
        found = self._detector.detect(pixels)
        chips = [align(pixels, detection.landmarks) for detection in found]
        vectors = self._faces.embed(chips)
        scale = np.array([width / pixels.shape[1], height / pixels.shape[0]], np.float32)
        faces = tuple(
            _face(detection, chip, vector, scale, (width, height))
            for detection, chip, vector in zip(found, chips, vectors, strict=True)
            if vector.any()
        )
        whole = self._images.embed(pixels)
        return Seen(
            faces=faces,
            vector=None if whole is None else whole.astype(np.float16),
            image_score=image_score(pixels, width, height),
        )


def _card(name: str, kind: str) -> ModelCard:
    card = load_card(name)
    if card.kind != kind:
        raise ValueError(f"the model {name} is for {card.kind}, not for {kind}")
    require_intact(card)
    return card


def _face(
    detection: Detection,
    chip: Pixels,
    vector: NDArray[np.float32],
    scale: NDArray[np.float32],
    size: tuple[int, int],
) -> DetectedFace:
    fitness = assess_face(detection, chip)
    return DetectedFace(
        box=_box(detection.box, scale, size),
        confidence=detection.score,
        quality=fitness.quality,
        sharpness=fitness.sharpness,
        head_pose=fitness.head_pose,
        vector=vector.astype(np.float16),
    )


def _box(box: NDArray[np.float32], scale: NDArray[np.float32], size: tuple[int, int]) -> Box:
    """Return a box in full-size pixels, clipped to the picture, at least one pixel each way."""
    low = np.clip(np.rint(box[:2] * scale), 0, np.array(size) - 1).astype(int)
    high = np.clip(np.rint((box[:2] + box[2:]) * scale), low + 1, size).astype(int)
    return Box(*map(int, low), *map(int, high - low))
