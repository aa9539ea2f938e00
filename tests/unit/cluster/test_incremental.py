import numpy as np
import pytest

from imm_ray.cluster import incremental
from imm_ray.cluster.incremental import figure_clusterer
from imm_ray.index.exact import ExactIndex
from tests.property.dataset import Figures
from tests.unit.cluster.sample import crowd, normalised


def test_the_limit_for_one_photo_can_not_be_below_the_threshold() -> None:
    with pytest.raises(ValueError, match=r"same_photo 0\.4 is below the threshold 0\.5"):
        figure_clusterer(threshold=0.5, same_photo=0.4, vectors=ExactIndex(2).vectors)


def test_settled_items_are_not_looked_at_until_something_touches_them() -> None:
    dataset = Figures(normalised(np.array([[1, 0], [0, 1], [1, 0], [0, 1]])))
    dataset.insert([0, 1])
    dataset.clusterer.settle()
    assert dataset.run().groups == []
    dataset.insert([2])
    run = dataset.run()
    assert (run.items_new, run.items_reclustered) == (1, 2)
    assert dataset.partition() == {frozenset([0, 2])}


def test_large_runs_are_cut_in_batches_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = crowd(4, count=120, dimension=24, people=30, noise=0.6)
    whole, cut = Figures(pool), Figures(pool)
    whole.insert(range(120))
    groups = [group.tolist() for group in whole.run().groups]
    monkeypatch.setattr(incremental, "_ITEMS_AT_ONCE", 5)
    cut.insert(range(120))
    assert [group.tolist() for group in cut.run().groups] == groups
    assert len(groups) < 120


def test_groups_and_their_items_come_in_canonical_order() -> None:
    dataset = Figures(normalised(np.array([[1, 0], [0, 1], [1, 0], [0, 1]])))
    dataset.insert([3, 2, 1, 0])
    found = [[dataset.item_of[slot] for slot in group.tolist()] for group in dataset.run().groups]
    assert found == [[0, 2], [1, 3]]


def test_a_failed_run_forgets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Figures(normalised(np.array([[1, 0], [1, 0]])))
    dataset.insert([0, 1])
    vectors = dataset.index.vectors(np.array([1000, 1001]))
    monkeypatch.setattr(incremental, "average_link", lambda *_, **__: vectors[5])
    with pytest.raises(IndexError):
        dataset.run()
    monkeypatch.undo()
    assert dataset.run().items_new == 2
    assert len(dataset.groups) == 2


def test_a_new_item_the_index_does_not_hold_is_an_error() -> None:
    dataset = Figures(normalised(np.array([[1, 0], [1, 0]])))
    dataset.insert([0])
    near = dataset.index.within(dataset.pool[1:], 0.5)
    with pytest.raises(ValueError, match="not stored"):
        dataset.clusterer.insert(np.array([7]), near, content_ids=["0007"])
