import numpy as np

from imm_ray.cluster.component_kernels import reach

COUNT = 5000


def chain() -> tuple[np.ndarray, np.ndarray]:
    """Lists in which every item names the next one only, and the last one none."""
    ids = np.arange(1, COUNT + 1, dtype=np.int32).reshape(-1, 1)
    counts = np.ones(COUNT, np.int16)
    counts[-1] = 0
    return ids, counts


def test_it_follows_paths_to_their_end() -> None:
    ids, counts = chain()
    yes, named = np.ones(COUNT, np.bool_), np.zeros(COUNT, np.bool_)
    found = reach(ids, counts, yes, yes, named, np.array([7, 7, 3]))
    assert sorted(found.tolist()) == list(range(3, COUNT))
    assert not named.any()


def test_it_takes_any_number_of_seeds() -> None:
    ids, counts = chain()
    yes, named = np.ones(COUNT, np.bool_), np.zeros(COUNT, np.bool_)
    found = reach(ids, counts, yes, yes, named, np.arange(COUNT))
    assert sorted(found.tolist()) == list(range(COUNT))


def test_neither_the_removed_nor_the_poor_lead_on() -> None:
    ids, counts = chain()
    for block in (0, 1):
        flags = np.ones((2, COUNT), np.bool_)
        flags[block, 10] = False
        named = np.zeros(COUNT, np.bool_)
        found = reach(ids, counts, flags[0], flags[1], named, np.array([5]))
        assert sorted(found.tolist()) == [5, 6, 7, 8, 9]
