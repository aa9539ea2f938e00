from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imm_ray.index import Candidates, VectorIndex, open_index
from imm_ray.index.candidates import Slots
from imm_ray.index.exact import ExactIndex
from imm_ray.index.flat import FaissFlatIndex
from imm_ray.index.ivf import IvfIndex
from imm_ray.index.tiered import TieredIndex, TierRules
from imm_ray.model import Vectors
from imm_ray.settings import Index
from tests.unit.cluster.sample import crowd, normalised
from tests.unit.index.executors import AtOnce

D = 32
NOISE = 1e-5  # between two ways to add up 32 products in float32


class Restless(TieredIndex):
    """Always in the middle of a change: it takes a step of it at every call."""

    def __init__(self, dimension: int) -> None:
        rules = TierRules(ivf_from=20, least_probes=10**6, products=2000)
        super().__init__(dimension, rules, cosine=0.5, executor=AtOnce())

    def add(self, slots: Slots, vectors: Vectors) -> None:
        super().add(slots, vectors)
        self.tend()

    def remove(self, slots: Slots) -> None:
        self.tend()
        super().remove(slots)

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        self.tend()
        return super().within(vectors, cosine)


def every_list_probed(dimension: int) -> IvfIndex:
    centroids = crowd(99, count=9, dimension=dimension, people=9).astype(np.float32)
    return IvfIndex(centroids, probes=9)


IMPLEMENTATIONS: dict[str, Callable[[int], VectorIndex]] = {
    "exact": ExactIndex,
    "flat": FaissFlatIndex,
    "ivf": every_list_probed,
    "tiered": Restless,
}


@pytest.fixture(params=IMPLEMENTATIONS)
def make(request: pytest.FixtureRequest) -> Callable[[int], VectorIndex]:
    return IMPLEMENTATIONS[request.param]


@pytest.fixture
def index(make: Callable[[int], VectorIndex]) -> VectorIndex:
    return make(D)


def slots_of(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(numbers, np.int64)


def assert_complete(found: Candidates, queries: Vectors, stored: Vectors, cosine: float) -> None:
    """Slots are rows of ``stored``; up to rounding, those at ``cosine`` or over are found."""
    cosines = queries.astype(np.float64) @ stored.astype(np.float64).T
    pairs = set(zip(found.query_rows.tolist(), found.slots.tolist(), strict=True))
    assert len(pairs) == len(found)
    assert set(zip(*np.nonzero(cosines >= cosine + NOISE), strict=True)) <= pairs
    assert pairs <= set(zip(*np.nonzero(cosines >= cosine - NOISE), strict=True))
    assert np.abs(cosines[found.query_rows, found.slots] - found.cosines).max(initial=0) < NOISE


def test_an_empty_index_finds_nothing(index: VectorIndex) -> None:
    queries = crowd(0, count=3, dimension=D, people=1)
    assert len(index) == len(index.within(queries, -1)) == len(index.nearest(queries, 5)) == 0
    assert index.vectors(slots_of()).shape == (0, D)


@pytest.mark.parametrize(("people", "cosine"), [(40, 0.4), (2, 0.3), (1, -1.0), (40, 1.1)])
def test_within_is_complete_however_many_are_near(
    index: VectorIndex, people: int, cosine: float
) -> None:
    stored = crowd(people, count=500, dimension=D, people=people)
    index.add(np.arange(500), stored)
    queries = crowd(people, count=500, dimension=D, people=people)[::7]
    found = index.within(queries, cosine)
    assert_complete(found, queries, stored, cosine)


@pytest.mark.parametrize("count", [63, 64, 65, 300])
def test_within_finds_all_of_many_equal_vectors(index: VectorIndex, count: int) -> None:
    vector = crowd(1, count=1, dimension=D, people=1)
    index.add(np.arange(count), np.repeat(vector, count, axis=0))
    other = normalised(np.eye(1, D))
    found = index.within(np.concatenate((other, vector)), 0.99)
    assert found.query_rows.tolist() == [1] * count
    assert found.slots.tolist() == list(range(count))


def test_the_limit_itself_is_within(index: VectorIndex) -> None:
    axis = normalised(np.eye(1, D))
    index.add(np.arange(200), np.repeat(axis, 200, axis=0))
    assert len(index.within(axis, 1.0)) == 200
    index.remove(np.arange(10, 200))
    assert len(index.within(axis, 1.0)) == 10


def test_within_reaches_over_blocks_of_queries_in_order(index: VectorIndex) -> None:
    stored = crowd(9, count=3000, dimension=D, people=200)
    index.add(np.arange(3000), stored)
    found = index.within(stored, 0.6)
    assert_complete(found, stored, stored, 0.6)
    order = found.query_rows * 3000 + found.slots
    assert (np.diff(order) > 0).all()


def test_nearest_come_first_and_no_more_than_there_are(index: VectorIndex) -> None:
    stored = crowd(3, count=50, dimension=D, people=5)
    index.add(np.arange(50), stored)
    for k in (0, 1, 7, 50, 80):
        found = index.nearest(stored[:4], k)
        assert found.query_rows.tolist() == np.repeat(np.arange(4), min(k, 50)).tolist()
        best = np.sort(stored[:4].astype(np.float32) @ stored.astype(np.float32).T, axis=1)
        expected = best[:, ::-1][:, :k]
        assert np.allclose(found.cosines.reshape(expected.shape), expected, atol=NOISE)


def test_vectors_come_back_bit_by_bit(index: VectorIndex) -> None:
    stored = crowd(8, count=20, dimension=D, people=5)
    index.add(np.arange(20), stored)
    back = index.vectors(slots_of(13, 2, 2))
    assert back.dtype == np.float16
    assert back.tobytes() == stored[[13, 2, 2]].tobytes()
    wide = index.wide(slots_of(13, 2, 2))
    assert wide.dtype == np.float32
    assert wide.tobytes() == stored[[13, 2, 2]].astype(np.float32).tobytes()


def test_every_bit_of_every_fp16_number_comes_back(index: VectorIndex) -> None:
    numbers = np.arange(2**16, dtype=np.uint16).view(np.float16)
    numbers = numbers[np.isfinite(numbers)]
    stored = np.ones((-(-len(numbers) // D), D), np.float16)
    stored.ravel()[: len(numbers)] = numbers
    index.add(np.arange(len(stored)), stored)
    index.add(slots_of(10_000), stored[:1])
    for _ in range(5):
        index.remove(slots_of(10_000))
        index.add(slots_of(10_000), stored[:1])
    assert index.vectors(np.arange(len(stored))).tobytes() == stored.tobytes()
    wide = index.wide(np.arange(len(stored)))
    assert wide.tobytes() == stored.astype(np.float32).tobytes()


def test_a_slot_is_free_again_after_its_removal(index: VectorIndex) -> None:
    old = crowd(4, count=100, dimension=D, people=9)
    new = crowd(5, count=100, dimension=D, people=9)
    index.add(np.arange(100), old)
    index.remove(np.arange(0, 100, 2))
    index.add(np.arange(98, -1, -2), new[98::-2])
    expected = old.copy()
    expected[::2] = new[::2]
    assert index.vectors(np.arange(100)).tobytes() == expected.tobytes()
    assert_complete(index.within(expected, 0.3), expected, expected, 0.3)


def test_a_slot_named_twice_is_removed_once(index: VectorIndex) -> None:
    stored = normalised(np.eye(4, D))
    index.add(np.arange(4), stored)
    index.remove(slots_of(1, 1, 2))
    assert len(index) == 2
    assert index.within(stored, 0.9).slots.tolist() == [0, 3]


def test_it_reports_its_size_and_closes(index: VectorIndex) -> None:
    index.add(np.arange(5), crowd(4, count=5, dimension=D, people=2))
    assert index.report().count == 5
    index.close()


def test_slots_stay_when_others_leave(index: VectorIndex) -> None:
    stored = normalised(np.eye(4, D))
    numbers = slots_of(1000, 5, 0, 77)
    index.add(numbers, stored)
    index.remove(slots_of(5, 0))
    assert len(index) == 2
    assert index.within(stored, 0.9).slots.tolist() == [1000, 77]
    assert index.vectors(slots_of(77)).tobytes() == stored[3].tobytes()
    index.add(slots_of(5), stored[2:3])
    assert index.nearest(stored[2:3], 1).slots.tolist() == [5]
    index.remove(slots_of(5, 77, 1000))
    assert len(index) == len(index.within(stored, -1)) == 0


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_vector_like_nothing_is_refused(index: VectorIndex, bad: float) -> None:
    vectors = normalised(np.eye(2, D))
    vectors[1] = bad
    with pytest.raises(ValueError, match="vector 1 of 2 has length"):
        index.add(np.arange(2), vectors)
    with pytest.raises(ValueError, match="vector 1 of 2 has length"):
        index.within(vectors, 0.5)
    with pytest.raises(ValueError, match="vector 1 of 2 has length"):
        index.nearest(vectors, 1)
    assert len(index) == 0


def test_wrong_shapes_and_slots_are_refused_and_change_nothing(index: VectorIndex) -> None:
    vectors = normalised(np.eye(3, D))
    index.add(slots_of(1), vectors[:1])
    refused: list[tuple[str, Callable[[], object]]] = [
        ("shape", lambda: index.add(slots_of(2), vectors[:1, :5])),
        ("shape", lambda: index.within(vectors[0], 0.5)),
        ("2 slots for 3 vectors", lambda: index.add(slots_of(2, 3), vectors)),
        ("named twice", lambda: index.add(slots_of(2, 2), vectors[:2])),
        ("slot 1 is stored already", lambda: index.add(slots_of(2, 1), vectors[:2])),
        ("slot -1 is not from 0 up", lambda: index.add(slots_of(2, -1), vectors[:2])),
        ("slot 2147483648 is not", lambda: index.add(slots_of(2**31), vectors[:1])),
        ("slot 9 is not stored", lambda: index.remove(slots_of(1, 9))),
        ("slot -1 is not stored", lambda: index.remove(slots_of(1, -1))),
        ("slot 9 is not stored", lambda: index.wide(slots_of(9))),
        ("slot 9 is not stored", lambda: index.vectors(slots_of(9))),
    ]
    for message, call in refused:
        with pytest.raises(ValueError, match=message):
            call()
    assert len(index) == 1
    assert index.nearest(vectors, 3).slots.tolist() == [1, 1, 1]


batches = st.lists(st.integers(0, 40), max_size=15, unique=True)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.booleans(), batches), max_size=12))
def test_any_history_leaves_what_was_added_and_not_removed(
    make: Callable[[int], VectorIndex], steps: list[tuple[bool, list[int]]]
) -> None:
    index, stored = make(D), set[int]()
    pool = crowd(6, count=41, dimension=D, people=3)
    for adding, batch in steps:
        chosen = [i for i in batch if (i in stored) != adding]
        numbers = np.array(chosen, np.int64)
        if adding:
            index.add(numbers, pool[numbers])
            stored.update(chosen)
        else:
            index.remove(numbers)
            stored.difference_update(chosen)
    assert len(index) == len(stored)
    assert set(index.within(pool[:1], -1.5).slots.tolist()) == stored
    everything = np.array(sorted(stored), np.int64)
    assert index.vectors(everything).tobytes() == pool[everything].tobytes()


def test_the_settings_name_the_index() -> None:
    assert isinstance(open_index(Index(backend="exact"), 4, cosine=0.5), ExactIndex)
    index = open_index(Index(), 4, cosine=0.5, threads=2)
    assert isinstance(index, TieredIndex)
    assert index.report().tier == "flat"
    index.close()
