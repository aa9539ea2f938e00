"""How good a picture is as a picture: what chooses the best of several shots."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from imm_ray.model import Pixels

_WORKING_SIDE = 512
_SHARP = 0.05
_RESOLUTION_FLOOR = 64.0 * 64.0
_RESOLUTION_FULL = 12e6
_GOOD_CONTRAST = 45.0
_GOOD_COLOUR = 25.0
_BLOCK = 8
_BLOCKY = 0.6


def image_score(pixels: Pixels, width: int, height: int) -> float:
    """Return the overall quality of a picture, 0–1.

    Parameters
    ----------
    pixels
        BGR, upright, possibly reduced.
    width, height
        Of the full-size picture.

    Notes
    -----
    The geometric mean of resolution, sharpness, exposure, contrast, colour and freedom from JPEG
    blocks, each 0–1. It is meant to order shots of the same thing, not to judge art: the sharp
    full-size original comes before its blurred, small, dark, grey or heavily compressed copies.
    """
    small = _resized(pixels)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    terms = (
        _resolution(width, height),
        _sharpness(grey),
        _exposure(grey),
        min(1.0, float(grey.std()) / _GOOD_CONTRAST),
        0.5 + 0.5 * min(1.0, _colourfulness(small) / _GOOD_COLOUR),
        1 - _blockiness(pixels) if pixels.shape[1] == width else 1.0,
    )
    return float(math.prod(max(0.0, term) for term in terms) ** (1 / len(terms)))


def _resized(pixels: Pixels) -> Pixels:
    """Return the picture at one size: unless it is enlarged too, a small copy looks sharper."""
    scale = _WORKING_SIDE / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def _resolution(width: int, height: int) -> float:
    """Return 0 for a thumbnail, 1 for twelve megapixels, even steps for each doubling between."""
    doublings = math.log2(max(1.0, width * height / _RESOLUTION_FLOOR))
    return min(1.0, doublings / math.log2(_RESOLUTION_FULL / _RESOLUTION_FLOOR))


def _sharpness(grey: NDArray[np.float32]) -> float:
    """Return 1 - exp(-x / .05), x the energy of fine detail over that of the whole picture."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.7)
    detail = float(cv2.Laplacian(smooth, cv2.CV_32F).var()) / (float(smooth.var()) + 25.0)
    return 1 - math.exp(-detail / _SHARP)


def _exposure(grey: NDArray[np.float32]) -> float:
    """Return 1 for a mean in the middle greys, falling to 0 for a black or white picture."""
    off_middle = abs(float(grey.mean()) - 118.0) / 128.0
    clipped = float(((grey < 3) | (grey > 252)).mean())
    return max(0.0, 1 - off_middle**2) * (1 - 0.5 * clipped)


def _colourfulness(pixels: Pixels) -> float:
    """Return Hasler and Suesstrunk's colourfulness, from 0 (grey) to about 100."""
    blue, green, red = (pixels[:, :, channel].astype(np.float32) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = math.hypot(float(red_green.std()), float(yellow_blue.std()))
    mean = math.hypot(float(red_green.mean()), float(yellow_blue.mean()))
    return spread + 0.3 * mean


def _blockiness(pixels: Pixels) -> float:
    """Return how far steps at the borders of 8 x 8 blocks exceed those inside, 0 for not at all."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.float32)
    excess = max(_border_excess(grey), _border_excess(grey.T))
    return min(_BLOCKY, excess)


def _border_excess(grey: NDArray[np.float32]) -> float:
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=0)
    if len(steps) < 2 * _BLOCK:
        return 0.0
    at_border = float(steps[_BLOCK - 1 :: _BLOCK].mean())
    beside = float(np.concatenate([steps[_BLOCK - 2 :: _BLOCK], steps[_BLOCK::_BLOCK]]).mean())
    return max(0.0, at_border / (beside + 0.5) - 1.0)
