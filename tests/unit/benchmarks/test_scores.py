import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from benchmarks.clustering.scores import Labels, ari, bcubed, figures, pairwise
from tests.conftest import SHARED, missing
from tests.ray.quality import load_scores


def pair(items: list[tuple[int, int]]) -> tuple[Labels, Labels]:
    both = np.array(items, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


partitions = st.lists(st.tuples(st.integers(-2, 6), st.integers(-2, 6)), max_size=40).map(pair)


@given(both=partitions)
def test_scores_are_those_of_the_reference(both: tuple[Labels, Labels]) -> None:
    if not (SHARED / "data/scores.py").is_file():
        missing("shared", "there is no data/scores.py in it")
    reference = load_scores(SHARED)
    truth, found = both
    for ours, theirs in ((pairwise, reference.pairwise), (bcubed, reference.bcubed)):
        assert ours(truth, found) == pytest.approx(theirs(truth.tolist(), found.tolist()))
    assert ari(truth, found) == pytest.approx(reference.ari(truth.tolist(), found.tolist()))


@given(both=partitions.filter(lambda both: len(both[0]) > 1))
def test_scores_are_those_of_scikit_learn(both: tuple[Labels, Labels]) -> None:
    truth, found = both
    assert ari(truth, found) == pytest.approx(metrics.adjusted_rand_score(truth, found))
    (_, false), (lost, both_same) = metrics.cluster.pair_confusion_matrix(truth, found)
    score = pairwise(truth, found)
    if both_same + false:
        assert score.precision == pytest.approx(both_same / (both_same + false))
    if both_same + lost:
        assert score.recall == pytest.approx(both_same / (both_same + lost))


def test_names_of_clusters_do_not_matter() -> None:
    truth = np.array([0, 0, 1, 1, 1, 2])
    renamed = np.array([9, 9, -4, -4, -4, 7])
    assert pairwise(truth, renamed) == bcubed(truth, renamed) == (1, 1, 1)
    assert ari(truth, renamed) == 1


def test_a_hundred_thousand_items_of_many_clusters_need_no_table_of_all_cells() -> None:
    truth = np.arange(100_000) // 2
    found = np.arange(100_000) // 4
    assert pairwise(truth, found) == pytest.approx((1 / 3, 1, 1 / 2))


def test_figures_name_every_score() -> None:
    found = figures(np.array([0, 0, 1]), np.array([0, 0, 0]))
    assert found == {
        "pairwise_f": 0.5,
        "pairwise_precision": 0.3333,
        "pairwise_recall": 1.0,
        "bcubed_f": 0.7143,
        "bcubed_precision": 0.5556,
        "bcubed_recall": 1.0,
        "ari": 0.0,
        "clusters": 1,
    }


def test_a_label_for_each_item_is_demanded() -> None:
    with pytest.raises(ValueError, match="2 truths for 3 found labels"):
        pairwise(np.zeros(2, np.int64), np.zeros(3, np.int64))
