"""The members of IMM's File that files have here, by their path on the wire, and their types."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

UNAVAILABLE = "figure-cluster-id-unavailable"
"""FigureClusterId of a face that no run has seen."""
INDEPENDENT = "figure-cluster-id-independent"
"""FigureClusterId of a face that was clustered and belongs to nobody."""
FIGURES = "Figures"
CLUSTER_ID = "Figures.FigureClusterId"
FIGURE_ID = "Figures.FigureId"
LABELS = "CustomLabels."
"""Path of a custom label, before its key."""
OWN_MEDIA_TYPES = ("image", "video", "audio")
"""MediaTypes that are the first half of a ContentType."""


class FieldType(StrEnum):
    """What a member holds, and so how it is compared."""

    TEXT = "text"
    """Compared by its characters, exactly."""
    NUMBER = "number"
    TIME = "time"
    PLACE = "place"
    """``latitude,longitude``"""
    LABEL = "label"
    """A custom label: text without the case of its letters, and a number if it is one."""
    ARRAY = "array"
    """A list of objects."""


@dataclass(frozen=True, slots=True)
class Field:
    """One member; of an array's element, ``array`` names the array."""

    path: str
    type: FieldType
    array: str = ""

    @property
    def member(self) -> str:
        """The path within the element, or the key of a label."""
        return self.path.partition(".")[2] if self.array or self.is_label else self.path

    @property
    def is_label(self) -> bool:
        """Whether it is a custom label."""
        return self.type is FieldType.LABEL


_PLAIN = {
    FieldType.TEXT: (
        "OwnerId ProjectName DatasetName ObjectType ObjectId ObjectStatus Reason URI OSSURI "
        "Filename MediaType ContentType FileHash ETag CustomId Title Artist AlbumArtist Composer "
        "Performer Album EXIF"
    ),
    FieldType.NUMBER: (
        "Size FigureCount Orientation ImageWidth ImageHeight ImageScore.OverallQualityScore"
    ),
    FieldType.TIME: "CreateTime UpdateTime FileModifiedTime ProduceTime",
    FieldType.PLACE: "LatLong",
}
_ARRAYS = {
    FIGURES: (
        "FigureId FigureType FigureClusterId",
        "FigureConfidence FigureClusterConfidence FaceQuality Sharpness HeadPose.Pitch "
        "HeadPose.Roll HeadPose.Yaw Boundary.Left Boundary.Top Boundary.Width Boundary.Height",
    ),
    "Labels": (
        "Language LabelName LabelAlias ParentLabelName",
        "LabelLevel LabelConfidence CentricScore",
    ),
    "Addresses": (
        "Language AddressLine Country Province City District Township",
        "",
    ),
}


def _fields() -> Mapping[str, Field]:
    found = [Field(path, kind) for kind, paths in _PLAIN.items() for path in paths.split()]
    for array, (texts, numbers) in _ARRAYS.items():
        found.append(Field(array, FieldType.ARRAY))
        found += [Field(f"{array}.{name}", FieldType.TEXT, array) for name in texts.split()]
        found += [Field(f"{array}.{name}", FieldType.NUMBER, array) for name in numbers.split()]
    return {field.path: field for field in found}


FIELDS: Mapping[str, Field] = _fields()
"""All but the custom labels, whose keys are the client's."""


def field_at(path: str) -> Field | None:
    """Return the member at ``path``, None if no file has it here.

    >>> field_at("Figures.FaceQuality").type, field_at("CustomLabels.City").member
    (<FieldType.NUMBER: 'number'>, 'City')
    """
    if path.startswith(LABELS) and len(path) > len(LABELS):
        return Field(path, FieldType.LABEL)
    return FIELDS.get(path)
