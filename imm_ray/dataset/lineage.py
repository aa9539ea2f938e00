"""What a run did to clusters, as events and retirements."""

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from imm_ray.dataset.places import NOWHERE, Assignment, Places, by_cluster
from imm_ray.dataset.ports import Slots
from imm_ray.model import NO_CLUSTER, ClusterEvent, EventKind, Retirement


def events_of(
    assignment: Assignment,
    places: Places,
    *,
    emptied: Collection[int],
    restored: set[int],
    item_ids: Callable[[Slots], list[str]],
) -> tuple[list[ClusterEvent], list[Retirement]]:
    """Return what an assignment, not yet recorded in ``places``, does to clusters.

    Parameters
    ----------
    emptied
        Clusters whose last items were deleted since the last run.
    restored
        Clusters that an undo brings back.
    """
    moved = assignment.was != assignment.becomes
    slots = assignment.slots[moved]
    was, becomes = assignment.was[moved], assignment.becomes[moved]
    left = {n: len(found) for n, found in by_cluster(slots, was).items() if n != NOWHERE}
    won = {n: len(found) for n, found in by_cluster(slots, becomes).items() if n != NOWHERE}
    gone = {n for n, lost in left.items() if places.size(n) - lost + won.get(n, 0) == 0}
    flows = {
        (source, target): found
        for target, found in by_cluster(slots, becomes).items()
        for source, found in by_cluster(found, places.of(found)).items()
    }
    events = [
        ClusterEvent(
            kind,
            places.cluster_id(cluster),
            places.cluster_id(other),
            tuple(sorted(item_ids(flows[source, target]))),
        )
        for source, target in sorted(flows)
        for kind, cluster, other in _kinds(source, target, assignment.born, gone, restored)
    ]
    heirs = {n: _heir(n, flows) for n in gone}
    retirements = [
        Retirement(places.cluster_id(n), places.cluster_id(heirs[n])) for n in sorted(gone)
    ]
    for n in sorted({n for n in gone if not heirs[n]} | set(emptied)):
        events.append(ClusterEvent(EventKind.DISSOLVED, places.cluster_id(n), NO_CLUSTER, ()))
    return events, retirements


def _kinds(
    source: int, target: int, born: set[int], gone: set[int], restored: set[int]
) -> Iterator[tuple[EventKind, int, int]]:
    """Yield (event, cluster, other) for items that go from one cluster to another."""
    if target == NOWHERE:
        yield EventKind.LEFT, source, NOWHERE
    elif target in restored:
        yield EventKind.RESTORED, target, source
    elif target in born and source == NOWHERE:
        yield EventKind.BORN, target, NOWHERE
    elif target in born:
        yield EventKind.SPLIT, target, source
    elif source == NOWHERE:
        yield EventKind.JOINED, target, NOWHERE
    else:
        yield EventKind.MERGED if source in gone else EventKind.MOVED, target, source


def _heir(number: int, flows: dict[tuple[int, int], Slots]) -> int:
    """Return the cluster that took most of another's items."""
    went = [(len(f), -target, target) for (s, target), f in flows.items() if s == number and target]
    return max(went)[2] if went else NOWHERE


def largest_share(files: Sequence[str], numbers: Sequence[int]) -> tuple[int, set[str]]:
    """Return the cluster that holds most of the different ``files``, and which."""
    inside: dict[int, set[str]] = {}
    for file_id, number in zip(files, numbers, strict=True):
        if number != NOWHERE:
            inside.setdefault(int(number), set()).add(file_id)
    if not inside:
        return NOWHERE, set()
    number = max(inside, key=lambda n: (len(inside[n]), -n))
    return number, inside[number]


def touched(assignment: Assignment) -> set[int]:
    """Return the clusters that win or lose items."""
    moved = assignment.was != assignment.becomes
    found = np.concatenate((assignment.was[moved], assignment.becomes[moved]))
    return set(np.unique(found).tolist()) - {NOWHERE}
