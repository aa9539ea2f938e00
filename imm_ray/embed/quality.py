"""How fit a face is to be recognised, and where it looks."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imm_ray.embed.detector import Detection
from imm_ray.model import HeadPose, Pixels

# A frontal face: where the nose lies between the lines of the eyes (0) and the mouth (1), and how
# far it stands out for turns to the side and for nods, in distances between the eyes and from eyes
# to mouth.
_NOSE_PLACE = 0.585
_NOSE_DEPTH_YAW = 0.6
_NOSE_DEPTH_PITCH = 0.45

_SHARPNESS_SCALE = 0.006
_GOOD_SHARPNESS = 0.9
_GOOD_SCORE = 0.88
_WORST_SCORE = 0.5
_GOOD_SIDE = 60.0
_FREE_TURN = 25.0
_FULL_TURN = 75.0


@dataclass(frozen=True, slots=True)
class FaceFitness:
    """What is known of a face besides its vector."""

    quality: float
    """0-1; above .8 the face can be trusted to stand for a person."""
    sharpness: float
    """0-1."""
    head_pose: HeadPose


def assess_face(detection: Detection, chip: Pixels) -> FaceFitness:
    """Return quality, sharpness and pose of a detected face.

    Notes
    -----
    Quality is a product of four terms, each 1 for an ordinary portrait and falling from there: the
    detector's score, the face's smaller side in analysed pixels, sharpness, and the turn of the
    head. So one bad property is enough for a face below .8.
    """
    pose = head_pose(detection.landmarks)
    sharpness = face_sharpness(chip)
    turn = max(abs(pose.yaw), abs(pose.pitch))
    terms = (
        (detection.score - _WORST_SCORE) / (_GOOD_SCORE - _WORST_SCORE),
        float(min(detection.box[2:])) / _GOOD_SIDE,
        sharpness / _GOOD_SHARPNESS,
        1 - (turn - _FREE_TURN) / _FULL_TURN,
    )
    quality = math.prod(min(1.0, max(0.0, term)) for term in terms)
    return FaceFitness(quality=quality, sharpness=sharpness, head_pose=pose)


def face_sharpness(chip: Pixels) -> float:
    """Return the sharpness of an aligned chip, 0-1.

    Notes
    -----
    The variance of the Laplacian over the inner face, after a little smoothing against noise, over
    the variance of the grey levels, so that light and contrast hardly matter; mapped by 1 - exp(-x
    / .006).
    """
    inner = cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY)[30:125, 30:120].astype(np.float32)
    smooth = cv2.GaussianBlur(inner, (0, 0), 0.8)
    detail = float(cv2.Laplacian(smooth, cv2.CV_32F).var()) / (float(smooth.var()) + 25.0)
    return 1 - math.exp(-detail / _SHARPNESS_SCALE)


def head_pose(landmarks: NDArray[np.float32]) -> HeadPose:
    """Return an estimate of the head's turn from five landmarks.

    Notes
    -----
    Roll is the slope of the lines of eyes and mouth (clockwise positive). After it is undone, the
    nose stands out of the plane of eyes and mouth: its shift sideways gives yaw (towards the
    picture's right positive), its shift along the axis gives pitch (up positive).
    """
    eyes, mouth = landmarks[:2].astype(np.float64), landmarks[3:].astype(np.float64)
    across = (eyes[1] - eyes[0]) + (mouth[1] - mouth[0])
    roll = math.atan2(across[1], across[0])
    turn = np.array(
        [[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]], np.float64
    )
    upright = (landmarks - eyes.mean(axis=0)) @ turn.T
    nose, low = upright[2], upright[3:].mean(axis=0)
    width = max(((upright[1] - upright[0])[0] + (upright[4] - upright[3])[0]) / 2, 1e-6)
    height = max(float(low[1]), 1e-6)
    sideways = nose[0] - low[0] * nose[1] / height
    along = nose[1] - _NOSE_PLACE * height
    return HeadPose(
        pitch=math.degrees(math.atan2(-along, _NOSE_DEPTH_PITCH * height)),
        roll=math.degrees(roll),
        yaw=math.degrees(math.atan2(sideways, _NOSE_DEPTH_YAW * width)),
    )
