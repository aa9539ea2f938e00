"""Entities: ids, projects, datasets, files, figures, clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, TypeAlias

import numpy as np
from numpy.typing import NDArray

DatasetId = NewType("DatasetId", str)
FileId = NewType("FileId", str)
FigureId = NewType("FigureId", str)
ClusterId = NewType("ClusterId", str)
TaskId = NewType("TaskId", str)

Vector: TypeAlias = NDArray[np.float16]
"""One embedding as stored: shape ``(d,)``, unit length up to fp16 rounding."""
Vectors: TypeAlias = NDArray[np.float16]
"""Embeddings as stored: shape ``(n, d)``, unit rows up to fp16 rounding."""
Pixels: TypeAlias = NDArray[np.uint8]
"""An upright picture: shape ``(height, width, 3)``, BGR."""
JsonObject: TypeAlias = Mapping[str, Any]

NO_CLUSTER = ClusterId("")
"""Processed, and in no cluster; an item that no run has seen has None instead."""
NO_TASK = TaskId("")
"""In the place of a task where there is none."""


class ClusterKind(StrEnum):
    """What a cluster groups."""

    FIGURE = "figure"
    """Faces of one person; an item is a figure."""
    SIMILAR = "similar"
    """Near-identical pictures; an item is a file."""

    @property
    def smallest(self) -> int:
        """The items below which a cluster of this kind no longer exists."""
        return 1 if self is ClusterKind.FIGURE else 2


class FileStatus(StrEnum):
    """``ObjectStatus`` of a file."""

    PENDING = "Pending"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits of a project or dataset; of a dataset they are copied from its project at creation."""

    dataset_max_bind_count: int = 10
    dataset_max_entity_count: int = 10_000_000_000
    dataset_max_file_count: int = 100_000_000
    dataset_max_relation_count: int = 100_000_000_000
    dataset_max_total_file_size: int = 90_000_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project of an account. Counts are filled by the store when asked for."""

    account: str
    name: str
    service_role: str = "AliyunIMMDefaultRole"
    template_id: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    max_dataset_count: int = 1_000_000_000
    config: JsonObject = field(default_factory=dict)
    """``DatasetConfig`` as said, in wire spelling: for datasets that do not say otherwise."""
    created_at: datetime
    updated_at: datetime
    dataset_count: int = 0
    file_count: int = 0
    total_file_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset. ``dataset_id`` is its identity for ever; the name is only looked up."""

    dataset_id: DatasetId
    account: str
    project: str
    name: str
    template_id: str = ""
    """The dataset's own template; '' = its project's."""
    description: str = ""
    quotas: Quotas = field(default_factory=Quotas)
    workflow_parameters: Sequence[JsonObject] = ()
    config: JsonObject = field(default_factory=dict)
    """``DatasetConfig`` as said of this dataset, in wire spelling."""
    face_model: str
    image_model: str
    created_at: datetime
    updated_at: datetime
    bind_count: int = 0
    file_count: int = 0
    total_file_size: int = 0
    rebuild_left: int = 0
    """Items that its owner has to bring back into the neighbour graph before the next run."""
    rebuild_total: int = 0
    """All that it had to bring back; 0 when it does nothing of the kind."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright, full-size picture."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Degrees; 0, 0, 0 looks straight into the camera."""

    pitch: float
    roll: float
    yaw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedFace:
    """One face as the models see it, before it has an identity."""

    box: Box
    confidence: float
    """The detector's score, 0–1."""
    quality: float
    """How fit the face is to be recognised, 0–1 (``embed.quality``)."""
    sharpness: float
    """0–1."""
    head_pose: HeadPose
    vector: Vector


def largest_face(faces: Sequence[DetectedFace]) -> DetectedFace | None:
    """Return the face of the largest box, the surest of equals; None when there is none."""
    return max(faces, key=lambda face: face.box.width * face.box.height, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAnalysis:
    """All that one decode of one picture yields."""

    width: int
    height: int
    orientation: int
    """EXIF orientation 1–8 as stored; width, height and boxes are of the upright picture."""
    content_type: str
    faces: tuple[DetectedFace, ...]
    vector: Vector | None
    """The whole picture's embedding; None where it has none of use (a picture of one colour)."""
    image_score: float
    """Overall quality of the picture, 0–1."""
    produce_time: str = ""
    """When it was taken, RFC 3339 if EXIF gives a zone, else ``YYYY-MM-DDThh:mm:ss``; or ''."""
    lat_long: str = ""
    exif: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStat:
    """What tells one version of a stored object from another."""

    size: int = 0
    etag: str = ""
    modified_at: datetime | None = None
    content_hash: str = ""
    """SHA-256 of the bytes, hex; '' until they were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file for the embedder: where it is, and what is known of it from before."""

    uri: str
    media_type: str = ""
    """As declared by the client: image, video, audio, document …; '' when not said."""
    account: str = ""
    """Whose dataset or request it is: it is read only from what that account may use."""
    known: SourceStat | None = None
    """Set when the file was indexed before with the same models: unchanged bytes need no work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """The outcome for a file that can be indexed.

    ``analysis`` is None for a file that is indexed as metadata only (a video), and when
    ``unchanged`` says that the bytes are those that ``Source.known`` describes.
    """

    stat: SourceStat
    content_type: str
    analysis: ImageAnalysis | None
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The outcome for a file that can not be indexed; ``reason`` is for a person to read."""

    reason: str
    transient: bool = False
    """Nothing is known against the file: results of an earlier indexing stay."""


Outcome: TypeAlias = Indexed | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One stored face with its identity and its visible place in the clusters."""

    figure_id: FigureId
    file_id: FileId
    box: Box
    confidence: float
    quality: float
    sharpness: float
    head_pose: HeadPose
    cluster_id: ClusterId | None = None
    """None before any run has seen it, ``NO_CLUSTER`` when it belongs to nobody."""
    cluster_confidence: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One indexed file as a client may read it."""

    file_id: FileId
    uri: str
    status: FileStatus
    reason: str = ""
    attributes: JsonObject = field(default_factory=dict)
    """What the client said of the file (``InputFile``), in wire spelling."""
    stat: SourceStat = field(default_factory=SourceStat)
    content_type: str = ""
    width: int = 0
    height: int = 0
    orientation: int = 0
    image_score: float | None = None
    produce_time: str = ""
    lat_long: str = ""
    exif: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureCluster:
    """A person."""

    cluster_id: ClusterId
    name: str = ""
    custom_id: str = ""
    custom_labels: JsonObject = field(default_factory=dict)
    meta_lock_version: int = 0
    figure_count: int
    image_count: int
    created_at: datetime
    updated_at: datetime
    cover: File | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarImage:
    """One picture of a group."""

    uri: str
    image_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarImageCluster:
    """A group of near-identical pictures, the best first."""

    cluster_id: ClusterId
    custom_labels: JsonObject = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    images: tuple[SimilarImage, ...]
