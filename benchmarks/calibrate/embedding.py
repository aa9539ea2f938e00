"""Vectors of labelled pictures, made as the service makes them and kept in a temporary folder."""

import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.calibrate.boxes import overlap
from benchmarks.calibrate.labelled import Labelled
from imm_ray.cluster.founding import is_good
from imm_ray.embed.cards import load_card
from imm_ray.embed.models import EmbeddedModels, Seen
from imm_ray.errors import SourceError
from imm_ray.media.decode import decode, prepare
from imm_ray.model import Box, Pixels, Vector, Vectors
from imm_ray.settings import Clustering, Limits

Kind: TypeAlias = Literal["face", "image"]

SAME_BOX = 0.3
"""A labelled box and a found one are of one face from this intersection over union on."""

_COPIED = 200
"""Pictures of a set of which copies are made."""
_FORMAT = b"2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Labelled vectors of one set; what has no vector is left out.

    ``mirrored`` and ``saved`` are cosines of pictures with copies of themselves: mirrored and at
    half the size, as in a collage; and saved again, nothing else.
    """

    name: str
    labels: NDArray[np.str_]
    vectors: Vectors
    quality: NDArray[np.float32]
    good: NDArray[np.bool_]
    """Which faces count towards founding a cluster, by IMM's rule with the default settings."""
    photos: NDArray[np.int64]
    """A number of the picture that each vector is of."""
    mirrored: NDArray[np.float32]
    saved: NDArray[np.float32]
    missed: int = 0
    """Labels without a vector: no face was found there, or the picture can not be decoded."""

    def part(self, rows: NDArray[np.bool_]) -> "Sample":
        """Return the sample of some rows; the copies stay."""
        return replace(
            self,
            labels=self.labels[rows],
            vectors=self.vectors[rows],
            quality=self.quality[rows],
            good=self.good[rows],
            photos=self.photos[rows],
        )

    def at_most(self, count: int) -> "Sample":
        """Return whole identities, drawn at random, of ``count`` vectors together or less."""
        if len(self.labels) <= count:
            return self
        identities = self.identities()
        order = np.random.default_rng(0).permutation(int(identities.max()) + 1)
        sizes = np.bincount(identities)[order]
        return self.part(np.isin(identities, order[np.cumsum(sizes) <= count]))

    def identities(self) -> NDArray[np.int64]:
        """Return the number of each row's identity, by label."""
        return np.unique(self.labels, return_inverse=True)[1].astype(np.int64)


class Embedding:
    """The models that a calibration is of; loaded when something is not in the cache.

    Parameters
    ----------
    model
        Name of the model card.
    cache
        Where vectors are kept; a folder below the system's temporary one if not given.
    """

    def __init__(self, kind: Kind, model: str, *, cache: Path | None = None) -> None:
        self._kind: Kind = kind
        self._model = load_card(model)
        if self._model.kind != kind:
            raise ValueError(f"the model {model} is for {self._model.kind}, not for {kind}")
        self._cache = cache or Path(tempfile.gettempdir()) / "imm-ray-benchmarks"

    def sample(self, name: str, labelled: Sequence[Labelled]) -> Sample:
        """Return the vectors of labelled faces or pictures.

        Raises
        ------
        ValueError
            No picture can be read.
        """
        ordered = sorted(labelled, key=lambda item: (str(item.path), item.label))
        file = self._cache / f"{_digest(self._model.model_id, ordered)}.npz"
        if not file.is_file():
            arrays = self._arrays(ordered)
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(f".{os.getpid()}.npz")
            np.savez(temporary, **arrays)
            temporary.replace(file)
        with np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        return Sample(name=name, missed=len(labelled) - len(arrays["labels"]), **arrays)

    def _arrays(self, labelled: Sequence[Labelled]) -> dict[str, Any]:
        look = _eyes(self._kind, self._model.name)
        rows: list[tuple[str, _Seen, int]] = []
        copies: list[tuple[float, float]] = []
        pictures = [(p, list(items)) for p, items in groupby(labelled, lambda item: item.path)]
        every = max(1, len(pictures) // _COPIED)
        for photo, (path, items) in enumerate(pictures):
            try:
                shot = read_shot(path)
            except SourceError:
                continue
            found = look(shot)
            chosen = [(item.label, _chosen(found, item.box, shot)) for item in items]
            rows += [(label, one, photo) for label, one in chosen if one]
            if photo % every == 0:
                copies += _with_copies(look, shot)
        if not rows:
            raise ValueError(
                f"nothing was found in {len(pictures)} labelled pictures, the first is "
                f"{labelled[0].path}: the paths or the model do not fit them"
            )
        labels, seen, photos = zip(*rows, strict=True)
        return {
            "labels": np.array(labels),
            "vectors": np.stack([one.vector for one in seen]),
            "quality": np.array([one.quality for one in seen], np.float32),
            "good": np.array([one.good for one in seen], np.bool_),
            "photos": np.array(photos, np.int64),
            "mirrored": np.array([mirrored for mirrored, _ in copies], np.float32),
            "saved": np.array([saved for _, saved in copies], np.float32),
        }


@dataclass(frozen=True, slots=True)
class Shot:
    """Pixels, and the size of the picture that they are a reduction of."""

    pixels: Pixels
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Seen:
    vector: Vector
    quality: float
    good: bool
    box: Box


_Look: TypeAlias = Callable[[Shot], list[_Seen]]


def read_shot(path: Path) -> Shot:
    """Return a picture as the service analyses it.

    Raises
    ------
    SourceError
        It can not be decoded.
    """
    limits = Limits()
    _prepare_once()
    picture = decode(path.read_bytes(), side=limits.analysis_side, max_pixels=limits.max_pixels)
    shape = (picture.image.height, picture.image.width, 3)
    pixels = np.frombuffer(picture.bgr(), np.uint8).reshape(shape)
    return Shot(pixels, picture.width, picture.height)


@lru_cache
def _prepare_once() -> None:
    prepare()


def _eyes(kind: Kind, model: str) -> _Look:
    """Return what turns pixels into faces, or into the one picture."""
    other = {"face": "efficientnet-lite0", "image": "dlib-resnet"}[kind]
    models = EmbeddedModels(*((model, other) if kind == "face" else (other, model)))

    def look(shot: Shot) -> list[_Seen]:
        seen = models.analyze(shot.pixels, shot.width, shot.height)
        whole = Box(0, 0, shot.width, shot.height)
        return [*_faces(seen)] if kind == "face" else [*_whole(seen, whole)]

    return look


def _faces(seen: Seen) -> Iterator[_Seen]:
    for face in seen.faces:
        yield _Seen(face.vector, face.quality, is_good(face, Clustering()), face.box)


def _whole(seen: Seen, box: Box) -> Iterator[_Seen]:
    if seen.vector is not None:
        yield _Seen(seen.vector, seen.image_score, True, box)


def _chosen(found: Sequence[_Seen], box: Box | None, shot: Shot) -> _Seen | None:
    """Return the labelled one of what was found: at the box, or else nearest the centre."""
    if not found:
        return None
    if box is None:
        return min(found, key=lambda one: _off_centre(one.box, shot))
    best = max(found, key=lambda one: overlap(one.box, box))
    return best if overlap(best.box, box) >= SAME_BOX else None


def _off_centre(box: Box, shot: Shot) -> float:
    x, y = box.left + box.width / 2, box.top + box.height / 2
    return math.hypot(x - shot.width / 2, y - shot.height / 2)


def _with_copies(look: _Look, shot: Shot) -> Iterator[tuple[float, float]]:
    """Yield the cosines of a picture with its mirrored, smaller copy and with one saved again."""
    shots = [shot, _mirrored(shot.pixels), _saved_again(shot.pixels)]
    vectors = [one.vector.astype(np.float32) for s in shots if (one := _chosen(look(s), None, s))]
    if len(vectors) == len(shots):
        original, mirrored, saved = vectors
        yield float(original @ mirrored), float(original @ saved)


def _mirrored(pixels: Pixels) -> Shot:
    height, width = (max(1, side // 2) for side in pixels.shape[:2])
    flipped = np.ascontiguousarray(pixels[:, ::-1])
    half = cv2.resize(flipped, (width, height), interpolation=cv2.INTER_AREA)
    return Shot(np.asarray(half, np.uint8), width, height)


def _saved_again(pixels: Pixels) -> Shot:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    again = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return Shot(again, again.shape[1], again.shape[0])


def _digest(model_id: str, labelled: Sequence[Labelled]) -> str:
    digest = hashlib.sha256(_FORMAT + model_id.encode())
    for item in labelled:
        stat = item.path.stat() if item.path.is_file() else None
        state = (stat.st_size, stat.st_mtime_ns) if stat else None
        digest.update(repr((str(item.path.resolve()), item.label, item.box, state)).encode())
    return digest.hexdigest()[:32]
