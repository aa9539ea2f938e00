import numpy as np
from hypothesis import given, settings

from imm_ray.cluster.fixed import quantise
from imm_ray.cluster.list_kernels import pair_similarities
from tests.unit.cluster.sample import crowd, seeds, similarities


@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_similarities_are_exact_dot_products(seed: int) -> None:
    fixed = quantise(crowd(seed, count=12, dimension=1280, people=2))
    u, v = np.triu_indices(12)
    assert (pair_similarities(fixed, u, v) == similarities(fixed)[u, v]).all()
