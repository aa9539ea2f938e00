"""What clients say of clusters that merges have given away which no run has shown yet."""

from collections.abc import Callable

from imm_ray.model import ClusterId, Edit
from imm_ray.store.people import Inheritance


class Said:
    """Finds what the heirs of merged clusters inherit in the run in hand.

    Notes
    -----
    An ingress writes what is said of a cluster into its row at once. When a merge that was
    acknowledged before is still to become visible, that row is about to retire: then what was said
    is meant for the heir. What is said of the heir itself later counts more. When the merge is
    undone before any run has shown it, everything stays where it was said.
    """

    def __init__(self) -> None:
        self._origins: dict[tuple[ClusterId, str], ClusterId] = {}

    def hear(self, edit: Edit, heir: ClusterId) -> None:
        """Take note of a NAME, in the order of the edits; ``heir`` is whom it is meant for."""
        origin = ClusterId(str(edit.payload["cluster_id"]))
        for member in edit.payload.get("changed", ("Name",)):
            if origin == heir:
                self._origins.pop((heir, member), None)
            else:
                self._origins[heir, member] = origin

    def inheritances(self, heir_of: Callable[[ClusterId], ClusterId]) -> list[Inheritance]:
        """Return who inherits what, once ``heir_of`` knows every edit."""
        members: dict[tuple[ClusterId, ClusterId], list[str]] = {}
        for (heir, member), origin in self._origins.items():
            if heir_of(origin) == heir:
                members.setdefault((origin, heir), []).append(member)
        return [Inheritance(*ends, tuple(found)) for ends, found in members.items()]

    def clear(self) -> None:
        """Forget everything: a run has shown it."""
        self._origins.clear()
