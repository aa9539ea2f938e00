from collections.abc import Callable
from itertools import count

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.cluster.graph import Slots
from imm_ray.cluster.identity import changes, keep_ids
from imm_ray.model import NO_CLUSTER, ClusterId


def minter(start: int = 100) -> Callable[[], ClusterId]:
    numbers = count(start)
    return lambda: ClusterId(f"c{next(numbers)}")


def groups(*members: list[int]) -> list[Slots]:
    return [np.array(group, np.int64) for group in members]


def named(**clusters: list[int]) -> dict[int, ClusterId]:
    return {slot: ClusterId(name) for name, slots in clusters.items() for slot in slots}


def test_a_cluster_that_grows_keeps_its_id() -> None:
    previous = named(a=[1, 2], b=[3])
    assert keep_ids(previous, groups([9, 3], [1, 2, 7]), minter()) == ["b", "a"]


def test_of_a_split_cluster_the_largest_piece_keeps_the_id() -> None:
    assert keep_ids(named(a=[1, 2, 3]), groups([1], [2, 3]), minter()) == ["c100", "a"]


def test_of_merged_clusters_the_largest_gives_the_id() -> None:
    assert keep_ids(named(a=[1], b=[2, 3]), groups([1, 2, 3]), minter()) == ["b"]


def test_ties_go_to_the_smaller_id_and_then_to_the_earlier_group() -> None:
    assert keep_ids(named(b=[1], a=[2]), groups([1, 2]), minter()) == ["a"]
    assert keep_ids(named(a=[1, 2]), groups([2], [1]), minter()) == ["a", "c100"]


def test_a_group_that_loses_its_first_claim_may_inherit_another_id() -> None:
    previous = named(a=[1, 2, 3, 4, 5], b=[6])
    assert keep_ids(previous, groups([1, 2, 3], [4, 5, 6]), minter()) == ["a", "b"]


def test_only_a_group_that_founds_is_given_a_new_id() -> None:
    previous = named(a=[1]) | {2: NO_CLUSTER, 3: NO_CLUSTER}
    ids = keep_ids(previous, groups([1], [2, 3], [4, 5, 6]), minter(), founds=lambda g: len(g) > 2)
    assert ids == ["a", NO_CLUSTER, "c100"]


partitions = st.lists(st.integers(0, 6), min_size=12, max_size=12)


@given(old=partitions, new=partitions)
def test_ids_are_used_once_and_an_equal_partition_keeps_them_all(
    old: list[int], new: list[int]
) -> None:
    def split(labels: list[int]) -> list[Slots]:
        array = np.array(labels)
        return [np.flatnonzero(array == label) for label in np.unique(array)]

    mint = minter()
    first = keep_ids({}, split(old), mint)
    previous = {s: i for g, i in zip(split(old), first, strict=True) for s in g.tolist()}
    second = keep_ids(previous, split(new), mint)
    assert len(set(second)) == len(second)
    assert keep_ids(previous, split(old), mint) == first
    assert changes(previous, split(old), first) == []
    rebuilt = dict(previous)
    for change in changes(previous, split(new), second):
        assert change.created == (change.cluster_id not in first)
        assert change.dissolved == (change.cluster_id not in second)
        rebuilt |= dict.fromkeys(change.joined.tolist(), change.cluster_id)
    assert rebuilt == {s: i for g, i in zip(split(new), second, strict=True) for s in g.tolist()}


def test_changes_name_what_joined_and_what_left() -> None:
    previous = named(a=[1, 2, 3], b=[4], d=[8])
    found = changes(
        previous,
        groups([1, 2, 9], [4], [3], [5]),
        [ClusterId(name) for name in ("a", "b", "c", NO_CLUSTER)],
        removed=[8],
    )
    assert [
        (c.cluster_id, c.members.tolist(), c.joined.tolist(), c.left.tolist(), c.created)
        for c in found
    ] == [
        (NO_CLUSTER, [5], [5], [], True),
        ("a", [1, 2, 9], [9], [3], False),
        ("c", [3], [3], [], True),
        ("d", [], [], [8], False),
    ]
    assert [c.dissolved for c in found] == [False, False, False, True]
