import numpy as np

from imm_ray.cluster.content import content_keys
from imm_ray.cluster.fixed import quantise
from tests.unit.cluster.sample import crowd


def test_keys_are_of_the_vector_and_of_nothing_else() -> None:
    vectors = quantise(crowd(1, count=500, dimension=8, people=3))
    keys = content_keys(vectors)
    assert len(set(keys.tolist())) == 500
    assert keys.dtype == np.uint64
    order = np.random.default_rng(0).permutation(500)
    assert content_keys(vectors[order]).tolist() == keys[order].tolist()
    assert content_keys(np.asfortranarray(vectors)[::2]).tolist() == keys[::2].tolist()


def test_keys_are_the_same_in_every_release() -> None:
    assert content_keys(np.array([[1, -2]], np.int16)).tolist() == [12978428550386141570]


def test_names_order_equal_vectors_and_no_others() -> None:
    vectors = quantise(np.repeat(crowd(2, count=60, dimension=8, people=3), 3, axis=0))
    names = np.random.default_rng(0).integers(0, 2**63, (180, 2)).astype(np.uint64)
    keys, others = content_keys(vectors, names), content_keys(vectors, names[::-1])
    plain = content_keys(vectors)
    assert len(set(keys.tolist())) == 180
    assert (keys >> 24 == plain >> 24).all()
    assert (np.argsort(keys)[::3] // 3).tolist() == (np.argsort(others)[::3] // 3).tolist()
    order = np.random.default_rng(1).permutation(180)
    assert content_keys(vectors[order], names[order]).tolist() == keys[order].tolist()


def test_nothing_has_no_keys() -> None:
    assert content_keys(np.empty((0, 4), np.int16)).tolist() == []
