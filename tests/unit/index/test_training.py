from threading import Event

import numpy as np
import pytest

from imm_ray.index.training import TrainingStopped, lists_for, train
from tests.unit.cluster.sample import crowd, normalised


def test_the_same_sample_gives_the_same_unit_centroids() -> None:
    sample = crowd(1, count=400, dimension=16, people=30)
    first, second = (train(sample, 20, cosine=0.5, stop=Event()) for _ in range(2))
    assert first.centroids.shape == (20, 16)
    assert first.centroids.tobytes() == second.centroids.tobytes()
    assert np.allclose(np.linalg.norm(first.centroids, axis=1), 1, atol=1e-6)


def test_training_brings_the_centroids_nearer() -> None:
    sample = crowd(1, count=2000, dimension=16, people=30)
    wide = sample.astype(np.float32)
    trained = train(sample, 30, cosine=0.5, stop=Event())
    chosen = wide[np.random.default_rng(3).choice(2000, 30, replace=False)]
    nearest = (wide @ trained.centroids.T).max(axis=1).mean()
    assert nearest > (wide @ chosen.T).max(axis=1).mean() + 0.05


def test_the_expected_recall_is_that_of_the_sample() -> None:
    sample = crowd(1, count=250, dimension=16, people=30)
    trained = train(sample, 12, cosine=0.6, stop=Event())
    wide = sample.astype(np.float32)
    near = wide @ wide.T >= 0.6
    np.fill_diagonal(near, val=False)
    products = wide @ trained.centroids.T
    home = products.argmax(axis=1)
    better = (products[:, :, None] > products[:, home][:, None, :]).sum(axis=1)
    for probes in (1, 2, 12):
        assert trained.curve.recall(probes) == (near & (better < probes)).sum() / near.sum()


def test_a_list_that_nothing_chose_starts_anew() -> None:
    sample = np.repeat(normalised(np.eye(3, 8)), 40, axis=0)
    trained = train(sample, 10, cosine=0.5, stop=Event())
    assert np.allclose(np.linalg.norm(trained.centroids, axis=1), 1)


def test_opposite_vectors_have_a_centroid_all_the_same() -> None:
    axis = normalised(np.eye(1, 8))
    trained = train(np.concatenate((axis, -axis)), 1, cosine=0.5, stop=Event())
    assert np.allclose(np.linalg.norm(trained.centroids, axis=1), 1)


def test_a_closed_index_stops_its_training() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(TrainingStopped):
        train(crowd(1, count=40, dimension=16, people=3), 2, cosine=0.5, stop=stop)


def test_too_small_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="3 vectors cannot make 4 lists"):
        train(crowd(1, count=3, dimension=16, people=3), 4, cosine=0.5, stop=Event())


@pytest.mark.parametrize(("count", "lists"), [(1, 1), (100, 12), (10_000, 512), (4_000_000, 8192)])
def test_lists_follow_the_root_of_the_count(count: int, lists: int) -> None:
    assert lists_for(count) == lists
