import numpy as np
import pytest

from imm_ray.cluster.duplicates import Departure, Duplicates

VECTORS = np.array([[1, 2], [3, 4], [1, 2], [1, 2]], np.int16)
SLOTS = np.array([10, 11, 12, 13])


def lists(departure: Departure) -> tuple[list[int], list[int], list[int], list[int]]:
    return (
        departure.gone.tolist(),
        departure.promoted.tolist(),
        departure.predecessors.tolist(),
        departure.shrunk.tolist(),
    )


@pytest.fixture
def duplicates() -> Duplicates:
    duplicates = Duplicates()
    assert duplicates.insert(SLOTS, VECTORS).tolist() == [10, 11, 10, 10]
    return duplicates


def test_the_first_stands_for_all_with_its_vector(duplicates: Duplicates) -> None:
    assert duplicates.insert(np.array([5]), VECTORS[:1]).tolist() == [10]
    assert duplicates.expand(np.array([10, 11])).tolist() == [5, 10, 11, 12, 13]
    assert len(duplicates) == 5


def test_a_removed_representative_is_replaced(duplicates: Duplicates) -> None:
    assert lists(duplicates.remove(np.array([10]))) == ([10], [12], [10], [])
    assert duplicates.representatives(np.array([12, 13])).tolist() == [12, 12]


def test_a_removed_duplicate_only_shrinks_its_group(duplicates: Duplicates) -> None:
    assert lists(duplicates.remove(np.array([13]))) == ([], [], [], [10])


def test_the_last_of_its_kind_leaves_nothing(duplicates: Duplicates) -> None:
    assert lists(duplicates.remove(np.array([11]))) == ([11], [], [], [])
    assert lists(duplicates.remove(np.array([12, 10]))) == ([10], [13], [10], [])
    assert lists(duplicates.remove(np.array([13]))) == ([13], [], [], [])
    assert len(duplicates) == 0
    assert duplicates.insert(np.array([20]), VECTORS[:1]).tolist() == [20]


def test_slots_it_can_not_tell_are_refused(duplicates: Duplicates) -> None:
    with pytest.raises(ValueError, match="known already"):
        duplicates.insert(np.array([12]), VECTORS[:1])
    with pytest.raises(ValueError, match="known already"):
        duplicates.insert(np.array([1, 1]), VECTORS[:2])
    with pytest.raises(ValueError, match="slot 99 is not known"):
        duplicates.remove(np.array([10, 99]))
    assert duplicates.expand(np.array([10])).tolist() == [10, 12, 13]
