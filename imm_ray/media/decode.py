"""The one function that decodes a picture; it runs in a child process under limits.

Whatever arrives here may have been made to harm: formats come from an allow-list and are found by
content, the pixel limit is checked before any pixel is decoded, only the first frame is touched.
"""

import warnings
from dataclasses import dataclass, field
from io import BytesIO

# Pillow knows only the formats whose plug-ins are imported; the child can import nothing later.
import pillow_heif
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from imm_ray.errors import SourceError
from imm_ray.media.exif import ORIENTATION, Exif, read_exif

_PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "MPO": "image/jpeg",
    "HEIF": "image/heic",
    "AVIF": "image/avif",
}
"""Every format that is decoded, and what it is called on the wire."""

_FORMATS = [name for name in CONTENT_TYPES if name != "MPO"]  # the JPEG plug-in opens MPO
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0")
_NOT_AN_IMAGE = (
    "The file is not an image, or its format is not supported "
    "(supported: JPEG, PNG, WebP, GIF, BMP, TIFF, HEIF, AVIF)."
)
_DAMAGED = "The image is truncated or damaged."
_WIDE_MODES = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_REDUCIBLE_MODES = frozenset({"L", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "RGBX"})


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: upright, RGB, reduced; ``width`` and ``height`` are of the full size."""

    image: Image.Image
    width: int
    height: int
    orientation: int
    content_type: str
    exif: Exif = field(default_factory=Exif)

    def bgr(self) -> bytes:
        """Return the pixels row by row in the order blue, green, red."""
        return self.image.tobytes("raw", "BGR")


def prepare() -> None:
    """Register every decoder, single-threaded. To be called once in a process that decodes."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.register_heif_opener()
    Image.preinit()


def decode(data: bytes, *, side: int, max_pixels: int) -> Picture:
    """Return the first frame of ``data``, upright, its longest side at most ``side``.

    Raises
    ------
    SourceError
        For every input that can not be decoded, whatever the decoder made of it.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(data, side, max_pixels)
    except SourceError:
        raise
    except UnidentifiedImageError as error:
        raise SourceError(_DAMAGED if _has_signature(data) else _NOT_AN_IMAGE) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _too_many_pixels(max_pixels) from error
    except MemoryError as error:
        raise SourceError(
            "The image needs more memory to decode than is allowed (limits.decode_memory_bytes)."
        ) from error
    except Exception as error:  # broken files made decoders raise ten kinds of it
        raise SourceError(_DAMAGED) from error


def _decode(data: bytes, side: int, max_pixels: int) -> Picture:
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise _too_many_pixels(max_pixels)
        full_size = image.size
        exif = read_exif(image)
        content_type = CONTENT_TYPES[str(image.format)]
        image.draft(None, _fitted(full_size, side))
        image.load()
        upright = _turned(image, _rgb(image, side))
        pending = _pending_orientation(image)
        width, height = full_size if pending < 5 else full_size[::-1]
        orientation = image.info.get("original_orientation") or exif.orientation
        return Picture(upright, width, height, orientation, content_type, exif)


def _rgb(image: Image.Image, side: int) -> Image.Image:
    """Return the picture in RGB, reduced as early as its mode allows, transparency over white."""
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode in _WIDE_MODES:
        image = _eight_bits(image)
    elif image.mode == "LAB":
        image = _from_lab(image)
    elif image.mode not in _REDUCIBLE_MODES:
        image = image.convert("RGBA" if image.mode in _ALPHA_MODES else "RGB")
    target = _fitted(image.size, side)
    if target != image.size:
        image = image.resize(target, Image.Resampling.HAMMING, reducing_gap=3.0)
    if image.mode not in _ALPHA_MODES:
        return image.convert("RGB")
    image = image.convert("RGBA")
    over_white = Image.new("RGB", image.size, (255, 255, 255))
    over_white.paste(image, mask=image.getchannel("A"))
    return over_white


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a grey picture of 16, 32 or floating-point bits as 8 bits.

    Sixteen bits are divided by 257; other pictures keep their values when these are in 0-255 and
    are stretched from darkest to brightest otherwise.
    """
    wide = image.convert("F")
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    else:
        extremes = wide.getextrema()
        low, high = float(extremes[0]), float(extremes[1])  # type: ignore[arg-type]  # one band
        if not (abs(low) < 1e30 and abs(high) < 1e30):
            raise SourceError(_DAMAGED)
        if low >= 0 and high <= 255:
            low, high = 0.0, 255.0
    scale = 255 / ((high - low) or 1.0)
    return wide.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


def _from_lab(image: Image.Image) -> Image.Image:
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only None when done in place
    return converted


def _turned(image: Image.Image, pixels: Image.Image) -> Image.Image:
    """Return ``pixels`` turned as ``image`` demands, unless its plug-in has done that."""
    pixels.getexif()[ORIENTATION] = _pending_orientation(image)
    return ImageOps.exif_transpose(pixels)


def _pending_orientation(image: Image.Image) -> int:
    """Return the orientation 1-8 that is still to be applied to a loaded picture.

    The plug-ins for TIFF and HEIF apply it themselves and then report 1.
    """
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a broken EXIF block is no reason to refuse the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return ``size`` reduced to a longest side of at most ``side``."""
    longest = max(size)
    if longest <= side:
        return size
    return (max(1, round(size[0] * side / longest)), max(1, round(size[1] * side / longest)))


def _has_signature(data: bytes) -> bool:
    return data.startswith(_SIGNATURES) or data[4:8] == b"ftyp"


def _too_many_pixels(max_pixels: int) -> SourceError:
    return SourceError(
        f"The picture is larger than {max_pixels / 1e6:g} megapixels (limits.max_pixels)."
    )
