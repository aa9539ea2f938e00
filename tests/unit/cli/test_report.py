import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from imm_ray.cli import report as report_module
from imm_ray.cli.report import Report
from imm_ray.cli.result import Face, Findings, Group, Person, Photo
from imm_ray.media.decoder import Decoder
from imm_ray.settings import Limits

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>\'".jpg'
FACE_BOX = (100, 200, 80, 100)
RED, BLUE, GREY = (220, 30, 30), (30, 30, 220), (128, 128, 128)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(Limits()) as decoder:
        yield decoder


class Page(HTMLParser):
    """What a browser would make of the page, as far as these tests ask."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, tag: str, attribute: str) -> list[str]:
        return [attrs.get(attribute) or "" for name, attrs in self.tags if name == tag]


def picture_with_face(path: Path, *, orientation: int = 1, scale: int = 1) -> None:
    """Write a grey picture; the face in ``FACE_BOX`` has a red upper and a blue lower half."""
    left, top, width, height = (side * scale for side in FACE_BOX)
    image = Image.new("RGB", (300 * scale, 400 * scale), GREY)
    image.paste(RED, (left, top, left + width, top + height // 2))
    image.paste(BLUE, (left, top + height // 2, left + width, top + height))
    if orientation == 6:
        image = image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "JPEG", quality=95, exif=exif)


def person(*photos: Photo) -> Person:
    faces = tuple((photo, face) for photo in photos for face in photo.faces)
    return Person("Cluster-1", "", len(faces), len(photos), faces, None)


def photo(path: str, *, cluster_id: str | None = "Cluster-1", scale: int = 1) -> Photo:
    left, top, width, height = (side * scale for side in FACE_BOX)
    return Photo(
        path, "Succeeded", "", (Face(f"f-{path}", (left, top, width, height), cluster_id),)
    )


def write(root: Path, found: Findings, decoder: Decoder) -> Page:
    report = Report(root, root / "out", title="My <b>album</b>", decode=decoder.decode)
    page = report.write(found, seconds={"Indexing": 1.25}, made_at=datetime(2026, 1, 2, tzinfo=UTC))
    return Page(page.read_text("utf-8"))


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("scale", [1, 10])
def test_a_face_is_cut_out_upright(
    tmp_path: Path, decoder: Decoder, orientation: int, scale: int
) -> None:
    picture_with_face(tmp_path / "a.jpg", orientation=orientation, scale=scale)
    one = photo("a.jpg", scale=scale)
    page = write(tmp_path, Findings((one,), (person(one),)), decoder)

    (src,) = page.values("img", "src")
    crop = cv2.imread(str(tmp_path / "out" / src), cv2.IMREAD_COLOR_RGB)
    assert crop is not None
    rows, columns = crop.shape[:2]
    assert 0.95 <= rows / columns <= 1.05
    middle = columns // 2
    np.testing.assert_allclose(crop[int(rows * 0.4), middle], RED, atol=25)
    np.testing.assert_allclose(crop[int(rows * 0.6), middle], BLUE, atol=25)
    np.testing.assert_allclose(crop[int(rows * 0.08), middle], GREY, atol=25)  # the margin


def test_a_hostile_name_is_only_text(tmp_path: Path, decoder: Decoder) -> None:
    picture_with_face(tmp_path / HOSTILE.replace("/", "_"))
    one = photo(HOSTILE.replace("/", "_"))
    broken = Photo(f"dir/{HOSTILE}", "Failed", "<b>reason</b>")
    group = Group("S", ((one.path, 0.7), (one.path, 0.6)))
    page = write(tmp_path, Findings((one, broken), (person(one),), (group,)), decoder)

    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "b", "link", "base", "form"}
    assert all(not name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "x" not in page.values("img", "src")
    assert "My <b>album</b>" in page.text
    assert "<b>reason</b>" in page.text
    assert page.text.count('<script>alert("x")') == 4


def test_the_page_asks_nobody_for_anything(tmp_path: Path, decoder: Decoder) -> None:
    picture_with_face(tmp_path / "a.jpg")
    one = photo("a.jpg")
    page = write(tmp_path, Findings((one,), (person(one),)), decoder)

    assert all(re.fullmatch(r"pictures/[a-z0-9-]+\.jpg", src) for src in page.values("img", "src"))
    for href in page.values("a", "href"):
        assert re.fullmatch(r"pictures/[a-z0-9-]+\.jpg|#[a-z]+", href)
    (policy,) = [value for value in page.values("meta", "content") if "default-src" in value]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*)</style>", (tmp_path / "out/report.html").read_text(), re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "url(" not in style[1]


def test_every_picture_has_words_and_a_link_to_its_photo(tmp_path: Path, decoder: Decoder) -> None:
    picture_with_face(tmp_path / "x/a.jpg")
    picture_with_face(tmp_path / "b.jpg")
    known, stranger = photo("x/a.jpg"), photo("b.jpg", cluster_id=None)
    group = Group("S", (("b.jpg", 0.81), ("x/a.jpg", 0.5)))
    found = Findings((known, stranger), (person(known),), (group,))
    page = write(tmp_path, found, decoder)

    assert page.values("img", "alt") == [
        "Face of Person 1 in x/a.jpg",
        "Face in b.jpg",
        "Photo b.jpg",
        "Photo x/a.jpg",
    ]
    linked = [href for href in page.values("a", "href") if href.startswith("pictures/")]
    assert len(linked) == 4
    assert all((tmp_path / "out" / href).is_file() for href in linked)
    assert [attrs["class"] for tag, attrs in page.tags if tag == "li" and attrs] == ["best"]
    assert page.text.index("Best shot") < page.text.index("score 0.81")
    assert "Faces of nobody" in page.text


def test_a_photo_that_vanished_or_broke_is_shown_by_its_name(
    tmp_path: Path, decoder: Decoder
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    photos = (photo("gone.jpg"), photo("broken.jpg"))
    page = write(tmp_path, Findings(photos, (person(*photos),)), decoder)
    assert page.values("img", "src") == []
    assert "gone.jpg" in page.text
    assert "broken.jpg" in page.text


def test_a_second_report_replaces_its_own_pictures_only(tmp_path: Path, decoder: Decoder) -> None:
    picture_with_face(tmp_path / "a.jpg")
    one = photo("a.jpg")
    write(tmp_path, Findings((one,), (person(one),)), decoder)
    pictures = tmp_path / "out" / "pictures"
    for name in ("photo-00077.jpg", "face-00077-01.jpg", "holiday.jpg", "photo-1.jpg"):
        (pictures / name).write_bytes(b"x")

    write(tmp_path, Findings((one,), (person(one),)), decoder)

    assert sorted(path.name for path in pictures.iterdir()) == [
        "face-00001-01.jpg",
        "holiday.jpg",
        "photo-00001.jpg",
        "photo-1.jpg",
    ]


def test_what_is_too_much_for_a_page_is_counted(
    tmp_path: Path, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "MOST_FACES", 2)
    monkeypatch.setattr(report_module, "MOST_GROUPS", 1)
    photos = tuple(photo(f"{n}.jpg") for n in range(5))
    groups = tuple(Group(f"S{n}", (("0.jpg", 0.5), ("1.jpg", 0.4))) for n in range(3))
    page = write(tmp_path, Findings(photos, (person(*photos),), groups), decoder)
    assert "and 3 more, listed in result.json" in page.text
    assert "and 2 more groups" in page.text
    assert "5 faces in 5 photos" in page.text


def test_a_report_of_nothing_is_a_page_too(tmp_path: Path, decoder: Decoder) -> None:
    page = write(tmp_path, Findings((Photo("a.txt", "Failed", "no image"),)), decoder)
    assert "No person appears often enough" in page.text
    assert "No two pictures are alike" in page.text
    assert "no image" in page.text
