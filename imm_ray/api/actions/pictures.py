"""DetectImageFaces, CompareImageFaces, DetectImageScore: a look that stores nothing."""

import asyncio
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from imm_ray.api.asking import Asking
from imm_ray.api.call import Call
from imm_ray.api.looking import look_at
from imm_ray.api.render_faces import detected_face_body, similarity
from imm_ray.api.schema import AsJson, OfProject, Uri, Wire
from imm_ray.embed.cards import load_card
from imm_ray.errors import InvalidArgument
from imm_ray.model import DetectedFace, largest_face
from imm_ray.store import projects


def _assumes_nothing(config: dict[str, Any]) -> dict[str, Any]:
    if any(value not in (None, "", [], {}) for value in config.values()):
        raise ValueError(
            "this service assumes no roles: it reads the buckets of its settings with the "
            "credentials given there; leave the parameter out"
        )
    return config


CredentialConfig = Annotated[
    dict[str, Any], AsJson, AfterValidator(_assumes_nothing), Field(max_length=64)
]
"""Refused when it names anything: it says with whose rights to read, maybe with fewer than ours."""


class OfPicture(OfProject):
    """Parameters of an action that looks into one picture."""

    credential_config: CredentialConfig | None = None
    source_uri: Annotated[Uri, Field(alias="SourceURI")]


class TwoPictures(Wire):
    """``CompareImageFacesRequestSource``."""

    uri1: Annotated[Uri, Field(alias="URI1")]
    uri2: Annotated[Uri, Field(alias="URI2")]


class CompareImageFaces(OfProject):
    """Parameters of CompareImageFaces."""

    credential_config: CredentialConfig | None = None
    source: Annotated[TwoPictures, AsJson]


async def detect_image_faces(asking: Asking, call: Call, params: OfPicture) -> dict[str, Any]:
    """Return the faces of a picture, the surest first; nothing is stored.

    They have no FigureId and no cluster. The picture is read from the account's buckets and
    decoded as in indexing, with the same limits; one that can not be read or decoded is an
    InvalidArgument that says why. ``CredentialConfig`` is refused: this service assumes no roles.
    """
    await _require_project(asking, call, params)
    seen = await look_at(asking, call, params.source_uri, "SourceURI")
    return {"Faces": [detected_face_body(face) for face in seen.faces]}


async def compare_image_faces(
    asking: Asking, call: Call, params: CompareImageFaces
) -> dict[str, Any]:
    """Return how alike the largest faces of two pictures are.

    ``Similarity`` is on the scale of FigureClusterConfidence: 0 as alike as strangers are on
    average, 1 as alike as two pictures of one person are, and no further at either end. A picture
    without a face is an InvalidArgument.
    """
    await _require_project(asking, call, params)
    source = params.source
    seen = await asyncio.gather(
        look_at(asking, call, source.uri1, "Source.URI1"),
        look_at(asking, call, source.uri2, "Source.URI2"),
    )
    first, second = (
        _of_some(largest_face(picture.faces), parameter)
        for picture, parameter in zip(seen, ("Source.URI1", "Source.URI2"), strict=True)
    )
    cosine = float(first.vector.astype(np.float64) @ second.vector.astype(np.float64))
    scale = load_card(call.surroundings.settings.models.face).scale
    return {"Similarity": similarity(scale.scaled(cosine))}


async def detect_image_score(asking: Asking, call: Call, params: OfPicture) -> dict[str, Any]:
    """Return the quality of a picture, 0–1, as indexing finds it; nothing is stored."""
    await _require_project(asking, call, params)
    seen = await look_at(asking, call, params.source_uri, "SourceURI")
    return {"ImageScore": {"OverallQualityScore": similarity(seen.image_score)}}


async def _require_project(asking: Asking, call: Call, params: OfProject) -> None:
    await asking.read(lambda tx: projects.require(tx, call.account, params.project_name))


def _of_some(face: DetectedFace | None, parameter: str) -> DetectedFace:
    if face is None:
        raise InvalidArgument.of(parameter, "there is no face in the picture")
    return face
