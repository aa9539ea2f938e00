"""How each picture of the sample album is made from the photograph it shows.

The album plays what a camera roll holds: several different photos of two people, one photo of both,
a stranger, and bursts of near-identical pictures in which one is plainly the best.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Edit = Callable[[Image.Image], Image.Image]

SOURCES = {
    "hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    "collins": ("skimage", "data/astronaut.png"),
    "camera": ("skimage", "data/camera.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "hubble": ("skimage", "data/hubble_deep_field.jpg"),
    "clock": ("skimage", "data/clock_motion.png"),
    "bricks": ("skimage", "data/brick.png"),
}
"""Photograph -> the package that carries it, and its path in there."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the album: a photograph, what is done to it, and how it is stored."""

    name: str
    source: str
    edits: tuple[Edit, ...] = ()
    quality: int = 86
    orientation: int = 1
    """EXIF orientation; 6 stores the picture lying on its side, as a phone held upright does."""


def crop(left: int, top: int, right: int, bottom: int) -> Edit:
    """Return the edit that keeps this rectangle."""
    return lambda image: image.crop((left, top, right, bottom))


def width(pixels: int) -> Edit:
    """Return the edit that scales a picture to this width."""

    def scale(image: Image.Image) -> Image.Image:
        height = round(image.height * pixels / image.width)
        return image.resize((pixels, height), Image.Resampling.LANCZOS)

    return scale


def light(factor: float) -> Edit:
    """Return the edit that makes a picture this many times as bright."""
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def colour(factor: float) -> Edit:
    """Return the edit that makes colours this many times as strong; 0 is black and white."""
    return lambda image: ImageEnhance.Color(image).enhance(factor)


def blur(radius: float) -> Edit:
    """Return the edit that puts a picture out of focus."""
    return lambda image: image.filter(ImageFilter.GaussianBlur(radius))


def tilt(degrees: float) -> Edit:
    """Return the edit that turns a picture a little and cuts off the empty corners."""

    def turn(image: Image.Image) -> Image.Image:
        turned = image.rotate(degrees, Image.Resampling.BICUBIC)
        rim = round(max(image.size) * abs(degrees) / 100)
        return turned.crop((rim, rim, turned.width - rim, turned.height - rim))

    return turn


def mirror(image: Image.Image) -> Image.Image:
    """Return the picture as a mirror shows it."""
    return ImageOps.mirror(image)


SHOTS = (
    Shot("people/hopper-portrait.jpg", "hopper"),
    Shot("people/hopper-close.jpg", "hopper", (crop(130, 60, 410, 390), width(520), light(1.08))),
    Shot("people/hopper-mirror.jpg", "hopper", (mirror, crop(40, 0, 470, 420), colour(0.6))),
    Shot("people/hopper-tilted.jpg", "hopper", (tilt(6), light(0.8))),
    Shot("people/hopper-grey.jpg", "hopper", (crop(90, 20, 460, 540), colour(0), width(400))),
    Shot(
        "people/hopper-phone.jpg",
        "hopper",
        (crop(20, 0, 512, 600), tilt(-4), light(1.15)),
        orientation=6,
    ),
    Shot("people/collins-portrait.jpg", "collins"),
    Shot("people/collins-close.jpg", "collins", (crop(120, 10, 330, 230), width(520))),
    Shot("people/collins-mirror.jpg", "collins", (mirror, crop(150, 0, 450, 330), width(560))),
    Shot("people/collins-tilted.jpg", "collins", (crop(30, 0, 420, 400), width(640), tilt(-6))),
    Shot(
        "people/collins-grey.jpg",
        "collins",
        (crop(60, 0, 400, 440), colour(0), light(0.85), width(480)),
    ),
    Shot("people/photographer.jpg", "camera"),
    Shot("things/coffee.jpg", "coffee", quality=90),
    Shot("things/coffee-blurred.jpg", "coffee", (blur(2.5),)),
    Shot("things/coffee-dark.jpg", "coffee", (light(0.6),), quality=70),
    Shot("things/coffee-small.jpg", "coffee", (width(240),), quality=60),
    Shot("things/cat.jpg", "chelsea", quality=90),
    Shot("things/cat-blurred.jpg", "chelsea", (blur(3),)),
    Shot("things/cat-bright.jpg", "chelsea", (light(1.45),), quality=70),
    Shot("things/galaxies.jpg", "hubble", (width(560),), quality=80),
    Shot("things/galaxies-dim.jpg", "hubble", (light(0.7), width(380)), quality=60),
    Shot("things/clock.jpg", "clock"),
    Shot("things/bricks.jpg", "bricks", (width(400),), quality=75),
)
"""Every picture that shows one photograph."""

TOGETHER = "people/together.jpg"
"""The picture that shows both people."""


def photograph(source: str) -> Image.Image:
    """Return a photograph of ``SOURCES`` in colour.

    Raises
    ------
    FileNotFoundError
        The package that carries it is not installed.
    """
    package, inside = SOURCES[source]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"the photograph {source!r} comes with the Python package {package}, which is not "
            "installed: pip install 'imm-ray[dev]'"
        )
    with Image.open(Path(spec.origin).parent / inside) as image:
        return image.convert("RGB")


def build(folder: Path) -> list[Path]:
    """Return the album's pictures, written below ``folder``.

    The same Pillow writes the same bytes every time.
    """
    written = [_write(folder / TOGETHER, _together(), quality=86, orientation=1)]
    for shot in SHOTS:
        image = photograph(shot.source)
        for edit in shot.edits:
            image = edit(image)
        path = folder / shot.name
        written.append(_write(path, image, quality=shot.quality, orientation=shot.orientation))
    return sorted(written)


def _together() -> Image.Image:
    left = width(400)(crop(60, 20, 440, 500)(photograph("hopper")))
    right = mirror(width(400)(crop(90, 0, 360, 341)(photograph("collins")))).resize(left.size)
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def _write(path: Path, image: Image.Image, *, quality: int, orientation: int) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = image.transpose(Image.Transpose.ROTATE_90) if orientation == 6 else image
    buffer = io.BytesIO()
    stored.save(buffer, "JPEG", quality=quality, optimize=True, exif=exif)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return path
