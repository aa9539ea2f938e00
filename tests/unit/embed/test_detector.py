from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from imm_ray.embed.detector import YuNetDetector
from imm_ray.model import Pixels
from tests.unit.embed.photos import astronaut, flat


@pytest.fixture(scope="module")
def detector() -> YuNetDetector:
    return YuNetDetector()


def test_a_face_is_found_with_its_landmarks(detector: YuNetDetector) -> None:
    (face,) = detector.detect(astronaut())
    left, top, width, height = face.box
    assert face.score > 0.9
    assert 150 < left < 220
    assert 50 < top < 120
    assert 60 < width < 130
    assert 80 < height < 160
    eyes, nose, mouth = face.landmarks[:2], face.landmarks[2], face.landmarks[3:]
    assert eyes[0, 0] < nose[0] < eyes[1, 0]
    assert eyes[:, 1].max() < nose[1] < mouth[:, 1].min()


def test_boxes_are_in_pixels_of_the_picture_that_was_given(detector: YuNetDetector) -> None:
    (face,) = detector.detect(astronaut())
    large = cv2.resize(astronaut(), (1536, 1536), interpolation=cv2.INTER_LINEAR)
    (other,) = detector.detect(np.asarray(large, np.uint8))
    assert np.abs(other.box / 3 - face.box).max() < 6
    assert np.abs(other.landmarks / 3 - face.landmarks).max() < 8


def test_nothing_is_found_where_there_is_no_face(detector: YuNetDetector) -> None:
    assert detector.detect(flat()) == []


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 640), (640, 1), (3, 5), (19, 20), (31, 33), (2000, 1), (1, 5000)]
)
def test_tiny_and_narrow_pictures_do_no_harm(
    detector: YuNetDetector, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    assert detector.detect(rng.integers(0, 256, (*shape, 3), np.uint8)) == []


def test_pixels_need_not_be_contiguous(detector: YuNetDetector) -> None:
    (face,) = detector.detect(astronaut())
    twice = np.repeat(astronaut(), 2, axis=1)[:, ::2]
    assert not twice.flags.c_contiguous
    assert np.array_equal(detector.detect(twice)[0].box, face.box)


def test_threads_find_the_same_as_one(detector: YuNetDetector) -> None:
    pictures: list[Pixels] = [np.roll(astronaut(), 3 * i, axis=1) for i in range(24)]
    alone = [detector.detect(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(detector.detect, pictures))
    for one, other in zip(alone, together, strict=True):
        assert [face.score for face in one] == [face.score for face in other]
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.box, b.box)
            assert np.array_equal(a.landmarks, b.landmarks)


def test_a_higher_limit_finds_less() -> None:
    assert YuNetDetector(min_score=0.99).detect(astronaut()) == []
