"""Vectors as fp16 codes in inverted lists."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imm_ray.index import kernels
from imm_ray.index.candidates import Candidates, Slots, Wide
from imm_ray.index.kernels import PAGE, Pages
from imm_ray.index.places import NOWHERE, Places, grown
from imm_ray.index.products import PAIRS_AT_ONCE
from imm_ray.index.rows import GrowingRows
from imm_ray.model import Vectors


class InvertedLists:
    """Which vectors are in which of a fixed number of lists, and the vectors.

    Notes
    -----
    ``2 * dimension`` bytes a vector, half a page of them for each list, and at most 15 bytes for
    the books. Growing copies nothing, removing one vector copies one, and an emptied page is filled
    from the highest one, so memory is given back whatever is removed.

    FAISS's own lists were measured (1.15, 3 * 10**5 vectors of 512 dimensions in 2,048 lists): 1.6
    to 2.1 KB a vector, as they double and fragment the heap, and 3 to 7 microseconds to get one
    back; these take 1.1 KB and half a microsecond, and search a large batch up to twice as fast.
    """

    def __init__(self, dimension: int, lists: int) -> None:
        self._codes = GrowingRows(dimension, np.uint16)
        self._places = Places()
        self._size = np.zeros(lists, np.int32)
        self._last = np.full(lists, NOWHERE, np.int32)
        self._before = np.empty(0, np.int32)
        self._after = np.empty(0, np.int32)
        self._list_of = np.empty(0, np.int32)
        self._used = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def used_pages(self) -> int:
        """Pages in use; they are numbered without gaps."""
        return self._used

    def holds(self, slots: Slots) -> NDArray[np.bool_]:
        """Return which of ``slots`` are stored."""
        return self._places.holds(slots)

    def slots(self) -> Slots:
        """Return all stored slots, in order."""
        return self._places.stored()

    def tail(self, count: int) -> Slots:
        """Return ``count`` (or all, if fewer) stored slots of the highest pages."""
        pages = min(self._used, -(-count // PAGE))
        while True:
            slots, _ = self._page_slots(self._used - pages, self._used)
            if len(slots) >= min(count, self._count):
                return slots[len(slots) - min(count, self._count) :]
            pages = min(self._used, 2 * pages)

    def add(self, slots: Slots, vectors: Vectors, lists: NDArray[np.int64]) -> None:
        """Append vectors to lists; the slots must be free."""
        if not len(slots):
            return
        coming = np.bincount(lists, minlength=len(self._size))
        pages = int((-(-(self._size + coming) // PAGE) - -(-self._size // PAGE)).sum())
        self._reserve(self._used + pages, int(slots.max()) + 1)
        rows, self._used = kernels.append(
            self._pages(),
            self._used,
            np.ascontiguousarray(slots),
            np.ascontiguousarray(lists),
        )
        self._codes.array[rows] = np.ascontiguousarray(vectors).view(np.uint16)
        self._count += len(slots)

    def remove(self, slots: Slots) -> None:
        """Forget stored slots, each named once."""
        self._used = kernels.remove(self._pages(), self._used, np.ascontiguousarray(slots))
        self._count -= len(slots)
        self._codes.trim(self._used * PAGE)

    def vectors(self, slots: Slots) -> Vectors:
        """Return the vectors of stored slots, bit by bit as they were added."""
        return self._codes.array[self._places.rows(slots)].view(np.float16)

    def wide(self, slots: Slots) -> Wide:
        """Return the vectors of stored slots as float32."""
        return self._wide(self._places.rows(slots))

    def lists_of(self, slots: Slots) -> NDArray[np.int64]:
        """Return the lists of stored slots."""
        return self._list_of[self._places.rows(slots) // PAGE].astype(np.int64)

    def portion(self, first: int, pages: int) -> tuple[Slots, NDArray[np.int64], Wide]:
        """Return slots, list numbers and vectors of what some pages hold."""
        slots, rows = self._page_slots(first, min(self._used, first + pages))
        return slots, self._list_of[rows // PAGE].astype(np.int64), self._wide(rows)

    def scan(self, queries: Wide, lists: NDArray[np.int64], limit: float) -> Iterator[Candidates]:
        """Yield the pairs at ``limit`` or over of each query and its row of ``lists``, unordered.

        A part has at most PAIRS_AT_ONCE pairs, or as many as the longest list has vectors.
        """
        flat = lists.ravel()
        order = np.argsort(flat, kind="stable")
        probes = (np.ascontiguousarray(flat[order]), order // max(1, lists.shape[1]))
        room = min(
            max(PAIRS_AT_ONCE, int(self._size.max())), max(1, int(self._size[flat].sum(dtype=int)))
        )
        found = (np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float32))
        start = 0
        while start < len(flat):
            start, count = kernels.scan(
                self._pages(), queries, probes, np.float32(limit), start, found
            )
            rows, slots, cosines = found
            yield Candidates(rows[:count].copy(), slots[:count].copy(), cosines[:count].copy())

    def _pages(self) -> Pages:
        return Pages(
            self._codes.array,
            self._places.row_of,
            self._places.slot_at,
            self._size,
            self._last,
            self._before,
            self._after,
            self._list_of,
        )

    def _reserve(self, pages: int, slots: int) -> None:
        self._codes.reserve(pages * PAGE)
        self._places.reserve(slots=slots, rows=pages * PAGE)
        self._before = grown(self._before, pages)
        self._after = grown(self._after, pages)
        self._list_of = grown(self._list_of, pages)

    def _page_slots(self, first: int, stop: int) -> tuple[Slots, NDArray[np.int64]]:
        rows = np.arange(first * PAGE, stop * PAGE)
        slots = self._places.slots(rows)
        taken = slots != NOWHERE
        return slots[taken], rows[taken]

    def _wide(self, rows: NDArray[np.int64]) -> Wide:
        codes = self._codes.array
        values = np.empty((len(rows), codes.shape[1]), np.float32)
        kernels.decode(codes, rows, values.view(np.uint32), values)
        return values
