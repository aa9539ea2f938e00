"""Photographs in the public domain that the development packages ship, as decoded pixels."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from imm_ray.media.decoder import Decoder
from imm_ray.model import Pixels
from imm_ray.settings import Limits


@cache
def astronaut() -> Pixels:
    """Return Eileen Collins, 512 x 512: one face, looking into the camera."""
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    with Decoder(Limits()) as decoder:
        return decoder.decode((Path(spec.origin).parent / "data/astronaut.png").read_bytes()).pixels


def flat(grey: int = 128) -> Pixels:
    """Return a picture of one colour."""
    return np.full((200, 300, 3), grey, np.uint8)
