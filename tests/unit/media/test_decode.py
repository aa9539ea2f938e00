"""What the decoder makes of good and of bad pictures."""

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from imm_ray.errors import SourceError
from imm_ray.media.decoder import Decoder
from imm_ray.settings import Limits
from tests.unit.media.pictures import corner, encoded, noise, oriented

RED, BLACK, WHITE = [0, 0, 255], [0, 0, 0], [255, 255, 255]


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("AVIF", "image/avif"),
    ],
)
def test_a_format_is_known_by_its_content(decoder: Decoder, kind: str, content_type: str) -> None:
    decoded = decoder.decode(encoded(corner(), kind))
    assert decoded.content_type == content_type
    assert (decoded.width, decoded.height, decoded.orientation) == (80, 60, 1)
    assert decoded.pixels.shape == (60, 80, 3)
    assert np.abs(decoded.pixels[10, 10].astype(int) - RED).max() < 20
    assert np.abs(decoded.pixels[50, 70].astype(int) - BLACK).max() < 20


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(decoder: Decoder, orientation: int) -> None:
    decoded = decoder.decode(oriented(orientation))
    assert (decoded.width, decoded.height) == (80, 60)
    assert decoded.pixels.shape == (60, 80, 3)
    assert decoded.orientation == orientation
    assert np.abs(decoded.pixels[10, 10].astype(int) - RED).max() < 20
    for y, x in ((10, 70), (50, 10), (50, 70)):
        assert np.abs(decoded.pixels[y, x].astype(int) - BLACK).max() < 20


def test_a_turned_tiff_is_turned_once(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = encoded(corner().transpose(Image.Transpose.ROTATE_90), "TIFF", exif=exif)
    decoded = decoder.decode(stored)
    assert (decoded.width, decoded.height, decoded.orientation) == (80, 60, 6)
    assert decoded.pixels[10, 10].tolist() == RED


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_large_picture_is_reduced_and_keeps_its_full_size(kind: str) -> None:
    with Decoder(Limits(analysis_side=640)) as decoder:
        decoded = decoder.decode(encoded(corner(3000, 1500), kind))
    assert (decoded.width, decoded.height) == (3000, 1500)
    assert decoded.pixels.shape == (320, 640, 3)
    assert np.abs(decoded.pixels[80, 160].astype(int) - RED).max() < 5


def test_reduction_averages_and_does_not_skip_pixels() -> None:
    stripes = np.zeros((1280, 1280, 3), np.uint8)
    stripes[:, ::2] = 255
    with Decoder(Limits(analysis_side=640)) as decoder:
        decoded = decoder.decode(encoded(Image.fromarray(stripes)))
    assert np.abs(decoded.pixels[:, 5:-5].astype(int) - 128).max() < 40


def test_a_narrow_picture_keeps_one_pixel(decoder: Decoder) -> None:
    assert decoder.decode(encoded(Image.new("RGB", (20_000, 1)))).pixels.shape == (1, 1600, 3)


def test_transparency_becomes_white(decoder: Decoder) -> None:
    image = corner().convert("RGBA")
    image.putalpha(0)
    assert decoder.decode(encoded(image)).pixels[30, 40].tolist() == WHITE
    palette = corner().convert("P")
    index = palette.getpixel((0, 0))
    decoded = decoder.decode(encoded(palette, transparency=index))
    assert decoded.pixels[10, 10].tolist() == WHITE
    assert decoded.pixels[50, 70].tolist() == BLACK


def test_sixteen_bits_are_scaled_not_clipped(decoder: Decoder) -> None:
    levels = np.tile(np.array([0, 16384, 32768, 65535], np.uint16), (4, 1))
    decoded = decoder.decode(encoded(Image.fromarray(levels)))
    assert decoded.pixels[0, :, 0].tolist() == [0, 64, 128, 255]


@pytest.mark.parametrize("value", [0.0, 7.0, 1000.0])
def test_a_floating_point_picture_of_one_value_is_decoded(decoder: Decoder, value: float) -> None:
    image = Image.fromarray(np.full((5, 5), value, np.float32))
    assert decoder.decode(encoded(image, "TIFF")).pixels.std() == 0


def test_cmyk_and_lab_become_colours(decoder: Decoder) -> None:
    red = decoder.decode(encoded(corner().convert("CMYK"), "JPEG", quality=95)).pixels[10, 10]
    assert np.abs(red.astype(int) - RED).max() < 30
    profiles = [ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")]
    lab = ImageCms.applyTransform(
        corner(), ImageCms.buildTransform(profiles[0], profiles[1], "RGB", "LAB")
    )
    assert lab is not None
    decoded = decoder.decode(encoded(lab, "TIFF")).pixels[10, 10]
    assert np.abs(decoded.astype(int) - RED).max() < 30


def test_only_the_first_frame_counts(decoder: Decoder) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decoder.decode(data).pixels[5, 5].tolist() == RED


def test_exif_comes_as_checked_text(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker\x07<script>"
    exif[ExifTags.Base.DateTime] = "2020:01:01 00:00:00"
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: "2021:02:03 04:05:06",
            ExifTags.Base.OffsetTimeOriginal: "+08:00",
            ExifTags.Base.FNumber: 2.8,
        }
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "S",
            ExifTags.GPS.GPSLatitude: (30.0, 30.0, 0.0),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: (120.0, 0.0, 36.0),
        }
    )
    decoded = decoder.decode(encoded(corner(), "JPEG", exif=exif))
    assert decoded.produce_time == "2021-02-03T04:05:06+08:00"
    assert decoded.lat_long == "-30.500000,120.010000"
    assert decoded.exif["Make"] == "Maker<script>"
    assert decoded.exif["FNumber"] == "2.8"


def test_impossible_exif_is_left_out(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2021:13:45 99:00:00"
    exif[ExifTags.Base.Orientation] = 77
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {ExifTags.GPS.GPSLatitude: (300.0, 0.0, 0.0), ExifTags.GPS.GPSLongitude: (1.0, 2.0, 3.0)}
    )
    decoded = decoder.decode(encoded(corner(), "JPEG", exif=exif))
    assert (decoded.produce_time, decoded.lat_long, decoded.orientation) == ("", "", 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello, this is no picture", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"\xff\xd8\xff\xe0", "truncated or damaged"),
        (encoded(noise(200, 200), "JPEG")[:9000], "truncated or damaged"),
        (encoded(noise(200, 200), "PNG")[:9000], "truncated or damaged"),
        (encoded(Image.new("L", (20_000, 5_001))), "larger than 100 megapixels"),
    ],
    ids=["text", "eps", "svg", "jpeg-header", "jpeg-cut", "png-cut", "pixels"],
)
def test_a_bad_picture_is_refused_with_its_reason(
    decoder: Decoder, data: bytes, words: str
) -> None:
    decoder.decode(encoded(corner()))
    before = decoder.pids()
    with pytest.raises(SourceError) as caught:
        decoder.decode(data)
    assert words in caught.value.reason
    assert decoder.pids() == before, "a bad picture is no reason for a child to die"


def test_the_pixel_limit_is_a_setting() -> None:
    with Decoder(Limits(max_pixels=4800)) as decoder:
        assert decoder.decode(encoded(corner(80, 60))).width == 80
        with pytest.raises(SourceError, match=r"larger than 0\.0048 megapixels"):
            decoder.decode(encoded(corner(81, 60)))
