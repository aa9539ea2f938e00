"""Face chips -> vectors, with dlib's ResNet."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imm_ray.embed.session import open_session
from imm_ray.model import Pixels

_BATCH = 16


class DlibFaceEmbedder:
    """The 128-dimensional face embedding; compare by cosine (or Euclid, which is the same order).

    Notes
    -----
    A face's vector is the mean of the outputs for the chip and its mirror image, made unit length.
    """

    def __init__(self, path: Path) -> None:
        self._session = open_session(path)

    def embed(self, chips: Sequence[Pixels]) -> NDArray[np.float32]:
        """Return one unit row per chip; a row is zero where the network gives nothing of use."""
        parts = [self._embed(chips[i : i + _BATCH]) for i in range(0, len(chips), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, 128), np.float32)

    def _embed(self, chips: Sequence[Pixels]) -> NDArray[np.float32]:
        rgb = np.stack(chips)[:, :, :, ::-1].astype(np.float32)
        both = np.concatenate([rgb, rgb[:, :, ::-1]])
        (outputs,) = self._session.run(["emb"], {"input": both})
        return unit(outputs[: len(chips)] + outputs[len(chips) :])


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows at unit length; zero, infinite and NaN rows become zero.

    >>> unit(np.array([[3, 4], [0, 0]], np.float32)).round(3).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = np.isfinite(norms) & (norms > 1e-6)
    return np.where(usable, vectors / np.where(usable, norms, 1), 0).astype(np.float32)
