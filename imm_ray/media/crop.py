"""A small JPEG of a part of a picture; runs in a decoder child, after `decode`."""

import math
from io import BytesIO

from PIL import Image

from imm_ray.errors import SourceError
from imm_ray.media.decode import decode
from imm_ray.model import Box

_QUALITY = 85


def crop(data: bytes, *, box: Box, side: int, longest: int, max_pixels: int) -> bytes:
    """Return ``box`` of a picture as a JPEG whose longest side is at most ``side``.

    It is upright, holds no metadata and is not enlarged.

    Parameters
    ----------
    box
        In pixels of the upright, full-size picture.
    longest
        The longest side of that picture: it is decoded no larger than the crop needs.

    Raises
    ------
    SourceError
        The picture can not be decoded, or the box is not in it.
    """
    needed = math.ceil(longest * side / max(box.width, box.height, 1))
    picture = decode(data, side=max(1, min(longest, needed)), max_pixels=max_pixels)
    across, down = picture.image.width / picture.width, picture.image.height / picture.height
    left, top = math.floor(box.left * across), math.floor(box.top * down)
    right = min(picture.image.width, math.ceil((box.left + box.width) * across))
    bottom = min(picture.image.height, math.ceil((box.top + box.height) * down))
    if not (0 <= left < right and 0 <= top < bottom):
        raise SourceError("The part that is to be shown is not in the picture.")
    part = picture.image.crop((left, top, right, bottom))
    part.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = BytesIO()
    part.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
