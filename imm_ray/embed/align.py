"""Cuts a face out of a picture so that eyes, nose and mouth are always at the same place."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imm_ray.model import Pixels

CHIP_SIDE = 150
TEMPLATE = np.array(
    [[45.37, 45.35], [101.10, 44.71], [73.49, 76.64], [49.90, 100.46], [99.33, 100.22]], np.float64
)
"""Where the five landmarks lie in a chip (median of YuNet's points in dlib's chips, 102 faces)."""


def align(pixels: Pixels, landmarks: NDArray[np.float32]) -> Pixels:
    """Return the face as a chip of 150 x 150 pixels, turned and scaled to the template.

    Notes
    -----
    A face that is much larger than the chip is reduced by averaging first: bilinear sampling alone
    would skip pixels.
    """
    matrix = similarity(landmarks.astype(np.float64), TEMPLATE)
    step = int(1 / max(np.hypot(matrix[0, 0], matrix[1, 0]), 1e-6))
    if step >= 2:
        pixels, matrix = _reduced(pixels, matrix, step)
    chip = cv2.warpAffine(pixels, matrix, (CHIP_SIDE, CHIP_SIDE), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, np.uint8)


def similarity(source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
    """Return the 2 x 3 matrix of turn, scale and shift that best maps ``source`` to ``target``.

    Notes
    -----
    Least squares in closed form: with points as complex numbers about their means, the factor of
    turn and scale is their inner product over the sum of squares. Equal source points give scale
    zero.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a = (source - source_mean) @ np.array([1, 1j])
    b = (target - target_mean) @ np.array([1, 1j])
    spread = float(np.vdot(a, a).real)
    factor = complex(np.vdot(a, b)) / spread if spread > 0 else 0j
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.hstack([turn, (target_mean - turn @ source_mean)[:, None]])


def _reduced(
    pixels: Pixels, matrix: NDArray[np.float64], step: int
) -> tuple[Pixels, NDArray[np.float64]]:
    """Return the part of the picture under the chip, ``step`` times smaller, and its matrix."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[x, y, 1] for x in (0, CHIP_SIDE) for y in (0, CHIP_SIDE)]) @ inverse.T
    height, width = pixels.shape[:2]
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - step, 0, (width, height))
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + step, 0, (width, height))
    size = (high - low) // step
    if size.min() < 1:
        return pixels, matrix
    part = pixels[low[1] : low[1] + size[1] * step, low[0] : low[0] + size[0] * step]
    small = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    # The centre of reduced pixel i lies at low + (i + 1/2) * step - 1/2.
    moved = matrix.copy()
    moved[:, :2] *= step
    moved[:, 2] += matrix[:, :2] @ (low + (step - 1) / 2)
    return np.asarray(small, np.uint8), moved
