"""What a collection asks of whoever knows more of its items than it does."""

from collections.abc import Iterable, Mapping, Set
from typing import Protocol

from imm_ray.cluster.run import Group
from imm_ray.dataset.ports import Slots


class Watcher(Protocol):
    """Knows of items what the collection does not."""

    def enter(self, slots: Slots) -> None:
        """Look at items that have come into the graph."""

    def leave(self, item_ids: Iterable[str]) -> None:
        """Forget items that are gone for good."""

    def step_out(self, item_ids: Iterable[str]) -> None:
        """Do without items until they come into the graph again."""

    def banned(self) -> Mapping[int, Set[int]]:
        """Return the clusters, by number, that items must not be in, by slot."""

    def misplaced(self) -> list[Group]:
        """Return groups of single items that must move, whether a run has covered them or not."""

    def renew_anchors(self) -> None:
        """Make up for what has gone, before a run."""
