"""Synthetic embeddings with known groups: faces of people, and pictures with near-duplicates.

Notes
-----
Same seed, same vectors, however they are cut into chunks: every quantity is drawn, item by item,
from a generator of its own. Directions are anisotropic, as embeddings are: the variance falls off
along the axes. Cosines do not change when everything is rotated, so nothing is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.clustering.scores import Labels
from imm_ray.model import Vectors

DIMENSION = 512
_ITEMS_AT_ONCE = 16_384  # 32 MB for each float32 array in hand

_Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """Vectors as stored, and which of them belong together."""

    vectors: Vectors
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


class Faces:
    """Faces of many people, as a face model would embed them.

    * 6 % belong to nobody: a label each.
    * Sizes of people are log-normal (median 6, some single, the largest a fortieth of all faces).
    * A quarter of the people come in families of 2-5 that look alike.
    * People with six faces or more have 1-4 appearances (ages, poses).
    * Every face has a quality; poor ones drift towards one of 8 common kinds of blur, and so
      towards each other, as the faces of nobody do.

    Parameters
    ----------
    count
        How many faces.
    seed
        Same seed, same faces.
    dimension
        Of the vectors.

    Notes
    -----
    Memory: 4 bytes per dimension and appearance, that is about 350 MB for 10**6 faces of dimension
    512; twice that while this is made.
    """

    def __init__(self, count: int, *, seed: int, dimension: int = DIMENSION) -> None:
        streams = np.random.default_rng(seed).spawn(8)
        self._amplitudes = _falling(dimension, 1.2 / 115) ** 0.5
        nobodies = int(count * 0.06)
        sizes = _sizes(streams[0], count - nobodies, largest=max(200, count // 40))
        centres = self._centres(streams[1], len(sizes))
        appearances = streams[2].integers(1, 5, len(sizes))
        appearances[sizes < 6] = 1
        self._first = np.cumsum(appearances) - appearances
        self._cores = self._appearances(streams[3], np.repeat(centres, appearances, axis=0))
        self._appearance_count = appearances
        self._blurs = _directions(streams[4], 8, self._amplitudes)
        labels = np.repeat(np.arange(len(sizes) + nobodies), np.append(sizes, [1] * nobodies))
        self.labels: Labels = streams[5].permutation(labels)
        self._traits, self._noise = streams[6], streams[7]

    def chunks(self, items: int = _ITEMS_AT_ONCE) -> Iterator[Sample]:
        """Yield all faces in portions; may be called once.

        A portion takes about 20 bytes per face and dimension while it is made.
        """
        for start in range(0, len(self.labels), items):
            labels = self.labels[start : start + items]
            yield Sample(self._vectors(labels), labels)

    def _centres(self, rng: np.random.Generator, people: int) -> _Rows:
        """Return a direction for each person."""
        centres = _directions(rng, people, self._amplitudes)
        centres = _unit(centres + np.float32(0.14) * _directions(rng, 1, self._amplitudes))
        relatives = rng.permutation(people)[: people // 4]
        ends = np.cumsum(rng.integers(2, 6, len(relatives)))
        family = np.searchsorted(ends, np.arange(len(relatives)), side="right")
        ancestors = _directions(rng, len(relatives), self._amplitudes)[family]
        centres[relatives] = _mix(
            ancestors, centres[relatives], np.sqrt(rng.uniform(0.35, 0.70, len(relatives)))
        )
        return centres

    def _appearances(self, rng: np.random.Generator, centres: _Rows) -> _Rows:
        """Return the direction of each appearance of each person."""
        strength = rng.uniform(0.15, 0.55, len(centres)).astype(np.float32)
        for start in range(0, len(centres), _ITEMS_AT_ONCE):
            part = slice(start, start + _ITEMS_AT_ONCE)
            change = _directions(rng, len(centres[part]), self._amplitudes)
            centres[part] = _unit(centres[part] + strength[part, None] * change)
        return centres

    def _vectors(self, labels: Labels) -> Vectors:
        nobody = labels >= len(self._first)
        person = np.where(nobody, 0, labels)
        # One draw a trait and face, all in one array, so that chunks of any size draw the same.
        draws = self._traits.random((len(labels), 4))
        core = self._first[person] + (draws[:, 0] * self._appearance_count[person]).astype(np.int64)
        quality = _beta_quantile(draws[:, 1]) * 0.66 + 0.32
        blur = self._blurs[(draws[:, 2] * len(self._blurs)).astype(np.int64)]
        own = _directions(self._noise, len(labels), self._amplitudes)
        pull = 0.75 * np.clip((0.70 - quality) / 0.34, 0, 1)
        noise = _unit(_scaled(blur, pull) + _scaled(own, 1 - pull))
        faces = _mix(self._cores[core], noise, quality)
        faces[nobody] = _mix(blur[nobody], own[nobody], 0.6 * draws[nobody, 3])
        vectors: Vectors = faces.astype(np.float16)
        return vectors


def faces(count: int, *, seed: int, dimension: int = DIMENSION) -> Sample:
    """Return ``count`` faces of many people in one piece; see `Faces`."""
    source = Faces(count, seed=seed, dimension=dimension)
    vectors = np.empty((count, dimension), np.float16)
    start = 0
    for chunk in source.chunks():
        vectors[start : start + len(chunk)] = chunk.vectors
        start += len(chunk)
    return Sample(vectors, source.labels)


def images(count: int, *, seed: int, dimension: int = DIMENSION) -> Sample:
    """Return pictures, as an image model would embed them.

    Scenes have a topic, with cosines of .5-.85 within one, and are no duplicates. Of the scenes
    84 % are single pictures; 13 % are near-duplicates, each at .955-.998 to its source; 3 % are
    bursts of 10-40 frames that drift, neighbours at about .985: the trap for whatever chains. The
    truth of a burst is groups of four frames.

    Notes
    -----
    Cost and memory follow ``count``; besides the vectors a few portions are in hand.
    """
    streams = np.random.default_rng(seed).spawn(4)
    amplitudes = _falling(dimension, 1 / 120)
    kinds, sizes = _scenes(streams[0], count)
    topics = _topics(streams[1], max(4, count // 60), amplitudes)
    vectors = np.empty((count, dimension), np.float16)
    place = streams[2].permutation(count)
    scenes_at_once = _ITEMS_AT_ONCE // 8
    start = 0
    for first in range(0, len(sizes), scenes_at_once):
        part = slice(first, first + scenes_at_once)
        rows = _pictures(streams[3], topics, kinds[part], sizes[part], amplitudes)
        rows = rows[: count - start]
        vectors[place[start : start + len(rows)]] = rows
        start += len(rows)
    labels = np.empty(count, np.int64)
    labels[place] = _picture_labels(kinds, sizes)[:count]
    return Sample(vectors, labels)


_SINGLE, _DUPLICATES, _BURST = range(3)


def _scenes(rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return kind and number of pictures of enough scenes for ``count`` pictures."""
    draws = rng.random(count)
    kinds = np.select([draws < 0.028, draws < 0.1575], [_BURST, _DUPLICATES], _SINGLE)
    duplicates = np.minimum(2 + rng.geometric(0.45, count), 40)
    sizes = np.select(
        [kinds == _BURST, kinds == _DUPLICATES], [rng.integers(10, 41, count), duplicates], 1
    )
    enough = int(np.searchsorted(np.cumsum(sizes), count)) + 1
    return kinds[:enough], sizes[:enough]


def _topics(rng: np.random.Generator, count: int, amplitudes: NDArray[np.float64]) -> _Rows:
    shared = np.float32(0.5) * _directions(rng, 1, amplitudes)
    return _unit(_directions(rng, count, amplitudes) + shared)


def _pictures(
    rng: np.random.Generator,
    topics: _Rows,
    kinds: NDArray[np.int64],
    sizes: NDArray[np.int64],
    amplitudes: NDArray[np.float64],
) -> _Rows:
    """Return the pictures of some scenes, scene by scene."""
    topic = topics[rng.integers(0, len(topics), len(kinds))]
    own = _directions(rng, len(kinds), amplitudes)
    scene = _mix(topic, own, np.sqrt(rng.uniform(0.45, 0.86, len(kinds))))
    rows = np.repeat(scene, sizes, axis=0)
    kind = np.repeat(kinds, sizes)
    copies = kind == _DUPLICATES
    other = _directions(rng, int(copies.sum()), amplitudes)
    rows[copies] = _mix(rows[copies], other, rng.uniform(0.955, 0.998, len(other)))
    starts = (np.cumsum(sizes) - sizes)[kinds == _BURST]
    lengths = sizes[kinds == _BURST]
    frame = scene[kinds == _BURST]
    for step in range(int(lengths.max(initial=0))):
        drift = _directions(rng, len(frame), amplitudes)
        frame = _unit(np.float32(0.985) * frame + np.float32(0.17) * drift)
        lasting = lengths > step
        rows[starts[lasting] + step] = frame[lasting]
    return rows


def _picture_labels(kinds: NDArray[np.int64], sizes: NDArray[np.int64]) -> Labels:
    """Return one label a scene, and one for every four frames of a burst."""
    groups = np.where(kinds == _BURST, -(-sizes // 4), 1)
    first = np.repeat(np.cumsum(groups) - groups, sizes)
    frame = np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    labels: Labels = first + np.where(np.repeat(kinds, sizes) == _BURST, frame // 4, 0)
    return labels


def _sizes(rng: np.random.Generator, faces: int, *, largest: int) -> NDArray[np.int64]:
    """Return how many faces each person has, ``faces`` in all."""
    drawn = np.round(rng.lognormal(np.log(14.0) - 0.85, 1.3, faces))
    sizes = np.clip(drawn, 1, largest).astype(np.int64)
    ends = np.cumsum(sizes)
    people = int(np.searchsorted(ends, faces)) + 1
    sizes = sizes[:people]
    sizes[-1] -= ends[people - 1] - faces
    return sizes


def _beta_quantile(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value below which ``share`` of a beta(4.2, 1.9) distribution lies."""
    grid = np.linspace(0, 1, 4097)
    density = grid**3.2 * (1 - grid) ** 0.9
    below = np.concatenate(([0.0], np.cumsum((density[1:] + density[:-1]) / 2)))
    values: NDArray[np.float64] = np.interp(share, below / below[-1], grid)
    return values


def _falling(dimension: int, rate: float) -> NDArray[np.float64]:
    falling: NDArray[np.float64] = np.exp(-rate * np.arange(dimension))
    return falling


def _directions(rng: np.random.Generator, count: int, amplitudes: NDArray[np.float64]) -> _Rows:
    """Return random unit rows with most of their length along the first axes."""
    rows = rng.standard_normal((count, len(amplitudes)), np.float32)
    return _unit(rows * amplitudes.astype(np.float32))


def _unit(rows: _Rows) -> _Rows:
    """Scale ``rows`` to length 1, in place."""
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def _scaled(rows: _Rows, factors: NDArray[np.float64]) -> _Rows:
    return rows * factors.astype(np.float32)[:, None]


def _mix(rows: _Rows, others: _Rows, share: NDArray[np.float64]) -> _Rows:
    """Return unit rows whose cosine to ``rows`` is ``share``, but for how ``others`` lean."""
    return _unit(_scaled(rows, share) + _scaled(others, np.sqrt(1 - share**2)))
