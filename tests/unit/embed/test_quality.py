from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imm_ray.embed.align import TEMPLATE, align
from imm_ray.embed.detector import Detection, YuNetDetector
from imm_ray.embed.image_quality import image_score
from imm_ray.embed.quality import assess_face, face_sharpness, head_pose
from imm_ray.model import Pixels
from tests.unit.embed.photos import astronaut, flat

Points = NDArray[np.float32]
FRONTAL = TEMPLATE.astype(np.float32)


def turned(landmarks: Points, degrees: float) -> Points:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray((landmarks - 75) @ turn.T + 75, np.float32)


def face() -> tuple[Detection, Pixels]:
    (detection,) = YuNetDetector().detect(astronaut())
    return detection, align(astronaut(), detection.landmarks)


def replaced(detection: Detection, **changes: object) -> Detection:
    values = {name: getattr(detection, name) for name in Detection.__dataclass_fields__}
    return Detection(**{**values, **changes})


def test_a_frontal_face_looks_straight() -> None:
    pose = head_pose(FRONTAL)
    assert max(abs(pose.pitch), abs(pose.roll), abs(pose.yaw)) < 5


@pytest.mark.parametrize("degrees", [-120, -45, -10, 10, 45, 120])
def test_roll_is_the_turn_in_the_picture(degrees: float) -> None:
    straight, pose = head_pose(FRONTAL), head_pose(turned(FRONTAL, degrees))
    assert pose.roll == pytest.approx(straight.roll + degrees, abs=0.5)
    assert pose.yaw == pytest.approx(straight.yaw, abs=0.5)
    assert pose.pitch == pytest.approx(straight.pitch, abs=0.5)


def test_the_nose_shows_where_a_face_looks() -> None:
    right, up = FRONTAL.copy(), FRONTAL.copy()
    right[2, 0] += 15
    up[2, 1] -= 15
    assert head_pose(right).yaw > 15
    assert head_pose(up).pitch > 15
    mirrored = FRONTAL[[1, 0, 2, 4, 3]] * [-1, 1]
    assert head_pose(mirrored.astype(np.float32)).yaw == pytest.approx(
        -head_pose(FRONTAL).yaw, abs=0.5
    )


def test_points_in_one_place_make_finite_angles() -> None:
    pose = head_pose(np.zeros((5, 2), np.float32))
    assert np.isfinite([pose.pitch, pose.roll, pose.yaw]).all()


def test_a_clear_portrait_is_a_good_face() -> None:
    fitness = assess_face(*face())
    assert fitness.quality > 0.9
    assert fitness.sharpness > 0.8


def test_one_bad_property_makes_a_bad_face() -> None:
    detection, chip = face()
    profile = detection.landmarks.copy()
    profile[2, 0] += 40
    blurred = np.asarray(cv2.GaussianBlur(chip, (0, 0), 4), np.uint8)
    tiny = replaced(detection, box=np.array([0, 0, 24, 30], np.float32))
    for worse in (
        assess_face(detection, blurred),
        assess_face(tiny, chip),
        assess_face(replaced(detection, score=0.72), chip),
        assess_face(replaced(detection, landmarks=profile), chip),
    ):
        assert worse.quality < 0.8


def test_sharpness_does_not_depend_on_the_light() -> None:
    _, chip = face()
    dark = (chip * 0.4).astype(np.uint8)
    assert face_sharpness(dark) == pytest.approx(face_sharpness(chip), abs=0.1)


COPIES: dict[str, Callable[[Pixels], Any]] = {
    "blurred": lambda p: cv2.GaussianBlur(p, (0, 0), 2),
    "shaken": lambda p: cv2.filter2D(p, -1, np.eye(9, dtype=np.float32) / 9),
    "small": lambda p: cv2.resize(p, (256, 256), interpolation=cv2.INTER_AREA),
    "dark": lambda p: (p * 0.3).astype(np.uint8),
    "grey": lambda p: cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
}


@pytest.mark.parametrize("how", COPIES)
def test_the_original_is_better_than_its_copy(how: str) -> None:
    copy = np.asarray(COPIES[how](astronaut()), np.uint8)
    assert score(astronaut()) > score(copy)


def score(pixels: Pixels) -> float:
    return image_score(pixels, pixels.shape[1], pixels.shape[0])


def test_hard_compression_costs() -> None:
    blocks = astronaut().copy()
    for y in range(0, 512, 8):
        for x in range(0, 512, 8):
            blocks[y : y + 8, x : x + 8] = blocks[y : y + 8, x : x + 8].mean(axis=(0, 1))
    assert score(astronaut()) > score(blocks)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (7, 7), (33, 4000)])
def test_every_picture_has_a_score(shape: tuple[int, int]) -> None:
    for pixels in (np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8)):
        assert 0 <= score(pixels) <= 1
    assert score(astronaut()) == score(astronaut())
    assert 0 <= score(flat()) < score(astronaut()) <= 1
