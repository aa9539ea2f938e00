"""Two people in eight small pictures, real files with prepared outcomes."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from imm_ray.model import Indexed, Outcome, SourceStat
from imm_ray.testing import face, near, picture, random_vector, upload_uri

BUCKET = "conformance"
SIZE = (640, 480)
_GRAIN = 10
UPLOAD = b"a picture that a client sends"


def uri(name: str) -> str:
    return f"oss://{BUCKET}/{name}.jpg"


ANN = tuple(uri(f"ann {number}") for number in range(4))
BOB = tuple(uri(f"bob-{number}") for number in range(4))
LOST = uri("lost")
"""Not in the bucket."""
LATE = uri("late")
"""Indexed only when the scenario waits for the server to settle."""


def write_pictures(folder: Path) -> dict[str, Outcome]:
    """Write the pictures; return what the embedder is to say of each."""
    folder.mkdir(parents=True)
    outcomes: dict[str, Outcome] = {}
    for person, uris in (("ann", ANN), ("bob", BOB)):
        for number, place in enumerate(uris):
            name = place.rpartition("/")[2]
            seed = hashlib.sha256(name.encode()).digest()
            small = (SIZE[1] // _GRAIN, SIZE[0] // _GRAIN, 3)
            noise = np.random.default_rng(list(seed)).integers(0, 255, small).astype(np.uint8)
            Image.fromarray(noise).resize(SIZE).save(folder / name, "JPEG")
            outcomes[place] = _outcome(person, number, (folder / name).read_bytes())
    outcomes[upload_uri(UPLOAD)] = _outcome("ann", 9, UPLOAD)
    return outcomes


def _outcome(person: str, number: int, content: bytes) -> Indexed:
    who, scene = random_vector(person, 128), random_vector(f"{person} {number // 2}", 1280)
    seed = f"{person}{number}"
    drawn = picture(
        seed, face(near(who, seed, 0.99)), vector=near(scene, seed, 0.99), score=number / 10
    )
    assert drawn.analysis is not None
    stat = SourceStat(
        size=len(content),
        etag=seed,
        modified_at=datetime(2026, 11, 1, tzinfo=UTC),
        content_hash=hashlib.sha256(content).hexdigest(),
    )
    told = replace(
        drawn.analysis,
        produce_time="2026-10-31T12:00:00+08:00",
        lat_long="30.134390,120.074997",
        exif={"Model": "X"},
    )
    return replace(drawn, stat=stat, analysis=told)
