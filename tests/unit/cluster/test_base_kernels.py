import numpy as np

from imm_ray.cluster.base_kernels import add_up


def test_stretches_of_rows_add_up_beyond_sixteen_bits() -> None:
    vectors = np.array([[30_000, 1]] * 3 + [[-5, 2]], np.int16)
    assert add_up(vectors, np.array([3, 0, 1])).tolist() == [[90_000, 3], [0, 0], [-5, 2]]
