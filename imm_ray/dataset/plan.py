"""What a run changes, as rows to store."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imm_ray.dataset.items import ItemTable
from imm_ray.dataset.lineage import largest_share, touched
from imm_ray.dataset.places import NOWHERE, Assignment, GroupRule, Places
from imm_ray.dataset.ports import Slots
from imm_ray.dataset.representatives import Representatives
from imm_ray.model import ClusterEvent, ClusterId, FileId, Retirement
from imm_ray.store.staging import Move, StatedCluster


@dataclass(frozen=True, slots=True)
class Concentration:
    """The cluster that takes most of the new files."""

    cluster_id: ClusterId
    inside: frozenset[FileId]
    files: frozenset[FileId]
    """All new files in the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run changes, computed from memory and not yet stored."""

    covered: Slots = field(default_factory=lambda: np.empty(0, np.int64))
    assignment: Assignment | None = None
    moves: list[Move] = field(default_factory=list)
    clusters: list[StatedCluster] = field(default_factory=list)
    events: list[ClusterEvent] = field(default_factory=list)
    retirements: list[Retirement] = field(default_factory=list)
    restored: list[ClusterId] = field(default_factory=list)
    concentration: Concentration | None = None
    ledger: Mapping[str, Any] = field(default_factory=dict)
    milliseconds: Mapping[str, float] = field(default_factory=dict)


class Draft:
    """Turns an assignment into rows."""

    def __init__(
        self,
        items: ItemTable,
        places: Places,
        representatives: Representatives,
        means: Callable[[Slots], NDArray[np.float64]],
        rule: GroupRule,
    ) -> None:
        self._items = items
        self._places = places
        self._representatives = representatives
        self._means = means
        self._rule = rule

    def moves(self, assignment: Assignment) -> list[Move]:
        """Return the new place of each item that moves, with how sure it is.

        The confidence of a face is its mean similarity to the other faces of its base cluster, on
        the scale of the model card: 0 as alike as strangers, 1 as two pictures of one person; 1 for
        a face that is alone.
        """
        moved = np.flatnonzero(assignment.was != assignment.becomes)
        slots, becomes = assignment.slots[moved], assignment.becomes[moved]
        heads = self._representatives.representatives(slots)
        placed = becomes != NOWHERE
        cosines = np.zeros(len(slots))
        cosines[placed] = self._means(heads[placed])
        return [
            Move(item_id, file_id, self._places.cluster_id(number), self._rule.confidence(cosine))
            for item_id, file_id, number, cosine in zip(
                self._items.item_ids(slots),
                self._items.file_ids(slots),
                becomes.tolist(),
                cosines.tolist(),
                strict=True,
            )
        ]

    def clusters(
        self, assignment: Assignment, lost: set[int], emptied: set[int]
    ) -> list[StatedCluster]:
        """Return the clusters that win or lose items, or ``lost`` some or all to a delete."""
        lost = lost & (assignment.members.keys() | emptied)
        moved = assignment.slots[assignment.was != assignment.becomes]
        left = Counter(self._places.of(moved).tolist())
        return sorted(
            (
                StatedCluster(
                    self._places.cluster_id(number),
                    self._cover(self._members(number, assignment, left[number])),
                    number in assignment.born,
                )
                for number in touched(assignment) | lost
            ),
            key=lambda cluster: cluster.cluster_id,
        )

    def _members(self, number: int, assignment: Assignment, left: int) -> Slots:
        """Return the items of a cluster after a run that ``left`` of them leave.

        An item that is covered after the others may leave a cluster at which the run does not look.
        """
        if number in assignment.members or self._places.size(number) == left:
            return assignment.members.get(number, assignment.slots[:0])
        moved = assignment.slots[assignment.was != assignment.becomes]
        return np.setdiff1d(self._places.members(number), moved)

    def _cover(self, members: Slots) -> str:
        if not len(members):
            return ""
        return self._items.item_ids(np.array([self._items.best(members)]))[0]

    def concentration(self, fresh: Slots, assignment: Assignment) -> Concentration | None:
        """Return where most of the new files went."""
        becomes = dict(zip(assignment.slots.tolist(), assignment.becomes.tolist(), strict=True))
        files = self._items.file_ids(fresh)
        number, inside = largest_share(files, [becomes.get(s, NOWHERE) for s in fresh.tolist()])
        if number == NOWHERE:
            return None
        cluster_id = self._places.cluster_id(number)
        return Concentration(cluster_id, frozenset(map(FileId, inside)), frozenset(files))


class Stopwatch:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._begun = perf_counter()

    def lap(self, stage: str) -> None:
        """Record the time since the last lap."""
        now = perf_counter()
        self.laps[stage] = round(1e3 * (now - self._begun), 1)
        self._begun = now
