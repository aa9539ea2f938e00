import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from imm_ray.cluster.agreement import adjusted_rand_index

labels = st.lists(st.integers(-2, 5), min_size=15, max_size=15).map(np.array)


@given(a=labels, b=labels)
def test_it_equals_scikit_learn(a: np.ndarray, b: np.ndarray) -> None:
    assert adjusted_rand_index(a, b) == pytest.approx(adjusted_rand_score(a, b))


@given(a=labels)
def test_equal_partitions_agree_wholly_whatever_their_names(a: np.ndarray) -> None:
    assert adjusted_rand_index(a, 100 - a) == 1.0


def test_nothing_and_one_item_agree() -> None:
    none = np.empty(0, np.int64)
    assert adjusted_rand_index(none, none) == 1.0
    assert adjusted_rand_index(np.array([3]), np.array([4])) == 1.0
