"""IMM's rule which groups of faces become figure clusters (``imm/api.md`` section 6)."""

from typing import Protocol

from imm_ray.model import Box, HeadPose
from imm_ray.settings import Clustering


class Face(Protocol):
    """What the rule looks at; a ``DetectedFace`` and a ``Figure`` have it."""

    @property
    def box(self) -> Box:
        """Where the face is, in pixels of the full-size picture."""

    @property
    def head_pose(self) -> HeadPose:
        """Where it looks."""

    @property
    def quality(self) -> float:
        """How fit it is to be recognised, 0-1."""


def is_good(face: Face, rules: Clustering) -> bool:
    """Return whether a face counts towards founding a cluster.

    IMM: "each with face > 75x75 px, |Pitch|, |Roll|, |Yaw| < 30, FaceQuality > 0.8"; the numbers
    come from the settings.
    """
    pose = face.head_pose
    return (
        min(face.box.width, face.box.height) > rules.min_face_px
        and max(abs(pose.pitch), abs(pose.roll), abs(pose.yaw)) < rules.max_pose_degrees
        and face.quality > rules.min_face_quality
    )


def founds(good_count: int, *, existing: bool, minimum: int) -> bool:
    """Return whether a group with ``good_count`` good faces is a figure cluster.

    IMM: to create a group, ``minimum`` face images of one person are needed ("MinEntityCount", 3);
    "once the group exists, lower-quality faces can join it", and it stays while it has any face.

    >>> founds(2, existing=False, minimum=3), founds(2, existing=True, minimum=3)
    (False, True)
    """
    return existing or good_count >= minimum
