from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster.average import Grouping
from imm_ray.cluster.base import BaseClusters
from imm_ray.cluster.commit import Commit
from imm_ray.cluster.region import Region

VECTORS = np.random.default_rng(1).integers(-9000, 9000, (30, 2)).astype(np.int16)
KEYS = np.random.default_rng(2).permutation(30).astype(np.uint64)


class Books:
    """Base clusters, and what a commit makes of them."""

    def __init__(self, *clusters: Sequence[int]) -> None:
        self.base = BaseClusters(2)
        self.base.reserve(30)
        self.base.new_numbers(len(clusters))
        for number, members in enumerate(clusters):
            self.base.move(np.array(members), np.full(len(members), number))
            sums = VECTORS[list(members)].sum(axis=0, dtype=np.int32)[None]
            self.base.state(np.array([number]), KEYS[[list(members)]].min(axis=1), sums)

    def commit(self, groups: Sequence[Sequence[int]], *, whole: Sequence[int] = ()) -> Commit:
        """Take over ``groups`` of items: those of ``whole`` clusters come as nodes."""
        inside = set(self.base.members(np.array(whole, np.int64)).tolist())
        slots = [item for group in groups for item in group if item not in inside]
        region = Region(np.array(slots, np.int64), np.array(sorted(whole), np.int64))
        group_of = {item: place for place, group in enumerate(groups) for item in group}
        firsts = self.base.members(region.clusters)[
            np.cumsum(self.base.size[region.clusters]) - self.base.size[region.clusters]
        ]
        of_nodes = np.array([group_of[s] for s in [*slots, *firsts.tolist()]], np.int64)
        named, first = np.unique(of_nodes, return_index=True)
        row_of = np.zeros(len(region), np.int64)
        row_of[first] = named
        sums = np.array([VECTORS[list(g)].sum(axis=0, dtype=np.int32) for g in groups], np.int32)
        labels = first[np.searchsorted(named, of_nodes)]
        committed = Commit(region, Grouping(labels, sums, row_of), self.base, KEYS)
        committed.apply()
        return committed

    def clusters(self) -> dict[int, list[int]]:
        return {
            number: sorted(self.base.members(np.array([number])).tolist())
            for number in self.base.numbers().tolist()
        }


def test_a_group_keeps_the_number_of_the_largest_whole_cluster_in_it() -> None:
    books = Books([0], [1, 2], [3, 4, 5, 6, 7])
    committed = books.commit([[0, 1, 2, 3, 4, 5, 6, 7]], whole=[0, 1])
    assert books.clusters() == {1: [0, 1, 2, 3, 4, 5, 6, 7]}
    assert (committed.changed, committed.gone) == ({1}, {0, 2})


def test_of_an_opened_cluster_the_largest_piece_keeps_the_number() -> None:
    books = Books([0, 1, 2, 3, 4])
    committed = books.commit([[0, 1], [2, 3, 4]])
    assert books.clusters() == {0: [2, 3, 4], 1: [0, 1]}
    assert (committed.changed, committed.gone) == ({0, 1}, set())


def test_of_opened_clusters_that_unite_the_one_with_most_gives_the_number() -> None:
    books = Books([0, 1], [2, 3, 4], [5])
    committed = books.commit([[0, 1, 2, 3, 4, 9]])
    assert books.clusters() == {1: [0, 1, 2, 3, 4, 9], 2: [5]}
    assert (committed.changed, committed.gone) == ({1}, {0})


def test_a_group_that_loses_its_first_claim_may_take_another() -> None:
    books = Books([0, 1, 2, 3, 4], [5])
    books.commit([[0, 1, 2], [3, 4, 5]])
    assert books.clusters() == {0: [0, 1, 2], 1: [3, 4, 5]}


def test_groups_that_are_what_they_were_have_not_changed() -> None:
    books = Books([0, 1], [2, 3], [4])
    committed = books.commit([[0, 1], [2, 3], [4, 8]], whole=[1, 2])
    assert committed.changed == {2}
    assert books.clusters() == {0: [0, 1], 1: [2, 3], 2: [4, 8]}


def test_the_number_of_a_cluster_that_has_gone_is_given_again() -> None:
    books = Books([0], [1, 2])
    books.commit([[0, 1, 2]], whole=[1])
    books.commit([[7]])
    assert books.clusters() == {0: [7], 1: [0, 1, 2]}


labels = st.lists(st.integers(0, 5), min_size=30, max_size=30)


@settings(deadline=None)
@given(old=labels, new=labels, opened=st.sets(st.integers(0, 5)), fresh=st.integers(0, 12))
def test_books_agree_with_the_groups(
    old: list[int], new: list[int], opened: set[int], fresh: int
) -> None:
    """Some clusters are opened, the others stay whole; the last items are new."""
    known = 30 - fresh
    numbers = sorted(set(old[:known]))
    books = Books(*([i for i in range(known) if old[i] == n] for n in numbers))
    before = books.clusters()
    whole = [n for n in before if n not in opened]
    # A whole cluster goes where its first item goes.
    lead = {item: books.base.members(np.array([n]))[0] for n in whole for item in before[n]}
    home = {item: new[lead.get(item, item)] for item in range(30)}
    groups = [[i for i in range(30) if home[i] == n] for n in sorted(set(home.values()))]
    committed = books.commit(groups, whole=whole)

    after = books.clusters()
    assert sorted(after.values()) == sorted(groups)
    assert committed.changed == {n for n in after if after[n] != before.get(n)}
    assert committed.gone == before.keys() - after.keys()
    for number, members in after.items():
        total = VECTORS[members].sum(axis=0, dtype=int).tolist()
        sums = books.base.sums(np.array([number]), lambda slots: VECTORS[slots])
        assert sums.tolist() == [total]
        assert books.base.keys(np.array([number]))[0] == KEYS[members].min()
