import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from imm_ray.embed.align import CHIP_SIDE, TEMPLATE, align, similarity
from imm_ray.model import Pixels


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 20),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_turn_scale_and_shift_are_found_again(
    angle: float, scale: float, shift: tuple[float, float]
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = TEMPLATE @ turn.T + shift
    matrix = similarity(TEMPLATE, target)
    assert np.allclose(TEMPLATE @ matrix[:, :2].T + matrix[:, 2], target, atol=1e-6 * scale + 1e-6)


def test_equal_points_make_no_nonsense() -> None:
    assert np.isfinite(similarity(np.ones((5, 2)), TEMPLATE)).all()


def spots(size: int, points: NDArray[np.float64]) -> Pixels:
    picture = np.zeros((size, size, 3), np.uint8)
    for x, y in points:
        cv2.circle(picture, (round(x), round(y)), max(2, size // 60), (255, 255, 255), -1)
    return picture


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.5, 7.3])
def test_landmarks_come_to_lie_on_the_template(scale: float) -> None:
    points = TEMPLATE * scale + [40 * scale, 25 * scale]
    chip = align(spots(int(250 * scale), points), points.astype(np.float32))
    assert chip.shape == (CHIP_SIDE, CHIP_SIDE, 3)
    for x, y in TEMPLATE:
        around = chip[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9, 0].astype(float)
        offsets = np.arange(-8, 9)
        centre = (
            (around.sum(axis=0) @ offsets) / around.sum() + round(x),
            (around.sum(axis=1) @ offsets) / around.sum() + round(y),
        )
        assert np.abs(np.array(centre) - (x, y)).max() < 1.0


def test_a_large_face_is_averaged_not_sampled() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (1500, 1500, 3), np.uint8)
    chip = align(noise, (TEMPLATE * 9).astype(np.float32))
    assert chip[20:-20, 20:-20].std() < 15


def test_a_face_beyond_the_frame_is_still_a_chip() -> None:
    chip = align(np.full((40, 40, 3), 9, np.uint8), (TEMPLATE * 5 - 300).astype(np.float32))
    assert chip.shape == (CHIP_SIDE, CHIP_SIDE, 3)
