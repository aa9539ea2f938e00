"""Exact duplicates: of all items with the same vector only one enters index and graph."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from imm_ray.cluster.fixed import FixedVectors
from imm_ray.cluster.graph import Slots
from imm_ray.model.image import Image


@dataclass(frozen=True, slots=True)
class Departure:
    """What a removal means for the index and the graph."""

    gone: Slots
    """Former representatives: remove them."""
    promoted: Slots
    """New representatives: insert them."""
    predecessors: Slots
    """For each promoted item the representative, now gone, whose vector it has too."""
    shrunk: Slots
    """Representatives that stay but stand for fewer items: their groups must be looked at."""


class Duplicates:
    """Maps every item to the representative of all items with exactly its vector.

    Notes
    -----
    Ten thousand copies of one picture would be 5 * 10**7 pairs in the graph; here they are one
    node. Vectors are told apart by a 128-bit digest. The first item stands for the others until it
    is removed; which one stands for them changes no partition, because they are equal to all others
    and content keys order them by the vector alone.
    """

    may_be_equal = False
    """Whether two representatives may have one vector."""

    def __init__(self) -> None:
        self._digest_of: dict[int, str] = {}
        self._items: dict[str, dict[int, None]] = {}

    def __len__(self) -> int:
        return len(self._digest_of)

    def insert(self, slots: Slots, vectors: FixedVectors) -> Slots:
        """Add items; return the representative of each: itself, where it is the first."""
        added = slots.tolist()
        if len(set(added)) != len(added) or not self._digest_of.keys().isdisjoint(added):
            raise ValueError("a new slot is known already: remove it before inserting it again")
        for slot, vector in zip(added, vectors, strict=True):
            digest = blake2b(vector.tobytes(), digest_size=16).hexdigest()
            self._digest_of[slot] = digest
            self._items.setdefault(digest, {})[slot] = None
        return self.representatives(slots)

    def remove(self, slots: Slots) -> Departure:
        """Forget items; return what changes among the representatives."""
        digests = dict.fromkeys(map(self._digest, slots.tolist()))
        before = {digest: self._first(digest) for digest in digests}
        for slot in slots.tolist():
            del self._items[self._digest_of.pop(slot)][slot]
        gone, promoted, predecessors, shrunk = [], [], [], []
        for digest, representative in before.items():
            if representative in self._digest_of:
                shrunk.append(representative)
                continue
            gone.append(representative)
            if self._items[digest]:
                promoted.append(self._first(digest))
                predecessors.append(representative)
            else:
                del self._items[digest]
        return Departure(*map(_slots, (gone, promoted, predecessors, shrunk)))

    def representatives(self, slots: Slots) -> Slots:
        """Return the representative of each item."""
        return _slots(self._first(self._digest(slot)) for slot in slots.tolist())

    def expand(self, representatives: Slots) -> Slots:
        """Return all items that ``representatives`` stand for, ascending."""
        digests = map(self._digest, representatives.tolist())
        return np.sort(_slots(slot for digest in digests for slot in self._items[digest]))

    def state(self, size: int) -> Image:
        """Return the representatives and the digests of the slots below ``size``."""
        slots = np.array(sorted(self._digest_of), np.int64)
        digest, heads = np.zeros((size, 2), np.uint64), np.full(size, -1, np.int32)
        joined = bytes.fromhex("".join(self._digest_of[slot] for slot in slots.tolist()))
        digest[slots] = np.frombuffer(joined, ">u8").reshape(-1, 2)
        heads[slots] = self.representatives(slots)
        return Image({"digest": digest, "head": heads})

    def restore(self, image: Image) -> None:
        """Take over a `state`."""
        heads = image.columns["head"]
        slots = np.flatnonzero(heads >= 0)
        # A representative is the first item of its digest.
        slots = slots[np.argsort(heads[slots] != slots, kind="stable")]
        text = image.columns["digest"][slots].astype(">u8").tobytes().hex()
        digests = [text[i : i + 32] for i in range(0, len(text), 32)]
        self._digest_of = dict(zip(slots.tolist(), digests, strict=True))
        self._items = {}
        for slot, digest in self._digest_of.items():
            self._items.setdefault(digest, {})[slot] = None

    def _digest(self, slot: int) -> str:
        try:
            return self._digest_of[slot]
        except KeyError as error:
            raise ValueError(f"slot {slot} is not known: insert it first") from error

    def _first(self, digest: str) -> int:
        return next(iter(self._items[digest]))


def _slots(numbers: Iterable[int]) -> Slots:
    return np.fromiter(numbers, np.int64)
