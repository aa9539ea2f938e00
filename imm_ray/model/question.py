"""What clients ask of models and indexes, and the answers: nothing here is stored."""

import hashlib
from dataclasses import astuple, dataclass
from typing import TypeAlias

from imm_ray.model.entity import (
    Box,
    ClusterId,
    ClusterKind,
    DatasetId,
    Figure,
    FileId,
    Source,
    Vector,
)

Picture: TypeAlias = Source | bytes
"""A picture to look at: where it is, or its bytes."""

SIMILAR_FACES = 5
"""How many faces a FacesSearching task tells for a source when its request does not say."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """What is looked for in a dataset."""

    faces: tuple[Vector, ...] = ()
    """Each is looked for among the clusters, and among the faces if ``faces_each`` is not 0."""
    faces_each: int = 0
    """How many of the nearest faces are wanted for each."""
    image: Vector | None = None
    images: int = 0
    """How many of the pictures nearest to ``image`` are wanted."""


@dataclass(frozen=True, slots=True)
class Near:
    """A stored item; ``similarity`` is on the model's calibrated scale, within 0–1."""

    item_id: str
    file_id: FileId
    similarity: float


@dataclass(frozen=True, slots=True)
class NearCluster:
    """The visible cluster that a face belongs to by the rule of the engine."""

    cluster_id: ClusterId
    similarity: float


@dataclass(frozen=True, slots=True)
class FaceFound:
    """What a face is like."""

    cluster: NearCluster | None = None
    nearest: tuple[Near, ...] = ()
    """The most similar first."""


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a `Search`."""

    faces: tuple[FaceFound, ...] = ()
    """One for each face of the question, in their order."""
    images: tuple[Near, ...] = ()
    """The most similar first."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items of a dataset: figures, or files."""

    kind: ClusterKind
    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Why two items are in one cluster, or are not; similarities are cosines."""

    together: bool
    reason: str
    sentence: str
    similarity: float
    mean_similarity: float | None = None
    threshold: float
    group_sizes: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small picture that is wanted of an indexed file."""

    account: str
    """Whose dataset it is."""
    dataset_id: DatasetId
    file_id: FileId
    revision: int
    uri: str
    content_hash: str
    """Of the bytes that were indexed: others would not fit the box."""
    width: int
    """Of the upright, full-size picture, as is ``height``."""
    height: int
    box: Box
    """What is shown of it."""
    side: int
    """The longest side of the result, if the box has so many pixels."""

    @property
    def key(self) -> str:
        """``DATASET/FILE/`` and a name that no other content, revision, box or size has."""
        name = hashlib.sha256(repr(astuple(self)).encode()).hexdigest()
        return f"{self.dataset_id}/{self.file_id}/{name}"


@dataclass(frozen=True, slots=True)
class SimilarFace:
    """A stored face that is like the one of a search."""

    figure: Figure
    uri: str
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedSource:
    """What was found for one source of a FacesSearching task."""

    uri: str
    error: str = ""
    """Why it could not be searched with, or ''."""
    box: Box | None = None
    """Its largest face; None when there is none."""
    faces: tuple[SimilarFace, ...] = ()
    """The most similar first."""
