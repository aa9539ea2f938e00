"""Which cluster each item is in, and who keeps which id."""

from collections.abc import Sequence

import numpy as np

from imm_ray.cluster.run import Group
from imm_ray.dataset.items import ItemTable
from imm_ray.dataset.places import NOWHERE, GroupRule, Places, by_cluster
from imm_ray.model import NO_CLUSTER, ClusterId
from tests.unit.dataset.test_items import item, slots


class Dataset:
    """Items 0, 1, … without anything else; those of ``poor`` found nothing."""

    def __init__(
        self, count: int, *, poor: Sequence[int] = (), smallest: int = 1, good_to_found: int = 2
    ) -> None:
        self.table = ItemTable()
        self.table.add([item(n, file=n, good=n not in poor) for n in range(count)])
        minted = iter(range(100))
        rule = GroupRule(
            mint=lambda: ClusterId(f"new{next(minted)}"),
            smallest=smallest,
            good_to_found=good_to_found,
            confidence=lambda cosine: cosine,
        )
        self.places = Places(self.table, rule)

    def put(self, cluster_id: str, *members: int) -> int:
        number = self.places.number(ClusterId(cluster_id))
        self.places.put(slots(*members), np.full(len(members), number, np.int32))
        return number

    def assign(
        self,
        *groups: Sequence[int],
        owners: dict[int, str] | None = None,
        protected: Sequence[str] = (),
        banned: dict[int, set[int]] | None = None,
    ) -> dict[int, str]:
        """The cluster of each item of the groups that may change; the place of a group is its key
        in ``owners``."""
        number = self.places.number
        owned = {place: number(ClusterId(c)) for place, c in (owners or {}).items()}
        found = self.places.assign(
            [Group(slots(*group), owned.get(place, 0)) for place, group in enumerate(groups)],
            {number(ClusterId(c)) for c in protected},
            banned or {},
        )
        assert np.array_equal(found.was, self.places.of(found.slots))
        return {
            slot: self.places.cluster_id(becomes)
            for slot, becomes in zip(found.slots.tolist(), found.becomes.tolist(), strict=True)
        }


def everybody(cluster_id: str, *members: int) -> dict[int, str]:
    return dict.fromkeys(members, cluster_id)


def test_a_group_is_founded_by_good_items_only() -> None:
    dataset = Dataset(6, poor=[3, 4, 5])
    assert dataset.assign([0, 1, 3], [2, 4, 5]) == everybody("new0", 0, 1, 3)


def test_a_group_keeps_the_id_with_which_it_shares_most() -> None:
    dataset = Dataset(8)
    dataset.put("a", 0, 1, 2)
    dataset.put("b", 3, 4)
    assert dataset.assign([0, 3, 4], [1, 2, 5]) == {
        **everybody("b", 0, 3, 4),
        **everybody("a", 1, 2, 5),
    }
    assert dataset.assign([0, 1, 2, 3, 4]) == everybody("a", 0, 1, 2, 3, 4)


def test_of_equal_overlaps_the_smaller_id_wins() -> None:
    dataset = Dataset(4)
    dataset.put("b", 0, 1)
    dataset.put("a", 2, 3)
    assert dataset.assign([0, 1, 2, 3]) == everybody("a", 0, 1, 2, 3)


def test_a_split_keeps_the_id_at_the_larger_part_and_founds_the_other() -> None:
    dataset = Dataset(6)
    dataset.put("a", 0, 1, 2, 3, 4)
    assert dataset.assign([0, 1], [2, 3, 4]) == {
        **everybody("new0", 0, 1),
        **everybody("a", 2, 3, 4),
    }
    assert dataset.assign([0], [1, 2, 3, 4]) == {0: NO_CLUSTER, **everybody("a", 1, 2, 3, 4)}


def test_a_cluster_that_shrinks_below_what_founds_one_stays() -> None:
    dataset = Dataset(4, good_to_found=3)
    dataset.put("a", 0)
    assert dataset.assign([0, 1]) == everybody("a", 0, 1)


def test_a_group_below_the_smallest_size_is_no_cluster_even_if_it_was() -> None:
    dataset = Dataset(3, smallest=2)
    dataset.put("a", 0, 1)
    assert dataset.assign([0], [1]) == everybody(NO_CLUSTER, 0, 1)


def test_what_stays_as_it_is_is_left_out() -> None:
    dataset = Dataset(6)
    dataset.put("a", 0, 1)
    assert dataset.assign([0, 1], [2], []) == {}
    assert dataset.assign() == {}


def test_a_protected_id_goes_to_its_owner_and_to_nobody_else() -> None:
    dataset = Dataset(8)
    dataset.put("a", 0, 1, 2)
    dataset.put("b", 3)
    assert dataset.assign([1, 2], [0], owners={1: "a"}) == {
        **everybody("new0", 1, 2),
        0: "a",
    }
    assert dataset.assign([1, 2], protected=["a"]) == everybody("new1", 1, 2)
    assert dataset.assign([0, 1, 2, 3], owners={0: "b"}) == everybody("b", 0, 1, 2, 3)


def test_an_owner_may_have_one_item_that_is_not_even_good() -> None:
    dataset = Dataset(2, poor=[0])
    assert dataset.assign([0], owners={0: "a"}) == {0: "a"}


def test_groups_of_one_owner_are_one_cluster() -> None:
    dataset = Dataset(4)
    number = dataset.places.number(ClusterId("a"))
    found = dataset.places.assign([Group(slots(0, 1), number), Group(slots(3), number)], set())
    assert found.becomes.tolist() == [number] * 3
    assert found.members[number].tolist() == [0, 1, 3]


def test_no_group_takes_the_id_of_a_cluster_that_one_of_its_items_is_kept_out_of() -> None:
    dataset = Dataset(4)
    number = dataset.put("a", 0, 1)
    assert dataset.assign([0, 1, 2], banned={2: {number}}) == everybody("new0", 0, 1, 2)


def test_the_last_item_of_a_cluster_that_it_is_kept_out_of_leaves_it() -> None:
    dataset = Dataset(4)
    number = dataset.put("a", 0)
    assert dataset.assign([0], banned={0: {number}}) == {0: NO_CLUSTER}


def test_what_a_merged_cluster_leaves_behind_does_not_keep_its_id() -> None:
    dataset = Dataset(4)
    dataset.put("a", 0)
    assert dataset.assign([0], protected=["a"]) == {0: NO_CLUSTER}


def test_sizes_follow_what_is_put() -> None:
    dataset = Dataset(5)
    a, b = dataset.put("a", 0, 1, 2), dataset.put("b", 3)
    dataset.put("b", 2)
    assert (dataset.places.size(a), dataset.places.size(b)) == (2, 2)
    assert dataset.places.members(b).tolist() == [2, 3]
    assert dataset.places.of(slots(4)).tolist() == [NOWHERE]
    assert dataset.places.cluster_id(a) == "a"


def test_items_are_grouped_by_cluster() -> None:
    found = by_cluster(slots(5, 6, 7), np.array([2, 1, 2], np.int32))
    assert {number: here.tolist() for number, here in found.items()} == {1: [6], 2: [5, 7]}
    assert by_cluster(slots(), np.empty(0, np.int32)) == {}
