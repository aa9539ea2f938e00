"""Small pictures to index: the bundled sample album in many versions, and some poison."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image, ImageEnhance

import imm_ray.cli.album

BUCKET = "album"
_SIDE = 320
_VERSIONS = 6


@dataclass(frozen=True, slots=True)
class Pictures:
    """URIs of what is in the bucket."""

    good: tuple[str, ...]
    poison: tuple[str, ...]
    """Files that must end Failed, and harm nothing."""


def make_pictures(folder: Path, chance: Random) -> Pictures:
    """Write the pictures into ``folder``; the same seed makes the same pixels."""
    folder.mkdir(parents=True)
    album = Path(imm_ray.cli.album.__file__).parent / "photos"
    good = []
    for path in sorted(album.rglob("*.jpg")):
        with Image.open(path) as opened:
            opened.thumbnail((_SIDE, _SIDE))
            base = opened.convert("RGB")
        for version in range(_VERSIONS):
            name = f"{path.stem}-{version}.jpg"
            _version_of(base, chance).save(folder / name, quality=chance.randint(75, 95))
            good.append(f"oss://{BUCKET}/{name}")
    return Pictures(tuple(good), tuple(_poison(folder, chance)))


def _version_of(base: Image.Image, chance: Random) -> Image.Image:
    """Return a picture like another one: a little cropped, brighter or darker."""
    left, top = chance.randint(0, 8), chance.randint(0, 8)
    part = base.crop((left, top, base.width - chance.randint(0, 8), base.height))
    return ImageEnhance.Brightness(part).enhance(chance.uniform(0.9, 1.1))


def _poison(folder: Path, chance: Random) -> list[str]:
    whole = next(folder.glob("*.jpg")).read_bytes()
    bomb = Image.new("1", (12_000, 10_000))
    bomb.save(folder / "bomb.png")
    contents = {
        "empty.jpg": b"",
        "text.jpg": b"not a picture " * 40,
        "header.jpg": whole[:200],
        "noise.png": b"\x89PNG\r\n\x1a\n" + chance.randbytes(4000),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [f"oss://{BUCKET}/{name}" for name in (*contents, "bomb.png", "absent.jpg")]
