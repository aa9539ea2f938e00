"""ImmRayGetThumbnail: real files, real decoder processes, through the official SDK."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import numpy as np
import pytest
from alibabacloud_imm20200930 import models
from PIL import Image

from imm_ray.api.signature import sign
from imm_ray.model import Box, Indexed
from imm_ray.testing import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    FakeEmbedder,
    face,
    picture,
    random_vector,
    wall_clock,
)
from tests.unit.media.pictures import encoded, noise, oriented
from tests.wire.asking import NAMES, Asker, asking, refusal, settings_of

URI = "oss://b/turned.jpg"
ACTION = "ImmRayGetThumbnail"


def indexed(content: bytes, size: tuple[int, int], *boxes: Box) -> Indexed:
    faces = [replace(face(random_vector(str(box), 128)), box=box) for box in boxes]
    made = picture("x", *faces)
    assert made.analysis is not None
    return replace(
        made,
        stat=replace(made.stat, content_hash=sha256(content).hexdigest()),
        analysis=replace(made.analysis, width=size[0], height=size[1]),
    )


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    content = oriented(6)  # upright 80 x 60, its top left quarter red
    embedder = FakeEmbedder({URI: indexed(content, (80, 60), Box(8, 6, 20, 16))})
    with asking(settings_of(tmp_path), embedder) as asker:
        put(asker, "turned.jpg", content)
        asker.create()
        asker.index(URI)
        yield asker


def put(asker: Asker, name: str, content: bytes) -> None:
    (Path(asker.imm.settings.buckets["b"].target) / name).write_bytes(content)


def get(asker: Asker, **given: Any) -> Image.Image:
    body = asker.extension(ACTION, **NAMES, **given)
    assert (body["URI"], body["ContentType"]) == (URI, "image/jpeg")
    return Image.open(BytesIO(base64.b64decode(body["Content"], validate=True)))


def cached(asker: Asker) -> list[Path]:
    return sorted((asker.imm.settings.data / "thumbnails").glob("*/*/*"))


def test_the_whole_picture_upright_and_small(asker: Asker) -> None:
    image = get(asker, URI=URI, Size=40)
    assert (image.format, image.size) == ("JPEG", (40, 30))
    pixels = np.asarray(image)
    assert pixels[5, 5, 0] > 200
    assert pixels[25, 35].max() < 40
    assert not image.getexif()
    assert get(asker, URI=URI).size == (80, 60)


def test_a_figure_with_a_margin(asker: Asker) -> None:
    figure_id = asker.figure(URI).figure_id
    assert get(asker, FigureId=figure_id, Margin=0).size == (20, 16)
    assert get(asker, FigureId=figure_id).size == (32, 24)
    assert get(asker, FigureId=figure_id, Margin=200).size == (68, 54)
    assert get(asker, FigureId=figure_id, Size=16).size == (16, 12)


def test_it_is_made_once(asker: Asker) -> None:
    get(asker, URI=URI)
    (kept,) = cached(asker)
    put(asker, "turned.jpg", b"gone bad")
    assert get(asker, URI=URI).size == (80, 60)
    kept.unlink()
    code, _, message = refusal(lambda: get(asker, URI=URI))
    assert code == "StatusConflict"
    assert "has changed since it was indexed" in message


def test_a_deleted_file_is_never_shown_again(asker: Asker) -> None:
    figure_id = asker.figure(URI).figure_id
    get(asker, URI=URI)
    get(asker, FigureId=figure_id)
    asker.delete(URI)
    assert refusal(lambda: get(asker, URI=URI))[0] == "ResourceNotFound"
    assert refusal(lambda: get(asker, FigureId=figure_id))[0] == "ResourceNotFound"
    asker.index(URI)  # of the same name and content: a file of its own
    put(asker, "turned.jpg", b"another picture by now")
    assert refusal(lambda: get(asker, URI=URI))[0] == "StatusConflict"


def test_a_file_that_is_deleted_while_its_thumbnail_is_made_is_not_shown(asker: Asker) -> None:
    pictures = asker.imm._own_pictures
    make = pictures._thumbnailer.make

    def delete_and_make(wanted: Any) -> Any:
        asker.delete(URI)
        return make(wanted)

    pictures._thumbnailer.make = delete_and_make  # type: ignore[method-assign]  # a delete in between
    assert refusal(lambda: get(asker, URI=URI))[0] == "ResourceNotFound"
    assert cached(asker) == []


def test_a_file_that_is_indexed_again_has_a_new_one(asker: Asker) -> None:
    get(asker, URI=URI)
    content = encoded(noise(64, 64))
    put(asker, "turned.jpg", content)
    asker.embedder.outcomes[URI] = indexed(content, (64, 64))
    asker.index(URI)
    assert get(asker, URI=URI).size == (64, 64)
    assert len(cached(asker)) == 2


def test_as_an_image(asker: Asker) -> None:
    parameters = {**NAMES, "URI": URI, "ResponseFormat": "raw"}
    headers = sign(
        parameters,
        action=ACTION,
        host=asker.imm.address,
        access_key_id=ACCESS_KEY_ID,
        secret=ACCESS_KEY_SECRET,
        now=wall_clock(),
    )
    query = urlencode(parameters, quote_via=quote)
    got = httpx.post(f"http://{asker.imm.address}/?{query}", headers=headers)
    assert (got.status_code, got.headers["content-type"]) == (200, "image/jpeg")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "private, no-store"
    assert Image.open(BytesIO(got.content)).size == (80, 60)
    again = httpx.post(f"http://{asker.imm.address}/?{query}", headers=headers)
    assert json.loads(again.content)["Code"] == "SignatureNonceUsed"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "InvalidArgument"),
        ({"URI": URI, "FigureId": "x"}, "InvalidArgument"),
        ({"URI": URI, "Size": 15}, "InvalidArgument"),
        ({"URI": URI, "Size": 1025}, "InvalidArgument"),
        ({"URI": URI, "Margin": -1}, "InvalidArgument"),
        ({"URI": URI, "ResponseFormat": "png"}, "InvalidArgument"),
        ({"URI": "oss://b/none.jpg"}, "ResourceNotFound"),
        ({"FigureId": "../../etc/passwd"}, "ResourceNotFound"),
    ],
)
def test_what_is_refused(asker: Asker, given: dict[str, Any], code: str) -> None:
    assert refusal(lambda: get(asker, **given))[0] == code


def test_what_is_no_picture_has_none(asker: Asker) -> None:
    asker.index("oss://b/bad.jpg")
    code, _, message = refusal(lambda: get(asker, URI="oss://b/bad.jpg"))
    assert code == "StatusConflict"
    assert "no indexed picture" in message


def test_another_dataset_does_not_show_it(asker: Asker) -> None:
    figure_id = asker.figure(URI).figure_id
    get(asker, FigureId=figure_id)
    asker.client.create_dataset(models.CreateDatasetRequest(project_name="p", dataset_name="e"))
    elsewhere = {"ProjectName": "p", "DatasetName": "e", "FigureId": figure_id}
    assert refusal(lambda: asker.extension(ACTION, **elsewhere))[0] == "ResourceNotFound"
