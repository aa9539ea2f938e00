import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.cluster.fixed import UNIT, quantise, search_cosine, to_cosine, to_fixed
from tests.unit.cluster.sample import crowd, normalised, similarities


@given(seed=st.integers(0, 2**32 - 1), dimension=st.sampled_from([1, 2, 128, 512, 1280]))
def test_similarities_are_cosines_within_the_stated_margin(seed: int, dimension: int) -> None:
    vectors = crowd(seed, count=20, dimension=dimension, people=4)
    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    margin = 1 - search_cosine(UNIT, dimension)
    assert np.abs(similarities(quantise(vectors)) / UNIT - cosines).max() <= margin


def test_a_search_never_misses_a_pair_at_the_threshold() -> None:
    vectors = crowd(1, count=400, dimension=128, people=3)
    found = similarities(quantise(vectors))
    cosines = vectors.astype(np.float32) @ vectors.astype(np.float32).T
    for threshold in np.unique(found)[:: len(found)].tolist():
        assert (cosines >= search_cosine(threshold, 128))[found >= threshold].all()


@given(cosine=st.floats(-1, 1))
def test_thresholds_admit_exactly_what_is_at_least_the_cosine(cosine: float) -> None:
    threshold = to_fixed(cosine)
    assert to_cosine(threshold - 1) < cosine <= to_cosine(threshold)


def test_extreme_components_fit() -> None:
    assert quantise(np.array([[1, 0], [0, -1]], np.float16)).tolist() == [[16384, 0], [0, -16384]]


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 0.5, 2.0])
def test_vectors_that_are_not_of_unit_length_are_refused(bad: float) -> None:
    vectors = normalised(np.eye(3))
    vectors[1] = [0, bad, 0]
    with pytest.raises(ValueError, match="vector 1 of 3 has length"):
        quantise(vectors)
