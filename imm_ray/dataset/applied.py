"""What applying an edit needs and gives."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from imm_ray.model import NO_CLUSTER, ClusterEvent, ClusterId, Edit, JsonObject, RecordedEvent


class EditRefused(Exception):
    """The edit can not be applied; the text says why."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What an edit did to the book."""

    effect: JsonObject
    """What an undo needs."""
    restored: tuple[ClusterId, ...] = ()
    """Retired clusters that come back."""
    events: tuple[ClusterEvent, ...] = ()
    """Events that no moving figure shows."""
    consolidate: bool = False
    alone: tuple[tuple[str, ClusterId], ...] = ()
    """Figures that leave a cluster, and nobody with them."""
    split: ClusterId = NO_CLUSTER
    """The cluster that a split makes."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """How edits look at what is stored."""

    resolve: Callable[[ClusterId], ClusterId | None]
    """The visible cluster that an id leads to: itself or its heir."""
    edit: Callable[[str], Edit | None]
    """An edit with its effect, even one that no run has made visible yet."""
    history: Callable[[ClusterId], Iterable[RecordedEvent]]
    """What happened to a cluster, the newest first."""
