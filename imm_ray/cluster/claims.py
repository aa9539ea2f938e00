"""What users have decided: which faces belong to a person, and which do not."""

from collections.abc import Callable, Iterator, Set

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.graph import Slots
from imm_ray.model.image import Image, pairs

Owners = NDArray[np.int32]
"""Numbers of protected persons, from 1; 0 is nobody."""


class Claims:
    """Pins (a face belongs to a person) and bans (it does not).

    A base cluster with a pinned face belongs to that person; those of two persons never merge.

    Parameters
    ----------
    label
        Returns the base cluster of each slot, -1 for none.
    """

    def __init__(self, label: Callable[[Slots], NDArray[np.int32]]) -> None:
        self._label = label
        self._owner_of: dict[int, int] = {}
        self._of_owner: dict[int, set[int]] = {}
        self._banned: dict[int, set[int]] = {}

    def pin(self, slot: int, owner: int) -> None:
        """Give a face to a person."""
        self.unpin(slot)
        self._owner_of[slot] = owner
        self._of_owner.setdefault(owner, set()).add(slot)

    def unpin(self, slot: int) -> None:
        """Take a pin back."""
        if (owner := self._owner_of.pop(slot, 0)) and not self._without(owner, slot):
            del self._of_owner[owner]

    def ban(self, slot: int, owner: int) -> None:
        """Keep a face out of a person."""
        self._banned.setdefault(slot, set()).add(owner)

    def lift(self, slot: int, owner: int) -> None:
        """Take a ban back."""
        owners = self._banned.get(slot, set())
        owners.discard(owner)
        if not owners:
            self._banned.pop(slot, None)

    def forget(self, slots: Slots) -> None:
        """Forget faces that are no more."""
        for slot in slots.tolist():
            self.unpin(slot)
            self._banned.pop(slot, None)

    def owner(self, slot: int) -> int:
        """Return the person that a face is pinned to, 0 for none."""
        return self._owner_of.get(slot, 0)

    def bans(self, slot: int) -> Set[int]:
        """Return the persons that a face is kept out of."""
        return self._banned.get(slot, frozenset())

    def banned(self) -> Iterator[tuple[int, Set[int]]]:
        """Yield each banned face with the persons that it is kept out of."""
        yield from sorted(self._banned.items())

    def pinned(self) -> dict[int, int]:
        """Return the person of each pinned face."""
        return dict(self._owner_of)

    def of_owner(self, owner: int) -> Set[int]:
        """Return the faces that are pinned to a person."""
        return self._of_owner.get(owner, frozenset())

    def owners(self, slots: Slots) -> Owners:
        """Return the person that each face is pinned to, 0 for none."""
        found = np.zeros(len(slots), np.int32)
        if self._owner_of:
            pinned = np.array(list(self._owner_of), np.int64)
            owners = np.array(list(self._owner_of.values()), np.int32)
            order = np.argsort(pinned)
            at = np.minimum(np.searchsorted(pinned[order], slots), len(pinned) - 1)
            held = pinned[order][at] == slots
            found[held] = owners[order][at[held]]
        return found

    def cluster_owners(self, numbers: NDArray[np.int64]) -> Owners:
        """Return the person that each base cluster belongs to, 0 for none."""
        owner_of = self.owner_of_clusters()
        return np.array([owner_of.get(number, 0) for number in numbers.tolist()], np.int32)

    def owner_of_clusters(self) -> dict[int, int]:
        """Return the person of each base cluster that has a pinned face."""
        pinned = np.array(list(self._owner_of), np.int64)
        numbers = self._label(pinned).tolist()
        owners = self._owner_of.values()
        return {number: owner for number, owner in zip(numbers, owners, strict=True) if number >= 0}

    def state(self) -> Image:
        """Return all pins and bans: slots and owners."""
        bans = [(slot, owner) for slot, owners in self.banned() for owner in sorted(owners)]
        return Image(
            facts={
                "pins": pairs(self._owner_of),
                "bans": np.array(bans, np.int64).reshape(-1, 2),
            }
        )

    def restore(self, image: Image) -> None:
        """Take over a `state`."""
        self._owner_of, self._of_owner, self._banned = {}, {}, {}
        for slot, owner in image.facts["pins"].tolist():
            self.pin(slot, owner)
        for slot, owner in image.facts["bans"].tolist():
            self.ban(slot, owner)

    def _without(self, owner: int, slot: int) -> set[int]:
        """Return a person's pinned faces after one has gone."""
        self._of_owner[owner].discard(slot)
        return self._of_owner[owner]
