"""Labelled pictures: which face, or which picture, is whose."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imm_ray.model import Box

_TABLES = (("labels.csv", "label"), ("group_faces_weak.csv", "weak_label"))
"""Tables of a set, and their columns that name the identity."""

_NO_IDENTITY = ("GROUP", "CORRUPT_OR_UNREADABLE")
"""How labels begin that say what a picture is instead of whom it shows."""

_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".avif"}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled face or picture."""

    path: Path
    label: str
    box: Box | None = None
    """Where the face is; None: it is the face nearest the picture's centre."""


def read_labelled(folder: Path) -> list[Labelled]:
    """Return what a folder's ``labels.csv`` says; without one, each sub-folder is an identity.

    Raises
    ------
    ValueError
        There are fewer than two identities, or none with two pictures.
    """
    if not folder.is_dir():
        raise ValueError(
            f"{folder} is no folder: give a folder with one sub-folder for each identity, or with "
            "a labels.csv of the columns path,label"
        )
    found = list(_of_tables(folder) if (folder / _TABLES[0][0]).is_file() else _of_folders(folder))
    identities = {item.label for item in found}
    if len(identities) < 2 or len(identities) == len(found):
        raise ValueError(
            f"{folder} has {len(found)} labelled pictures of {len(identities)} identities: at "
            "least two identities are needed, one of them with two pictures"
        )
    return found


def _of_tables(folder: Path) -> Iterator[Labelled]:
    for name, column in _TABLES:
        if not (folder / name).is_file():
            continue
        with (folder / name).open(newline="") as file:
            for row in csv.DictReader(file):
                if not row[column].startswith(_NO_IDENTITY):
                    yield Labelled(folder / row["path"], row[column], _box(row))


def _of_folders(folder: Path) -> Iterator[Labelled]:
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in _PICTURES:
            yield Labelled(path, path.parent.name)


def _box(row: dict[str, str]) -> Box | None:
    if not row.get("x"):
        return None
    left, top, width, height = (round(float(row[key])) for key in "xywh")
    return Box(left, top, width, height)
