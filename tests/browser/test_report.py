import os
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from imm_ray.cli.album import PHOTOS
from imm_ray.cli.report import Report
from imm_ray.cli.result import Face, Findings, Group, Person, Photo
from imm_ray.media.decoder import Decoder
from imm_ray.settings import Limits
from tests.conftest import missing

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>.jpg'
ALBUM = ("people/hopper-phone.jpg", "people/together.jpg", "things/coffee.jpg", "things/cat.jpg")
PROBE = """<body><script>
const frame = document.createElement("iframe");
const loaded = (image) => new Promise((resolve) => {
  image.loading = "eager";
  if (image.complete) resolve(); else image.onload = image.onerror = resolve;
});
frame.onload = () => {
  const page = frame.contentDocument;
  Promise.all([...page.images].map(loaded)).then(() => {
    const result = {
      title: page.title,
      pictures: [...page.images].map((image) => image.naturalWidth > 0),
      scripts: page.scripts.length,
      styled: getComputedStyle(page.querySelector(".faces")).display,
    };
    document.body.textContent = "RESULT" + JSON.stringify(result) + "END";
  });
};
frame.style = "width: 1000px; height: 4000px";
frame.src = "report.html";
document.body.append(frame);
</script></body>"""
"""Asks the page itself; the page allows no script, so this one looks at it from outside."""

Browse = Callable[..., str]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Real Chromium, headless, on a local file."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        missing("chromium", "there is no chromium on the PATH")

    def run(page: Path, *options: str) -> str:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [
                chromium,
                "--headless",
                *sandbox,
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--virtual-time-budget=30000",
                f"--user-data-dir={tmp_path / 'profile'}",
                *options,
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        return done.stdout

    return run


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("album")
    for name in ALBUM:
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(PHOTOS / name, root / name)
    hostile = HOSTILE.replace("/", "|")
    shutil.copy(PHOTOS / ALBUM[0], root / hostile)
    box = (130, 120, 170, 215)
    photos = tuple(
        Photo(name, "Succeeded", "", (Face(f"f{number}", box, "Cluster-1"),))
        for number, name in enumerate((ALBUM[0], ALBUM[1], hostile))
    )
    failed = Photo(f"broken {HOSTILE}", "Failed", "The image is truncated or damaged.")
    faces = tuple((photo, photo.faces[0]) for photo in photos)
    person = Person("Cluster-1", "", 3, 3, faces, None)
    group = Group("S1", ((ALBUM[2], 0.8), (ALBUM[3], 0.6)))
    found = Findings((*photos, failed), (person,), (group,))
    with Decoder(Limits()) as decoder:
        Report(root, root / "out", title=HOSTILE, decode=decoder.decode).write(
            found, seconds={"Indexing": 1.0}, made_at=datetime(2026, 1, 2, tzinfo=UTC)
        )
    return root / "out" / "report.html"


def test_every_picture_loads_and_a_hostile_name_stays_text(report: Path, browse: Browse) -> None:
    probe = report.with_name("probe.html")
    probe.write_text(PROBE)
    dom = browse(probe, "--allow-file-access-from-files", "--dump-dom")
    result = re.search("RESULT(.*)END", dom)
    assert result is not None, dom
    assert '"pictures":[true,true,true,true,true]' in result[1]
    assert '"scripts":0' in result[1]
    assert '"styled":"grid"' in result[1]
    assert '"title":"&lt;img src=x onerror' in result[1]


@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_shows_pictures_at_any_width(
    report: Path, browse: Browse, tmp_path: Path, width: int
) -> None:
    shot = tmp_path / "shot.png"
    browse(report, f"--window-size={width},2000", f"--screenshot={shot}")
    pixels = cv2.imread(str(shot))
    assert pixels is not None
    colourful = (np.ptp(pixels.astype(int), axis=2) > 60).mean()
    assert colourful > 0.02, "the page shows no photograph"
