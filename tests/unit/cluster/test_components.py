import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imm_ray.cluster.components import Components
from tests.unit.cluster.sample import grouped

COUNT = 20
pairs = st.lists(st.tuples(*[st.integers(0, COUNT - 1)] * 2), max_size=25)


def made_of(*parts: list[tuple[int, int]]) -> Components:
    components = Components()
    components.reserve(COUNT)
    components.insert(np.arange(COUNT))
    for part in parts:
        u, v = np.array(part, np.int64).reshape(-1, 2).T.copy()
        components.unite(u, v)
    return components


@given(first=pairs, second=pairs)
def test_items_on_a_path_of_pairs_are_one_component(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    components = made_of(first, second)
    u, v = np.array(first + second, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(u)), (u, v)), shape=(COUNT, COUNT))
    names = components.of(np.arange(COUNT))
    expected = grouped(connected_components(graph, directed=False)[1])
    assert grouped(names) == expected
    sizes = components.sizes(names)
    assert all(sizes[item] == len(group) for group in expected for item in group)


def test_a_split_is_seen_by_a_rebuild_from_the_lists_of_living_core_items() -> None:
    components = made_of([(0, 1), (1, 2), (2, 3), (3, 4)])
    ids, counts = np.arange(1, COUNT + 1, dtype=np.int32).reshape(-1, 1), np.ones(COUNT, np.int16)
    counts[4:] = 0
    alive, core = np.ones(COUNT, np.bool_), np.ones(COUNT, np.bool_)
    alive[1] = core[3] = False
    assert len(set(components.of(np.arange(5)).tolist())) == 1
    components.rebuild(ids, counts, alive, core)
    assert len(set(components.of(np.array([0, 2, 3, 4])).tolist())) == 4
    alive[:] = core[:] = True
    components.rebuild(ids, counts, alive, core)
    assert len(set(components.of(np.arange(5)).tolist())) == 1


def test_making_room_keeps_what_is_there() -> None:
    components = made_of([(0, 1)])
    components.reserve(100_000)
    components.insert(np.array([99_999]))
    components.unite(np.array([1]), np.array([99_999]))
    names = components.of(np.array([0, 1, 99_999]))
    assert len(set(names.tolist())) == 1
    assert components.sizes(names).tolist() == [3, 3, 3]
