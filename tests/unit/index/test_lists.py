from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.index import lists as lists_module
from imm_ray.index.kernels import PAGE
from imm_ray.index.lists import InvertedLists
from imm_ray.index.places import NOWHERE
from tests.unit.cluster.sample import crowd

LISTS = 3
SLOTS = 80
POOL = crowd(2, count=SLOTS, dimension=4, people=5)


def contents(lists: InvertedLists) -> dict[int, list[int]]:
    """Slots by list, having looked at every book."""
    found: dict[int, list[int]] = {}
    seen: set[int] = set()
    for list_no in range(LISTS):
        page, after, filled = lists._last[list_no], NOWHERE, (lists._size[list_no] - 1) % PAGE + 1
        slots: list[int] = []
        while page != NOWHERE:
            assert lists._list_of[page] == list_no
            assert lists._after[page] == after
            assert page not in seen
            seen.add(int(page))
            here = lists._places.slot_at[page * PAGE : (page + 1) * PAGE].tolist()
            assert NOWHERE not in here[:filled]
            assert set(here[filled:]) <= {NOWHERE}
            slots += here[:filled]
            page, after, filled = lists._before[page], page, PAGE
        assert len(slots) == lists._size[list_no]
        found[list_no] = slots
    assert seen == set(range(lists.used_pages))
    everything = np.array([*chain.from_iterable(found.values())], np.int64)
    rows = lists._places.rows(everything)
    assert lists._places.slots(rows).tolist() == everything.tolist()
    return found


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.booleans(), st.lists(st.integers(0, SLOTS - 1), unique=True), st.integers(0, 9)
        ),
        max_size=10,
    )
)
def test_pages_stay_full_and_without_gaps(steps: list[tuple[bool, list[int], int]]) -> None:
    lists = InvertedLists(4, LISTS)
    where: dict[int, int] = {}
    for adding, batch, seed in steps:
        slots = np.array([slot for slot in batch if (slot in where) != adding], np.int64)
        if adding:
            chosen = np.random.default_rng(seed).integers(0, LISTS, len(slots))
            lists.add(slots, POOL[slots], chosen)
            where.update(zip(slots.tolist(), chosen.tolist(), strict=True))
        else:
            lists.remove(slots)
            for slot in slots.tolist():
                del where[slot]
        expected = {n: sorted(s for s in where if where[s] == n) for n in range(LISTS)}
        assert {n: sorted(slots) for n, slots in contents(lists).items()} == expected
        assert len(lists) == len(where)
    everything = np.array(sorted(where), np.int64)
    assert lists.vectors(everything).tobytes() == POOL[everything].tobytes()
    assert lists.holds(np.arange(SLOTS)).nonzero()[0].tolist() == sorted(where)


def test_a_page_in_the_middle_of_its_list_can_move() -> None:
    lists = InvertedLists(4, LISTS)
    for list_no, slots in enumerate((slice(0, 1), slice(1, 2), slice(2, 11))):
        numbers = np.arange(SLOTS)[slots]
        lists.add(numbers, POOL[slots], np.full(len(numbers), list_no))
    lists.remove(np.array([0]))  # the second page of list 2 comes before its first
    lists.remove(np.array([1]))  # the first page moves
    assert {n: sorted(slots) for n, slots in contents(lists).items()} == {
        0: [],
        1: [],
        2: list(range(2, 11)),
    }
    assert lists.vectors(np.arange(2, 11)).tobytes() == POOL[2:11].tobytes()


@pytest.mark.parametrize("count", [0, 1, 5, 30, 31, 99])
def test_the_tail_has_as_many_as_are_asked_for(count: int) -> None:
    lists = InvertedLists(4, LISTS)
    lists.add(np.arange(31), POOL[:31], np.arange(31) % LISTS)
    lists.remove(np.arange(0, 12, 3))
    tail = lists.tail(count)
    assert len(set(tail.tolist())) == len(tail) == min(count, 27)
    assert lists.holds(tail).all()


def test_portions_hold_everything_with_its_list() -> None:
    lists = InvertedLists(4, LISTS)
    lists.add(np.arange(50), POOL[:50], np.arange(50) % LISTS)
    found: dict[int, int] = {}
    for first in range(0, lists.used_pages, 2):
        slots, in_lists, wide = lists.portion(first, 2)
        assert wide.tobytes() == POOL[slots].astype(np.float32).tobytes()
        found.update(zip(slots.tolist(), in_lists.tolist(), strict=True))
    assert found == {slot: slot % LISTS for slot in range(50)}


@pytest.mark.parametrize("room", [1, 20, 45, 1000])
def test_a_scan_goes_on_where_its_room_ended(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_module, "PAIRS_AT_ONCE", room)
    lists = InvertedLists(4, LISTS)
    lists.add(np.arange(40), POOL[:40], np.zeros(40, np.int64))
    lists.add(np.arange(40, 60), POOL[40:60], np.full(20, 2))
    queries = POOL[:10].astype(np.float32)
    probes = np.tile(np.arange(LISTS), (10, 1))
    parts = list(lists.scan(queries, probes, -2.0))
    pairs = [
        pair
        for part in parts
        for pair in zip(part.query_rows.tolist(), part.slots.tolist(), strict=True)
    ]
    assert len(pairs) == 600
    assert set(pairs) == {(query, slot) for query in range(10) for slot in range(60)}
    assert max(len(part) for part in parts) <= max(room, 40)
    for part in parts:
        exact = (queries @ POOL.astype(np.float32).T)[part.query_rows, part.slots]
        assert np.allclose(part.cosines, exact, atol=1e-6)


def test_memory_follows_what_is_stored() -> None:
    lists = InvertedLists(64, 16)
    vectors = np.tile(crowd(1, count=100, dimension=64, people=9), (3000, 1))
    lists.add(np.arange(300_000), vectors, np.arange(300_000) % 16)
    lists.remove(np.arange(299_000))
    assert lists._codes.array.nbytes <= 2**24 + 1000 * 128 + 16 * PAGE * 128
    assert lists.vectors(np.arange(299_000, 300_000)).tobytes() == vectors[299_000:].tobytes()
