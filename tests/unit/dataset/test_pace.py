"""The number of queries of a search follows what searches find."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.dataset.pace import LEAST, MOST, SearchPace


def test_searches_grow_while_little_is_found() -> None:
    pace = SearchPace()
    sizes = []
    for _ in range(4):
        sizes.append(pace.queries)
        pace.found(pairs=10 * pace.queries, queries=pace.queries)
    assert sizes == [LEAST, 2 * LEAST, MOST, MOST]


def test_a_search_that_finds_much_is_followed_by_small_ones() -> None:
    pace = SearchPace()
    for _ in range(3):
        pace.found(pairs=0, queries=pace.queries)
    pace.found(pairs=1000 * MOST, queries=MOST)
    assert pace.queries == 2**20 // 1000
    pace.found(pairs=10**6 * pace.queries, queries=pace.queries)
    assert pace.queries == LEAST


@given(photos=st.lists(st.integers(-1, 6), max_size=60), queries=st.integers(1, 20))
def test_portions_hold_every_item_once_and_part_no_photo(photos: list[int], queries: int) -> None:
    pace = SearchPace()
    pace.queries = queries
    numbers = np.array(photos, np.int64)
    parts = list(pace.portions(numbers))
    assert sorted(place for part in parts for place in part.tolist()) == list(range(len(photos)))
    found = [set(numbers[part][numbers[part] >= 0].tolist()) for part in parts]
    assert sum(map(len, found)) == len(set().union(*found))
    for part, in_part in zip(parts, found, strict=True):
        assert len(part)
        assert len(part) <= queries or (len(in_part) == 1 and (numbers[part] >= 0).all())
