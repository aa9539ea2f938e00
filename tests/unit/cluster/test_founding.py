from dataclasses import dataclass, replace

import pytest

from imm_ray.cluster.founding import is_core, is_good
from imm_ray.model import Box, HeadPose
from imm_ray.settings import Clustering

LARGE = Box(0, 0, 80, 80)
FRONTAL = HeadPose(0, 0, 0)


@dataclass(frozen=True)
class Seen:
    box: Box = LARGE
    head_pose: HeadPose = FRONTAL
    quality: float = 0.9


def test_a_large_sharp_frontal_face_is_good() -> None:
    assert is_good(Seen(), Clustering())


@pytest.mark.parametrize(
    "face",
    [
        Seen(box=Box(0, 0, 75, 80)),
        Seen(box=Box(0, 0, 80, 75)),
        Seen(head_pose=HeadPose(30, 0, 0)),
        Seen(head_pose=HeadPose(0, -30, 0)),
        Seen(head_pose=HeadPose(0, 0, -45)),
        Seen(quality=0.8),
    ],
)
def test_a_face_at_a_limit_is_not_good(face: Seen) -> None:
    assert not is_good(face, Clustering())


def test_the_limits_are_settings() -> None:
    small = replace(Seen(), box=Box(0, 0, 20, 20))
    assert is_good(small, Clustering(min_face_px=19))


def test_a_face_below_the_core_quality_only_follows() -> None:
    rules = Clustering(min_core_quality=0.4)
    assert is_core(Seen(quality=0.4), rules)
    assert not is_core(Seen(quality=0.39), rules)
    assert is_core(Seen(box=Box(0, 0, 5, 5), head_pose=HeadPose(80, 0, 0), quality=0.4), rules)
