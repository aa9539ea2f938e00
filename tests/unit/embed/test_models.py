from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from imm_ray.embed.cards import load_card
from imm_ray.embed.models import EmbeddedModels
from imm_ray.model import Vector
from tests.unit.embed.photos import astronaut, flat

FACE, IMAGE = load_card("dlib-resnet"), load_card("efficientnet-lite0")


@pytest.fixture(scope="module")
def models() -> EmbeddedModels:
    return EmbeddedModels("dlib-resnet", "efficientnet-lite0")


def cosine(a: Vector, b: Vector) -> float:
    return float(a.astype(np.float32) @ b.astype(np.float32))


def test_vectors_are_what_their_cards_say(models: EmbeddedModels) -> None:
    seen = models.analyze(astronaut(), 512, 512)
    assert len(seen.faces) == 1
    assert seen.vector is not None
    for vector, card in ((seen.faces[0].vector, FACE), (seen.vector, IMAGE)):
        assert vector.shape == (card.dimension,)
        assert vector.dtype == np.float16
        assert np.linalg.norm(vector.astype(np.float32)) == pytest.approx(1, abs=2e-3)


def test_boxes_are_in_the_full_size_picture(models: EmbeddedModels) -> None:
    (face,) = models.analyze(astronaut(), 512, 512).faces
    (large,) = models.analyze(astronaut(), 5120, 5120).faces
    assert (large.box.left, large.box.top) == pytest.approx(
        (face.box.left * 10, face.box.top * 10), abs=10
    )
    assert large.box.width == pytest.approx(face.box.width * 10, abs=20)


def test_boxes_stay_inside_the_picture(models: EmbeddedModels) -> None:
    (whole,) = models.analyze(astronaut(), 512, 512).faces
    cut = np.ascontiguousarray(astronaut()[whole.box.top + 8 :, whole.box.left + 5 :])
    height, width = cut.shape[:2]
    for face in models.analyze(cut, width, height).faces:
        assert face.box.left >= 0
        assert face.box.top >= 0
        assert face.box.width >= 1
        assert face.box.left + face.box.width <= width
        assert face.box.top + face.box.height <= height


def test_a_face_is_like_itself_in_other_light_and_size(models: EmbeddedModels) -> None:
    (face,) = models.analyze(astronaut(), 512, 512).faces
    small = np.asarray(cv2.resize(astronaut(), (400, 400), interpolation=cv2.INTER_AREA), np.uint8)
    dark = (astronaut() * 0.6).astype(np.uint8)
    for other in (small, dark):
        (again,) = models.analyze(other, 512, 512).faces
        assert cosine(face.vector, again.vector) > FACE.scale.cosine(FACE.scale.threshold)


def test_a_near_duplicate_is_near_and_another_picture_is_not(models: EmbeddedModels) -> None:
    vector = models.analyze(astronaut(), 512, 512).vector
    copy = models.analyze(np.ascontiguousarray(astronaut()[10:-10, 10:-10]), 492, 492).vector
    rng = np.random.default_rng(0)
    other = cv2.GaussianBlur(rng.integers(0, 256, (300, 400, 3), np.uint8), (0, 0), 3)
    strange = models.analyze(np.asarray(other, np.uint8), 400, 300).vector
    assert vector is not None
    assert copy is not None
    assert strange is not None
    limit = IMAGE.scale.cosine(IMAGE.scale.threshold)
    assert cosine(vector, copy) > limit > cosine(vector, strange)


def test_a_picture_of_one_colour_has_no_vector(models: EmbeddedModels) -> None:
    for grey in (0, 128, 255):
        seen = models.analyze(flat(grey), 300, 200)
        assert seen.vector is None
        assert seen.faces == ()


def test_many_faces_are_embedded_as_one_is(models: EmbeddedModels) -> None:
    row = np.concatenate([astronaut()[:256, 96:352]] * 4, axis=1)
    crowd = np.concatenate([row] * 2)
    height, width = crowd.shape[:2]
    faces = models.analyze(crowd, width, height).faces
    (alone,) = models.analyze(astronaut(), 512, 512).faces
    assert len(faces) == 8
    for face in faces:
        assert cosine(face.vector, alone.vector) > FACE.scale.cosine(FACE.scale.threshold)


def test_threads_see_what_one_sees(models: EmbeddedModels) -> None:
    pictures = [np.roll(astronaut(), 5 * i, axis=1) for i in range(12)]
    alone = [models.analyze(picture, 512, 512) for picture in pictures]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda p: models.analyze(p, 512, 512), pictures))
    for one, other in zip(alone, together, strict=True):
        assert one.image_score == other.image_score
        assert one.vector is not None
        assert other.vector is not None
        assert np.array_equal(one.vector, other.vector)
        for a, b in zip(one.faces, other.faces, strict=True):
            assert a.box == b.box
            assert np.array_equal(a.vector, b.vector)


def test_a_model_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="not for face"):
        EmbeddedModels("efficientnet-lite0", "efficientnet-lite0")
