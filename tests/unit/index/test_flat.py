import numpy as np
import pytest

from imm_ray.index.flat import FaissFlatIndex
from imm_ray.index.places import Places
from imm_ray.index.products import PAIRS_AT_ONCE, nearest_rows, tiles, within_rows
from tests.unit.cluster.sample import crowd


@pytest.mark.parametrize("queries", [0, 1, 7, 512, 513, 3000])
@pytest.mark.parametrize("stored", [0, 1, 2049, 3 * PAIRS_AT_ONCE])
def test_tiles_cover_every_pair_once_and_are_small(queries: int, stored: int) -> None:
    covered = 0
    for some, blocks in tiles(queries, stored):
        for block in blocks:
            pairs = (some.stop - some.start) * (block.stop - block.start)
            assert 0 < pairs <= PAIRS_AT_ONCE
            covered += pairs
    assert covered == queries * stored


@pytest.mark.parametrize("queries", [1, 7, 8, 13, 14, 60, 101, 102, 256])
@pytest.mark.parametrize("dimension", [24, 1280])
def test_products_are_right_for_any_number_of_queries(queries: int, dimension: int) -> None:
    stored = crowd(1, count=700, dimension=dimension, people=20).astype(np.float32)
    some = crowd(2, count=queries, dimension=dimension, people=20).astype(np.float32)
    cosines = some @ stored.T
    found = within_rows(some, stored, 0.25, threads=1)
    hits = np.zeros_like(cosines, np.bool_)
    hits[found.query_rows, found.slots] = True
    assert len(found) == hits.sum()
    assert hits[cosines > 0.2501].all()
    assert not hits[cosines < 0.2499].any()
    best, rows = nearest_rows(some, stored, 5, threads=1)
    assert best.shape == rows.shape == (queries, 5)
    assert np.allclose(best, np.sort(cosines, axis=1)[:, :-6:-1], atol=1e-5)
    assert np.allclose(np.take_along_axis(cosines, rows, axis=1), best, atol=1e-5)


def test_many_removals_leave_the_right_vectors_in_little_memory() -> None:
    index = FaissFlatIndex(64)
    stored = crowd(3, count=200, dimension=64, people=200)
    for start in range(0, 200_000, 50_000):
        index.add(np.arange(start, start + 50_000), np.tile(stored, (250, 1)))
    assert index._rows.array.nbytes >= 200_000 * 256
    left = np.random.default_rng(1).permutation(200_000)
    index.remove(left[500:])
    left = left[:500]
    assert len(index) == 500
    assert index.vectors(left).tobytes() == stored[left % 200].tobytes()
    assert sorted(index.slots().tolist()) == sorted(left.tolist())
    assert index._rows.array.nbytes <= 2**24 + 500 * 256


def test_the_books_take_few_bytes() -> None:
    places = Places()
    for stop in range(1000, 100_001, 1000):
        places.reserve(slots=stop, rows=stop)
        places.put(np.arange(stop - 1000, stop), np.arange(stop - 1000, stop))
    assert places.row_of.nbytes + places.slot_at.nbytes <= 16 * 100_000
    assert places.holds(np.array([-5, 0, 99_999, 100_000, 2**40])).tolist() == [
        False,
        True,
        True,
        False,
        False,
    ]
