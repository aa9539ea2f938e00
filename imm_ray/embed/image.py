"""A whole picture -> one vector, with EfficientNet-Lite0."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imm_ray.embed.face import unit
from imm_ray.embed.session import open_session
from imm_ray.model import Pixels

_SIDE = 224
_FLAT = 1.0
"""Standard deviation, in grey levels, below which a picture is of one colour."""


class EfficientNetEmbedder:
    """The 1280-dimensional image embedding; compare by cosine.

    Notes
    -----
    The network's outputs are averages of activations (>= 0). Their square roots at unit length,
    minus the mean over ordinary photos, at unit length again, set near-duplicates clearly apart.
    """

    def __init__(self, path: Path, mean: Path) -> None:
        self._session = open_session(path)
        self._mean: NDArray[np.float32] = np.load(mean, allow_pickle=False)

    def embed(self, pixels: Pixels) -> NDArray[np.float32] | None:
        """Return a unit vector, or None for a picture of one colour."""
        small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        if float(np.std(small, axis=(0, 1)).max()) < _FLAT:
            return None
        rgb = np.ascontiguousarray(small[None, :, :, ::-1], np.float32)
        (outputs,) = self._session.run(["emb"], {"input": rgb})
        plain = unit(np.sqrt(np.maximum(outputs, 0)))
        vector = unit(plain - self._mean)[0] if plain.any() else plain[0]
        return np.asarray(vector, np.float32) if vector.any() else None
