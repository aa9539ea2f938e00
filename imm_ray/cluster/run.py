"""What a clustering run hands over."""

from dataclasses import dataclass

from imm_ray.cluster.graph import Slots


@dataclass(slots=True)
class Work:
    """What one run looked at."""

    items_new: int = 0
    pairs_compared: int = 0
    items_reopened: int = 0
    """Items that were clustered again, new ones included."""
    clusters_touched: int = 0
    items_guarded: int = 0
    """New items, and neighbours of removed ones, of components too large to be clustered whole."""
    drift: float | None = None
    """Adjusted Rand index of the groups before a consolidation against those after it."""
    items_moved: int = 0
    """Items that a consolidation put into another group."""

    def add(self, other: "Work") -> None:
        """Count what another one counts too."""
        self.items_new += other.items_new
        self.pairs_compared += other.pairs_compared
        self.items_reopened += other.items_reopened
        self.clusters_touched += other.clusters_touched
        self.items_guarded += other.items_guarded


@dataclass(frozen=True, slots=True)
class Group:
    """Items that belong together."""

    slots: Slots
    """Ascending."""
    owner: int = 0
    """The protected person to whom they belong, 0 for none. Groups of one owner are one person."""


@dataclass(frozen=True, slots=True)
class Run:
    """The groups of all items that a run looked at, singles included, and what it cost."""

    groups: list[Group]
    """In canonical order; each is whole: it has no member that was not looked at."""
    work: Work
