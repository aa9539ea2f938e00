"""The small pictures beside the report: thumbnails of photos, and faces cut out upright."""

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from imm_ray.media.decoder import Decoded
from imm_ray.model import Pixels

Decode = Callable[[bytes], Decoded]
Box = tuple[int, int, int, int]

PHOTO_SIDE = 960
FACE_SIDE = 224
FACE_MARGIN = 0.35
"""How much is kept around a face, as a part of its longer side."""
JPEG_QUALITY = 82
_OWN = re.compile(r"(photo|face)-\d{5,}(-\d{2,})?\.jpg")


def remove_own(folder: Path) -> None:
    """Remove the pictures that an earlier report left in ``folder``, and nothing else."""
    for path in folder.iterdir():
        if _OWN.fullmatch(path.name) and path.is_file():
            path.unlink()


def write_photo(path: Path, pixels: Pixels) -> None:
    """Write a picture reduced to ``PHOTO_SIDE``, as JPEG."""
    _write(path, _reduced(pixels, PHOTO_SIDE))


def write_face(path: Path, decoded: Decoded, box: Box) -> None:
    """Write the face in ``box`` of the upright picture, with a margin, as JPEG."""
    _write(path, _reduced(face_pixels(decoded, box), FACE_SIDE))


def face_pixels(decoded: Decoded, box: Box) -> Pixels:
    """Return the square around a face that has a margin, as far as the picture reaches.

    ``box`` is in pixels of the full upright picture; ``decoded.pixels`` may be smaller.
    """
    scale = decoded.pixels.shape[1] / decoded.width
    left, top, width, height = (side * scale for side in box)
    half = max(width, height) * (0.5 + FACE_MARGIN)
    columns = _span(left + width / 2, half, decoded.pixels.shape[1])
    rows = _span(top + height / 2, half, decoded.pixels.shape[0])
    return decoded.pixels[rows, columns]


def _span(centre: float, half: float, size: int) -> slice:
    start = min(max(0, round(centre - half)), size - 1)
    return slice(start, min(size, max(start + 1, round(centre + half))))


def _reduced(pixels: Pixels, side: int) -> Pixels:
    factor = side / max(pixels.shape[:2])
    if factor >= 1:
        return pixels
    height, width = (max(1, round(length * factor)) for length in pixels.shape[:2])
    reduced: Pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment] # cv2 types every result as a wide union
    return reduced


def _write(path: Path, pixels: Pixels) -> None:
    done, jpeg = cv2.imencode(
        ".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not done:
        raise RuntimeError(f"OpenCV could not encode {pixels.shape} pixels for {path}")
    path.write_bytes(jpeg.tobytes())
