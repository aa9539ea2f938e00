"""What a run did to clusters, as events."""

import numpy as np

from imm_ray.dataset.lineage import events_of, largest_share, touched
from imm_ray.dataset.places import Assignment
from imm_ray.model import ClusterEvent, ClusterId, EventKind, Retirement
from tests.unit.dataset.test_items import some_id
from tests.unit.dataset.test_places import Dataset


def event(kind: EventKind, cluster: str, other: str, *items: int) -> ClusterEvent:
    ids = tuple(sorted(map(some_id, items)))
    return ClusterEvent(kind, ClusterId(cluster), ClusterId(other), ids)


class History:
    """Clusters and a run over them."""

    def __init__(self, **clusters: list[int]) -> None:
        self.dataset = Dataset(12)
        for cluster_id, members in clusters.items():
            self.dataset.put(cluster_id, *members)

    def run(
        self,
        becomes: dict[int, str],
        *,
        born: list[str] | None = None,
        emptied: list[str] | None = None,
        restored: list[str] | None = None,
    ) -> tuple[list[ClusterEvent], list[Retirement]]:
        def numbers(ids: list[str] | None) -> list[int]:
            return [self.dataset.places.number(ClusterId(c)) for c in ids or []]

        places = self.dataset.places
        slots = np.array(list(becomes), np.int64)
        new = [places.number(ClusterId(c)) if c else 0 for c in becomes.values()]
        assignment = Assignment(
            slots, places.of(slots), np.array(new, np.int32), born=set(numbers(born))
        )
        return events_of(
            assignment,
            places,
            emptied=numbers(emptied),
            restored=set(numbers(restored)),
            item_ids=self.dataset.table.item_ids,
        )


def test_a_new_cluster_is_born_of_items_that_were_nowhere_and_split_from_others() -> None:
    history = History(a=[0, 1, 2])
    events, retired = history.run({0: "n", 5: "n", 6: "n"}, born=["n"])
    assert events == [
        event(EventKind.BORN, "n", "", 5, 6),
        event(EventKind.SPLIT, "n", "a", 0),
    ]
    assert retired == []


def test_items_join_leave_and_move() -> None:
    history = History(a=[0, 1, 2], b=[3, 4])
    events, retired = history.run({0: "b", 1: "", 7: "a", 4: "b"})
    assert events == [
        event(EventKind.JOINED, "a", "", 7),
        event(EventKind.LEFT, "a", "", 1),
        event(EventKind.MOVED, "b", "a", 0),
    ]
    assert retired == []


def test_a_cluster_that_goes_over_is_merged_and_has_an_heir() -> None:
    history = History(a=[0, 1, 2], b=[3, 4])
    events, retired = history.run({0: "b", 1: "b", 2: "b"})
    assert events == [event(EventKind.MERGED, "b", "a", 0, 1, 2)]
    assert retired == [Retirement(ClusterId("a"), ClusterId("b"))]


def test_the_heir_is_who_took_most() -> None:
    history = History(a=[0, 1, 2], b=[3], c=[4])
    events, retired = history.run({0: "b", 1: "c", 2: "c"})
    assert [e.event for e in events] == [EventKind.MERGED, EventKind.MERGED]
    assert retired == [Retirement(ClusterId("a"), ClusterId("c"))]


def test_a_cluster_without_an_heir_is_dissolved() -> None:
    history = History(a=[0], b=[])
    events, retired = history.run({0: ""}, emptied=["b"])
    assert events == [
        event(EventKind.LEFT, "a", "", 0),
        event(EventKind.DISSOLVED, "a", ""),
        event(EventKind.DISSOLVED, "b", ""),
    ]
    assert retired == [Retirement(ClusterId("a"), ClusterId(""))]


def test_a_cluster_that_is_filled_as_it_is_emptied_lives_on() -> None:
    history = History(a=[0], b=[1, 2])
    events, retired = history.run({0: "b", 1: "a"})
    assert {e.event for e in events} == {EventKind.MOVED}
    assert retired == []


def test_an_undo_restores() -> None:
    history = History(a=[0, 1, 2])
    events, _ = history.run({0: "b", 1: "b", 5: "b"}, restored=["b"])
    assert events == [
        event(EventKind.RESTORED, "b", "", 5),
        event(EventKind.RESTORED, "b", "a", 0, 1),
    ]


def test_the_largest_share_counts_files_and_not_their_items() -> None:
    assert largest_share(["x", "x", "x", "y", "z"], [1, 1, 1, 2, 2]) == (2, {"y", "z"})
    assert largest_share(["x"], [0]) == (0, set())


def test_touched_are_those_that_win_or_lose() -> None:
    history = History(a=[0], b=[1], c=[2])
    places = history.dataset.places
    slots = np.array([0, 2])
    becomes = np.array([places.number(ClusterId("b")), places.number(ClusterId("c"))], np.int32)
    found = touched(Assignment(slots, places.of(slots), becomes))
    assert {places.cluster_id(number) for number in found} == {"a", "b"}
