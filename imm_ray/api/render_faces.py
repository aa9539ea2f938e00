"""Faces of pictures that are only looked at, and what they are like, as JSON."""

from typing import Any

from imm_ray.api.render import figure_body
from imm_ray.model import (
    Box,
    DetectedFace,
    Figure,
    FigureId,
    FileId,
    SearchedSource,
    SimilarFace,
)

_OF_STORED_ONES = frozenset({"FigureId", "FigureClusterId", "FigureClusterConfidence"})
_OF_SIMILAR_ONES = ("FigureId", "FigureClusterId", "Boundary")


def similarity(scaled: float) -> float:
    """Return a value of the calibrated scale as a ``Similarity``: within 0–1.

    >>> similarity(1.23), similarity(-0.1), similarity(0.12345678)
    (1.0, 0.0, 0.123457)
    """
    return round(min(max(float(scaled), 0.0), 1.0), 6)


def boundary(box: Box) -> dict[str, int]:
    """Return ``Boundary``: pixels of the upright picture."""
    return {"Left": box.left, "Top": box.top, "Width": box.width, "Height": box.height}


def detected_face_body(face: DetectedFace) -> dict[str, Any]:
    """Return ``Figure`` of a face that is not stored: it has no id and no cluster."""
    figure = Figure(
        figure_id=FigureId(""),
        file_id=FileId(""),
        box=face.box,
        confidence=face.confidence,
        quality=face.quality,
        sharpness=face.sharpness,
        head_pose=face.head_pose,
    )
    body = figure_body(figure)
    return {name: body[name] for name in body if name not in _OF_STORED_ONES}


def searched_source_body(source: SearchedSource) -> dict[str, Any]:
    """Return one source of a FacesSearching task with what was found for it."""
    body: dict[str, Any] = {"URI": source.uri, "Error": source.error}
    if source.box is not None:
        body["Boundary"] = boundary(source.box)
    return body | {"SimilarFaces": [_similar_face(face) for face in source.faces]}


def _similar_face(face: SimilarFace) -> dict[str, Any]:
    body = figure_body(face.figure)
    return {
        "URI": face.uri,
        **{name: body[name] for name in _OF_SIMILAR_ONES},
        "Similarity": similarity(face.similarity),
    }
