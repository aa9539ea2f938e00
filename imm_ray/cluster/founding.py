"""Which faces found clusters: IMM's rule (``imm/api.md`` section 6), and which only follow."""

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

    IMM: to create a group, ``MinEntityCount`` (3) face images of one person are needed, "each with
    face > 75x75 px, |Pitch|, |Roll|, |Yaw| < 30, FaceQuality > 0.8"; "once the group exists,
    lower-quality faces can join it". The numbers come from the settings.
    """
    pose = face.head_pose
    return (
        min(face.box.width, face.box.height) > rules.min_face_px
        and max(abs(pose.pitch), abs(pose.roll), abs(pose.yaw)) < rules.max_pose_degrees
        and face.quality > rules.min_face_quality
    )


def is_core(face: Face, rules: Clustering) -> bool:
    """Return whether a face takes part in average link; a poorer one only follows.

    Poor faces of different people are alike: blur has a direction of its own.
    """
    return face.quality >= rules.min_core_quality
