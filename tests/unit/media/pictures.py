"""Small pictures of known content, in every format."""

from io import BytesIO

import numpy as np
from PIL import ExifTags, Image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Return the bytes of a picture."""
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def corner(width: int = 80, height: int = 60) -> Image.Image:
    """Return a black picture whose top left quarter is red."""
    image = Image.new("RGB", (width, height))
    image.paste((255, 0, 0), (0, 0, width // 2, height // 2))
    return image


def oriented(orientation: int) -> bytes:
    """Return `corner` as a camera stores it that was held another way, with the EXIF tag."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = corner() if orientation == 1 else corner().transpose(undo[orientation])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encoded(stored, "JPEG", quality=95, exif=exif)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """Return a picture that does not compress."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
