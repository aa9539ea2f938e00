import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clustering.synthetic import Faces, Sample, faces, images


@pytest.fixture(scope="module")
def people() -> Sample:
    return faces(4_000, seed=7)


def cosines(sample: Sample) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines of a part of the pairs of one label, and of different labels."""
    wide = sample.vectors[:1500].astype(np.float32)
    matrix = wide @ wide.T
    same = sample.labels[:1500, None] == sample.labels[None, :1500]
    upper = np.triu(np.ones_like(same), 1)
    return matrix[same & upper], matrix[~same & upper]


def test_every_vector_is_stored_at_unit_length(people: Sample) -> None:
    for sample in (people, images(500, seed=1)):
        assert sample.vectors.dtype == np.float16
        lengths = np.linalg.norm(sample.vectors.astype(np.float32), axis=1)
        assert np.abs(lengths - 1).max() < 2e-3


@pytest.mark.parametrize("make", [faces, images])
def test_a_seed_names_one_sample(make: type[Sample]) -> None:
    first, again, other = (make(300, seed=seed) for seed in (3, 3, 4))  # type: ignore[call-arg, arg-type]
    assert np.array_equal(first.vectors, again.vectors)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.vectors, other.vectors)


@pytest.mark.parametrize("items", [1, 97, 1000])
def test_portions_of_any_size_hold_the_same_faces(items: int) -> None:
    whole = faces(500, seed=5)
    portions = list(Faces(500, seed=5).chunks(items))
    assert np.array_equal(np.concatenate([p.labels for p in portions]), whole.labels)
    joined = np.concatenate([p.vectors for p in portions]).astype(np.float32)
    assert np.allclose(joined, whole.vectors.astype(np.float32), atol=1e-3)


def test_one_person_is_alike_and_different_people_are_not(people: Sample) -> None:
    same, different = cosines(people)
    assert 0.5 < same.mean() < 0.64
    assert 0.09 < same.std() < 0.17
    assert -0.02 < different.mean() < 0.05
    assert 0.05 < different.std() < 0.10


def test_families_look_alike_more_than_strangers_do(people: Sample) -> None:
    """A quarter of the people have relatives; cosines of strangers end at about six deviations."""
    _, counts = np.unique(people.labels, return_counts=True)
    large = np.flatnonzero(counts >= 8)
    centres = np.stack(
        [people.vectors[people.labels == label].astype(np.float32).mean(0) for label in large]
    )
    centres /= np.linalg.norm(centres, axis=1)[:, None]
    matrix = centres @ centres.T
    np.fill_diagonal(matrix, 0)
    with_relatives = (matrix.max(axis=1) > 0.4).mean()
    assert 0.1 < with_relatives < 0.4


def test_sizes_have_a_long_tail_and_some_faces_are_nobodies(people: Sample) -> None:
    _, counts = np.unique(people.labels, return_counts=True)
    assert counts.sum() == len(people) == 4_000
    assert counts.max() >= 100
    assert 3 <= np.median(counts[counts > 1]) <= 12
    assert 0.06 <= (counts == 1).sum() / len(people) < 0.1


def test_near_duplicates_are_near_and_single_pictures_are_not() -> None:
    sample = images(2_000, seed=2)
    same, different = cosines(sample)
    assert np.quantile(same, 0.05) > 0.9
    assert np.quantile(different, 0.95) < 0.5
    _, counts = np.unique(sample.labels, return_counts=True)
    assert (counts == 1).sum() > 600
    assert counts.max() >= 5


def test_a_burst_drifts_from_group_to_group() -> None:
    """Consecutive frames are near across two groups of the truth: what chains unites them."""
    sample = images(3_000, seed=3)
    wide = sample.vectors.astype(np.float32)
    matrix = wide @ wide.T
    u, v = np.nonzero(np.triu(matrix > 0.955, 1))
    assert (sample.labels[u] != sample.labels[v]).sum() > 50
    chained = np.abs(sample.labels[u] - sample.labels[v])[sample.labels[u] != sample.labels[v]]
    assert np.median(chained) == 1
