"""What is kept of items beside their vectors: columns by slot, no object per item."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from imm_ray.dataset.by_key import SlotsByKey
from imm_ray.dataset.ports import Slots
from imm_ray.model import FileId, Vector, Vectors
from imm_ray.model.image import Arrays, numbers

Uuids = NDArray[np.uint64]
"""UUIDs as two 64-bit halves: shape ``(n, 2)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A figure or a picture with its vector."""

    item_id: str
    """A UUID, as ``file_id`` is."""
    file_id: FileId
    seq: int
    vector: Vector
    is_good: bool
    """Whether it counts towards founding a cluster."""
    is_core: bool = True
    """Whether it takes part in average link; else it only follows."""
    quality: float
    """The best of a cluster is its cover."""


class ItemTable:
    """Ids, files and flags of items by slot, and slots by id and by file: 85 bytes an item.

    Slots are small numbers; those of removed items are given again once they are `release` d.
    """

    def __init__(self) -> None:
        self.good: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.core: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.alive: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.in_graph: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.quality: NDArray[np.float32] = np.empty(0, np.float32)
        self.seq: NDArray[np.int64] = np.empty(0, np.int64)
        self._item: Uuids = np.empty((0, 2), np.uint64)
        self._file: Uuids = np.empty((0, 2), np.uint64)
        self._by_id = SlotsByKey()
        self._by_file = SlotsByKey()
        self._free: list[int] = []
        self._next = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, items: Sequence[Item]) -> Slots:
        """Take items in; return their slots."""
        again = [self._free.pop() for _ in range(min(len(items), len(self._free)))]
        fresh = range(self._next, self._next + len(items) - len(again))
        self._next += len(fresh)
        self._reserve(self._next)
        slots = np.array([*again, *fresh], np.int64)
        self._item[slots] = _halves(item.item_id for item in items)
        self._file[slots] = _halves(item.file_id for item in items)
        self.good[slots] = [item.is_good for item in items]
        self.core[slots] = [item.is_core for item in items]
        self.quality[slots] = [item.quality for item in items]
        self.seq[slots] = [item.seq for item in items]
        self.alive[slots] = True
        self.in_graph[slots] = False
        self._by_id.add(_mixed(self._item[slots]), slots)
        self._by_file.add(_mixed(self._file[slots]), slots)
        self._count += len(items)
        return slots

    def remove(self, slots: Slots) -> None:
        """Forget items; their slots stay taken until they are released."""
        self.alive[slots] = False
        self._count -= len(slots)

    def release(self, slots: Slots) -> None:
        """Let slots of removed items be used again."""
        self.in_graph[slots] = False
        self._free += slots.tolist()

    def of_file(self, file_id: FileId) -> Slots:
        """Return the items of a file."""
        file = _halves([file_id])
        high, low = file[0]
        slots = np.array(sorted(set(self._by_file.get(int(_mixed(file)[0])))), np.int64)
        here = self.alive[slots] & (self._file[slots, 0] == high) & (self._file[slots, 1] == low)
        mine: Slots = slots[here]
        return mine

    def slot_of(self, item_id: str) -> int | None:
        """Return the slot of an item."""
        found = self.slots_of([item_id])
        return int(found[0]) if len(found) else None

    def slots_of(self, item_ids: Iterable[str]) -> Slots:
        """Return the slots of those items that are here, ascending."""
        wanted = _halves(filter(_is_uuid, item_ids))
        found = [
            slot
            for key, half in zip(_mixed(wanted).tolist(), wanted.tolist(), strict=True)
            for slot in self._by_id.get(key)
            if self.alive[slot] and self._item[slot].tolist() == half
        ]
        return np.unique(np.array(found, np.int64))

    def entries(self, slots: Slots, seqs: Sequence[int], vectors: Vectors) -> list[Item]:
        """Return items as they were added."""
        return [
            Item(
                item_id=item_id,
                file_id=file_id,
                seq=seq,
                vector=vector,
                is_good=bool(self.good[slot]),
                is_core=bool(self.core[slot]),
                quality=float(self.quality[slot]),
            )
            for slot, item_id, file_id, seq, vector in zip(
                slots.tolist(),
                self.item_ids(slots),
                self.file_ids(slots),
                seqs,
                vectors,
                strict=True,
            )
        ]

    def item_ids(self, slots: Slots) -> list[str]:
        """Return the ids of items."""
        return _texts(self._item[slots])

    def names(self, slots: Slots) -> Uuids:
        """Return the ids of items as numbers."""
        return self._item[slots]

    def file_ids(self, slots: Slots) -> list[FileId]:
        """Return the files of items."""
        return [FileId(text) for text in _texts(self._file[slots])]

    def photos(self, slots: Slots) -> NDArray[np.int64]:
        """Return a number of each item's photo, -1 where no other item is in it."""
        keys = _mixed(self._file[slots])
        crowded = [
            self._holds_another(slot, key)
            for slot, key in zip(slots.tolist(), keys.tolist(), strict=True)
        ]
        return np.where(crowded, (keys >> np.uint64(1)).astype(np.int64), -1)

    def _holds_another(self, slot: int, key: int) -> bool:
        """Return whether another living item has the file of ``slot``."""
        others = [other for other in set(self._by_file.get(key)) if other != slot]
        same = (self._file[others] == self._file[slot]).all(axis=1) if others else ()
        return any(self.alive[o] and s for o, s in zip(others, same, strict=True))

    def best(self, slots: Slots) -> int:
        """Return the item to show for a cluster: a good one, of the best quality."""
        ids = self._item[slots]
        order = np.lexsort((ids[:, 1], ids[:, 0], self.quality[slots], self.good[slots]))
        return int(slots[order[-1]])

    @property
    def size(self) -> int:
        """All slots that were ever given are below this number."""
        return self._next

    def page(self, first: int, stop: int) -> Arrays:
        """Return copies of the columns that never change while an item lives; zero of others."""
        some = slice(first, min(stop, self._next))
        alive = self.alive[some]
        return {
            "item": self._item[some] * alive[:, None],
            "file": self._file[some] * alive[:, None],
            "seq": self.seq[some] * alive,
            "good": self.good[some] & alive,
            "core": self.core[some] & alive,
            "quality": self.quality[some] * alive,
            "alive": alive.copy(),
        }

    def facts(self) -> Arrays:
        """Return which slots may be used again."""
        return {"free": numbers(self._free)}

    def restore(self, pages: Arrays, facts: Arrays, in_graph: NDArray[np.bool_]) -> None:
        """Take over what `page` has returned, all pages joined, and `facts`."""
        self.good, self.core, self.alive = pages["good"], pages["core"], pages["alive"]
        self.quality, self.seq, self.in_graph = pages["quality"], pages["seq"], in_graph
        self._item, self._file = pages["item"], pages["file"]
        self._free, self._next = facts["free"].tolist(), len(self.alive)
        self._count = int(self.alive.sum())
        slots = np.flatnonzero(self.alive)
        self._by_id, self._by_file = SlotsByKey(), SlotsByKey()
        self._by_id.fill(_mixed(self._item[slots]), slots)
        self._by_file.fill(_mixed(self._file[slots]), slots)

    def _reserve(self, size: int) -> None:
        have = len(self.alive)
        if size > have:
            rows = max(size, have + have // 4, 1024)
            for column in (
                self.good,
                self.core,
                self.alive,
                self.in_graph,
                self.quality,
                self.seq,
            ):
                column.resize(rows, refcheck=False)
            self._item.resize((rows, 2), refcheck=False)
            self._file.resize((rows, 2), refcheck=False)


def _halves(ids: Iterable[str]) -> Uuids:
    data = b"".join(UUID(text).bytes for text in ids)
    return np.frombuffer(data, ">u8").reshape(-1, 2).astype(np.uint64)


def _mixed(halves: Uuids) -> NDArray[np.uint64]:
    """Return 64 bits of each id."""
    return halves[:, 0] ^ (halves[:, 1] * np.uint64(0x9E3779B97F4A7C15))


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _texts(halves: Uuids) -> list[str]:
    data = halves.astype(">u8").tobytes()
    return [str(UUID(bytes=data[i : i + 16])) for i in range(0, len(data), 16)]


def portions(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield ``items``, so many at a time."""
    iterator = iter(items)
    while portion := list(islice(iterator, size)):
        yield portion
