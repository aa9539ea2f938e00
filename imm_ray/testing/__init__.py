"""Doubles that ship: the whole service in one process without Ray, a clock, an embedder.

For tests of programs that use the API, and for our own.
"""

from imm_ray.testing.doubles import (
    FakeEmbedder,
    ManualClock,
    face,
    near,
    picture,
    random_vector,
    upload_uri,
    wall_clock,
)
from imm_ray.testing.local import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    LocalImm,
    LocalOwners,
    LocalPictures,
)
from imm_ray.testing.measures import RecordedMeasures

__all__ = [
    "ACCESS_KEY_ID",
    "ACCESS_KEY_SECRET",
    "FakeEmbedder",
    "LocalImm",
    "LocalOwners",
    "LocalPictures",
    "ManualClock",
    "RecordedMeasures",
    "face",
    "near",
    "picture",
    "random_vector",
    "upload_uri",
    "wall_clock",
]
