"""Parts of pictures as JPEG: upright, no larger than asked, without metadata."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from imm_ray.errors import SourceError
from imm_ray.media.crop import crop
from imm_ray.media.decoder import Decoder
from imm_ray.model import Box
from imm_ray.settings import Limits
from tests.unit.media.pictures import corner, encoded, noise, oriented

RED, BLACK = (255, 0, 0), (0, 0, 0)
MAX_PIXELS = 10_000_000


def opened(jpeg: bytes) -> Image.Image:
    image = Image.open(BytesIO(jpeg))
    assert image.format == "JPEG"
    return image


def colour(image: Image.Image) -> tuple[int, ...]:
    return tuple(np.asarray(image).reshape(-1, 3).mean(axis=0).round().astype(int).tolist())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_part_is_cut_from_the_upright_picture(orientation: int) -> None:
    data = oriented(orientation)
    for box, expected in ((Box(4, 4, 30, 20), RED), (Box(44, 34, 30, 20), BLACK)):
        image = opened(crop(data, box=box, side=30, longest=80, max_pixels=MAX_PIXELS))
        assert image.size == (30, 20)
        assert np.abs(np.subtract(colour(image), expected)).max() <= 6


def test_nothing_is_enlarged_and_metadata_is_left_out() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "a camera"
    data = encoded(corner(), "JPEG", exif=exif)
    image = opened(crop(data, box=Box(0, 0, 80, 60), side=500, longest=80, max_pixels=MAX_PIXELS))
    assert image.size == (80, 60)
    assert dict(image.getexif()) == {}
    assert b"a camera" not in crop(
        data, box=Box(0, 0, 80, 60), side=500, longest=80, max_pixels=MAX_PIXELS
    )


PICTURE = encoded(noise(97, 61), "PNG")


@settings(max_examples=60, deadline=None)
@given(
    left=st.integers(0, 96),
    top=st.integers(0, 60),
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    side=st.integers(16, 120),
)
def test_any_box_that_touches_the_picture_gives_a_picture(
    left: int, top: int, width: int, height: int, side: int
) -> None:
    box = Box(left, top, width, height)
    image = opened(crop(PICTURE, box=box, side=side, longest=97, max_pixels=MAX_PIXELS))
    assert 1 <= max(image.size) <= side


@pytest.mark.parametrize("box", [Box(97, 0, 5, 5), Box(0, 61, 5, 5), Box(5, 5, 0, 0)])
def test_a_box_outside_of_the_picture_is_refused(box: Box) -> None:
    with pytest.raises(SourceError, match="not in the picture"):
        crop(PICTURE, box=box, side=50, longest=97, max_pixels=MAX_PIXELS)


def test_a_child_makes_crops_and_pixels_in_turn() -> None:
    with Decoder(Limits()) as decoder:
        data = encoded(corner())
        assert decoder.decode(data).width == 80
        jpeg = decoder.crop(data, box=Box(0, 0, 40, 30), side=32, longest=80)
        assert opened(jpeg).size == (32, 24)
        assert decoder.decode(data).pixels.shape == (60, 80, 3)
        with pytest.raises(SourceError, match="not an image"):
            decoder.crop(b"no picture", box=Box(0, 0, 40, 30), side=32, longest=80)
        assert len(decoder.pids()) == 1


def test_the_largest_crop_of_noise_fits_the_smallest_memory() -> None:
    with Decoder(Limits(analysis_side=640)) as decoder:
        data = encoded(noise(1024, 1024), "PNG")
        jpeg = decoder.crop(data, box=Box(0, 0, 1024, 1024), side=1024, longest=1024)
        assert opened(jpeg).size == (1024, 1024)
