"""Ports behind which every picture shows one face, and nothing is like anything."""

from imm_ray.api.ports import Ports
from imm_ray.model import (
    DatasetId,
    Explained,
    FaceFound,
    Found,
    Outcome,
    Pair,
    Picture,
    Search,
    Thumbnail,
)
from imm_ray.testing import face, picture, random_vector

_FACE_DIMENSION, _IMAGE_DIMENSION = 128, 1280


class OneFace:
    """Sees a face in whatever it is shown."""

    async def look(self, picture_: Picture) -> Outcome:
        return picture(
            "seen",
            face(random_vector("somebody", _FACE_DIMENSION)),
            vector=random_vector("something", _IMAGE_DIMENSION),
        )

    async def thumbnail(self, wanted: Thumbnail) -> bytes:
        return b"\xff\xd8 a small picture \xff\xd9"


class NothingAlike:
    """Finds nothing, and has seen no pair."""

    async def search(self, dataset_id: DatasetId, wanted: Search) -> Found:
        return Found(faces=tuple(FaceFound() for _ in wanted.faces))

    async def explain(self, dataset_id: DatasetId, pair: Pair) -> Explained | None:
        return None


class KeepsNothing:
    """A cache without room."""

    def get(self, key: str) -> bytes | None:
        return None

    def put(self, key: str, content: bytes) -> None:
        return None


PORTS = Ports(pictures=OneFace(), owners=NothingAlike(), thumbnails=KeepsNothing())
