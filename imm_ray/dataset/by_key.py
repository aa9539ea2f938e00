"""Which slots belong to an id, in 16 bytes a slot."""

import numpy as np
from numpy.typing import NDArray

from imm_ray.dataset.ports import Slots

_FEWEST = 4096


class SlotsByKey:
    """Slots by 64 bits of an id (their item's, their file's): a sorted array, and the latest.

    The latest enter the array when they are an eighth of it, so an addition costs O(log n) on
    average. Removed slots are not taken out: the caller knows who is alive, and a slot that is used
    again may be found under both keys.
    """

    def __init__(self) -> None:
        self._keys: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._slots: NDArray[np.int64] = np.empty(0, np.int64)
        self._latest: dict[int, list[int]] = {}
        self._latest_count = 0

    def add(self, keys: NDArray[np.uint64], slots: Slots) -> None:
        """Add slots under their keys."""
        for key, slot in zip(keys.tolist(), slots.tolist(), strict=True):
            self._latest.setdefault(key, []).append(slot)
        self._latest_count += len(slots)
        if self._latest_count > max(_FEWEST, len(self._keys) // 8):
            self._settle()

    def fill(self, keys: NDArray[np.uint64], slots: Slots) -> None:
        """Add the first slots, each once."""
        order = np.argsort(keys, kind="stable")
        self._keys, self._slots = keys[order], slots[order]

    def get(self, key: int) -> list[int]:
        """Return the slots that were added under a key."""
        wanted = np.uint64(key)
        first, last = (int(np.searchsorted(self._keys, wanted, s)) for s in ("left", "right"))
        return [*self._slots[first:last].tolist(), *self._latest.get(key, ())]

    def _settle(self) -> None:
        keys = np.array([k for k, slots in self._latest.items() for _ in slots], np.uint64)
        slots = np.array([s for slots in self._latest.values() for s in slots], np.int64)
        keys, slots = np.concatenate((self._keys, keys)), np.concatenate((self._slots, slots))
        # A slot stands under its latest key only.
        _, last = np.unique(slots[::-1], return_index=True)
        keys, slots = keys[::-1][last], slots[::-1][last]
        order = np.argsort(keys, kind="stable")
        self._keys, self._slots = keys[order], slots[order]
        self._latest, self._latest_count = {}, 0
