"""The demo's report: one static HTML page with a folder of pictures beside it.

The page runs no script and asks nobody for anything: its content policy allows its own pictures and
the style sheet whose hash it names. File names come from strangers and are only ever text in it.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from imm_ray import __version__
from imm_ray.cli.pictures import Decode, remove_own, write_face, write_photo
from imm_ray.cli.result import Face, Findings, Photo
from imm_ray.cli.text import plain
from imm_ray.errors import SourceError

PICTURES = "pictures"
MOST_FACES = 100
"""Faces shown of one person; the rest is counted."""
MOST_GROUPS = 200
"""Similar groups shown; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture in a grid of the page: where it is, what it links to, and its words."""

    src: str
    href: str
    name: str
    note: str = ""
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A titled grid of the page."""

    title: str
    count: str
    pictures: tuple[Shown, ...]
    more: int = 0


class Report:
    """Writes the report of what was found.

    Parameters
    ----------
    root
        The folder that was indexed.
    out
        The folder to write to: ``report.html`` and ``pictures/``.
    title
        The page's title.
    decode
        Bytes of a picture to upright pixels; the only way in which the report opens a file.
    """

    def __init__(self, root: Path, out: Path, *, title: str, decode: Decode) -> None:
        self._root = root
        self._title = title
        self._out = out
        self._decode = decode
        self._photos: dict[str, str] = {}
        self._faces: dict[str, str] = {}

    def write(
        self,
        found: Findings,
        *,
        seconds: Mapping[str, float],
        on_photo: Callable[[int, int], None] = lambda done, total: None,
        made_at: datetime | None = None,
    ) -> Path:
        """Return the page, written with its pictures.

        ``on_photo`` hears how many of the shown photos are done. A photo that has vanished since it
        was indexed, or that decodes no more, is shown by its name alone.
        """
        pictures = self._out / PICTURES
        pictures.mkdir(parents=True, exist_ok=True)
        remove_own(pictures)
        shown = _shown_photos(found)
        for number, (path, faces) in enumerate(shown.items(), start=1):
            self._cut(number, path, faces)
            on_photo(number, len(shown))
        page = self._out / "report.html"
        page.write_text(self._page(found, seconds, made_at or datetime.now(UTC)), "utf-8")
        return page

    def _cut(self, number: int, path: str, faces: Sequence[Face]) -> None:
        try:
            decoded = self._decode((self._root / path).read_bytes())
        except (OSError, SourceError):
            return
        name = f"photo-{number:05}"
        write_photo(self._out / PICTURES / f"{name}.jpg", decoded.pixels)
        self._photos[path] = f"{PICTURES}/{name}.jpg"
        for index, face in enumerate(faces, start=1):
            file = f"face-{number:05}-{index:02}.jpg"
            write_face(self._out / PICTURES / file, decoded, face.box)
            self._faces[face.figure_id] = f"{PICTURES}/{file}"

    def _page(self, found: Findings, seconds: Mapping[str, float], made_at: datetime) -> str:
        loader = PackageLoader("imm_ray.cli")
        environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        style, _, _ = loader.get_source(environment, "report.css")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        return environment.get_template("report.html.j2").render(
            style=Markup(style),  # our own file, no input in it
            style_hash=f"sha256-{digest}",
            title=plain(self._title),
            made_at=f"{made_at:%Y-%m-%d %H:%M} UTC",
            version=__version__,
            numbers=_numbers(found),
            seconds=[(title, f"{value:.1f} s") for title, value in seconds.items()],
            people=self._people(found),
            strangers=self._strangers(found),
            groups=self._groups(found),
            more_groups=max(0, len(found.groups) - MOST_GROUPS),
            failed=[(plain(photo.path), plain(photo.reason)) for photo in found.failed],
        )

    def _people(self, found: Findings) -> list[Grid]:
        return [
            self._face_grid(
                plain(person.name) or f"Person {number}",
                person.faces,
                f"{_many(person.figure_count, 'face')} in {_many(person.image_count, 'photo')}",
            )
            for number, person in enumerate(found.people, start=1)
        ]

    def _strangers(self, found: Findings) -> Grid:
        faces = found.strangers
        return self._face_grid("Nobody", faces, _many(len(faces), "face"))

    def _face_grid(self, title: str, faces: Sequence[tuple[Photo, Face]], count: str) -> Grid:
        pictures = tuple(
            Shown(
                self._faces.get(face.figure_id, ""),
                self._photos.get(photo.path, ""),
                plain(photo.path),
            )
            for photo, face in faces[:MOST_FACES]
        )
        return Grid(title, count, pictures, max(0, len(faces) - MOST_FACES))

    def _groups(self, found: Findings) -> list[Grid]:
        grids = []
        for number, group in enumerate(found.groups[:MOST_GROUPS], start=1):
            pictures = tuple(
                Shown(
                    self._photos.get(path, ""),
                    self._photos.get(path, ""),
                    plain(path),
                    f"score {score:.2f}",
                    place == 0,
                )
                for place, (path, score) in enumerate(group.pictures)
            )
            grids.append(Grid(f"Group {number}", _many(len(pictures), "picture"), pictures))
        return grids


def _shown_photos(found: Findings) -> dict[str, list[Face]]:
    """Return the photos that the page shows, each with the faces to cut out, in a fixed order."""
    shown: dict[str, list[Face]] = {}
    for faces in (*(person.faces for person in found.people), found.strangers):
        for photo, face in faces[:MOST_FACES]:
            shown.setdefault(photo.path, []).append(face)
    for group in found.groups[:MOST_GROUPS]:
        for path, _ in group.pictures:
            shown.setdefault(path, [])
    return shown


def _numbers(found: Findings) -> list[tuple[str, Any]]:
    return [
        ("files", len(found.photos)),
        ("indexed", len(found.succeeded)),
        ("failed", len(found.failed)),
        ("faces", found.face_count),
        ("people", len(found.people)),
        ("similar groups", len(found.groups)),
    ]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
