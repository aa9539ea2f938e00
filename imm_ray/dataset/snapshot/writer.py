"""Writing a collection's segments: in portions while the engine goes on, then a cut.

Notes
-----
1. *Ahead*: pages and neighbours that have changed since the last snapshot are copied out, portion
   by portion; between two portions the engine does whatever it does.
2. *Cut*: in one go, with the engine still, what has changed once more meanwhile, the columns and
   the facts are copied. Only this has to be of one moment.

What has changed is found by comparing: a page by a digest of ids and seqs (a vector never changes
under one seq), neighbours by 64 bits of each slot's list. So no code that changes them has to say
so. A segment with the bytes of one that is stored already is not stored again.

Neighbours are stored for the slots where they differ; when all segments of neighbours together have
half as many slots again as there are, or there are very many of them, all are written anew.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.list_kernels import NO_PAIR, marks_of_runs
from imm_ray.crash_point import reached
from imm_ray.dataset.holdings import Holdings
from imm_ray.dataset.ports import Slots
from imm_ray.dataset.snapshot.manifest import Manifest
from imm_ray.dataset.snapshot.segment import Content, Segment, digest, encode, mark_of
from imm_ray.model import DatasetId
from imm_ray.model.image import Arrays, column
from imm_ray.store.blobs import Blobs

PAGE_BYTES = 2**24
"""Vectors of one page; a page is what is copied in one step."""
COLUMN_SLOTS = 2**16
ROW_SLOTS = 2**16
"""Slots of a portion of neighbours: at most 21 MB of full lists."""

_PAIRS_AT_ONCE = 2**22  # 33 MB
_SLACK = 1.5
_MOST_ROW_SEGMENTS = 64
_IN_FLIGHT = 2
_MOMENT_S = 0.01  # of the engine's thread
_ROUNDS = 3  # of catching up, before the cut takes what is left


class SegmentWriter:
    """Stores what has changed of one collection, and knows what is stored.

    Parameters
    ----------
    name
        What the names of all files begin with: kind and epoch. Another owner's are other ones.
    executor
        Runs what waits for the disk or the network.
    """

    def __init__(
        self,
        holdings: Holdings,
        blobs: Blobs,
        *,
        folder: DatasetId,
        name: str,
        executor: Executor,
    ) -> None:
        self._holdings = holdings
        self._blobs = blobs
        self._folder = folder
        self._name = name
        self._executor = executor
        self._pages: dict[int, Segment] = {}
        self._rows: list[Segment] = []
        self._marks: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._known: dict[str, Segment] = {}
        """Stored columns and facts by their SHA-256."""
        self._in_flight: set[Future[None]] = set()
        self.written_bytes = 0
        """Bytes of all files so far."""
        self.keep()

    def adopt(self, manifest: Manifest, marks: NDArray[np.uint64]) -> None:
        """Go on from a snapshot that has just been restored, with the ``marks`` that it gave."""
        self._pages = {segment.first: segment for segment in manifest.of(Content.PAGE)}
        self._rows = manifest.of(Content.ROWS)
        self._marks = marks
        known = (*manifest.of(Content.COLUMNS), *manifest.of(Content.FACTS))
        self._known = {segment.sha256: segment for segment in known}

        self.keep()

    def forget(self) -> None:
        """Write everything anew the next time."""
        self._pages, self._rows, self._known = {}, [], {}
        self._marks = np.empty(0, np.uint64)
        self.keep()

    def keep(self) -> None:
        """Take note that there is a snapshot of the last `cut`."""
        self._kept = (dict(self._pages), list(self._rows), self._marks.copy(), dict(self._known))

    def undo(self) -> None:
        """Go back to the last `keep`: something could not be stored."""
        for future in self._in_flight:
            future.cancel()
        self._in_flight = {future for future in self._in_flight if not future.done()}
        pages, rows, marks, known = self._kept
        self._pages, self._rows, self._known = dict(pages), list(rows), dict(known)
        self._marks = marks.copy()

    def ahead(self) -> Iterator[bool]:
        """Store what has changed, in portions: one before each yield."""
        self._compact()
        for _ in range(_ROUNDS):
            done = 0
            for first in range(0, self._holdings.items.size, self._page_slots):
                done += self._put_page(first)
                yield from self._with_room()
            for slots in self._changed_rows():
                done += 1
                self._put_rows(slots)
                yield from self._with_room()
            if done <= 1:
                return

    def cut(self) -> list[Segment]:
        """Return the segments of this moment; they are stored when `settled` says so."""
        size = self._holdings.items.size
        firsts = range(0, size, self._page_slots)
        self._pages = {first: self._pages[first] for first in self._pages if first < size}
        for first in firsts:
            self._put_page(first)
        for slots in self._changed_rows():
            self._put_rows(slots)
        image = self._holdings.image()
        columns = [
            self._put_columns(image.columns, first) for first in range(0, size, COLUMN_SLOTS)
        ]
        facts = self._put(Content.FACTS, image.facts)
        self._known = {segment.sha256: segment for segment in (*columns, facts)}
        reached("snapshot.cut_taken")
        return [*(self._pages[first] for first in firsts), *self._rows, *columns, facts]

    def settled(self) -> Iterator[bool]:
        """Wait a moment before each yield, until all that was begun is done.

        Raises
        ------
        BlobError
        """
        while self._in_flight:
            yield self._wait_a_moment()

    def put(self, name: str, data: bytes) -> None:
        """Begin to store a file."""
        self.written_bytes += len(data)
        self.begin(lambda: self._store(f"{self._folder}/{name}", data))

    def begin(self, work: Callable[[], None]) -> None:
        """Begin what waits for the disk or the network."""
        self._in_flight.add(self._executor.submit(work))

    @property
    def _page_slots(self) -> int:
        return max(1, PAGE_BYTES // (2 * self._holdings.dimension))

    def _put_page(self, first: int) -> bool:
        """Store the page that begins at a slot, if it has changed; return whether it has."""
        page = self._holdings.page(first, first + self._page_slots)
        mark, count = mark_of(page), len(page["alive"])
        if first in self._pages and self._pages[first].mark == mark:
            return False
        held = first + np.flatnonzero(page["held"])
        vectors = self._holdings.index.vectors(held)
        segment = self._put(Content.PAGE, page | {"vectors": vectors}, first=first, count=count)
        self._pages[first] = Segment(
            name=segment.name,
            content=Content.PAGE,
            sha256=segment.sha256,
            size=segment.size,
            first=first,
            count=count,
            mark=mark,
        )
        return True

    def _changed_rows(self) -> Iterator[Slots]:
        """Yield the slots whose neighbours are not as stored, in portions.

        A slot without neighbours need not be stored.
        """
        size = self._holdings.items.size
        now = self._holdings.clusterer.marks(size)
        self._marks = column(self._marks, size, NO_PAIR)
        changed = np.flatnonzero(now != self._marks)
        for start in range(0, len(changed), ROW_SLOTS):
            yield changed[start : start + ROW_SLOTS]

    def _put_rows(self, slots: Slots) -> None:
        rows = self._holdings.clusterer.rows(slots)
        portion = np.cumsum(rows.counts, dtype=np.int64) // _PAIRS_AT_ONCE
        for number in np.unique(portion):
            some = rows.of(portion == number)
            arrays: Arrays = {
                "slots": some.slots,
                "counts": some.counts,
                "ids": some.ids,
                "similarities": some.similarities,
            }
            self._rows.append(self._put(Content.ROWS, arrays, count=len(some.slots)))
        self._marks = column(self._marks, max(self._holdings.items.size, len(self._marks)), NO_PAIR)
        self._marks[slots] = marks_of_runs(rows.ids, rows.similarities, rows.counts)

    def _compact(self) -> None:
        """Have all neighbours written anew when what is stored of them is mostly of no use."""
        stored = sum(segment.count for segment in self._rows)
        size = self._holdings.items.size
        if stored > _SLACK * size + ROW_SLOTS or len(self._rows) > _MOST_ROW_SEGMENTS:
            self._rows, self._marks = [], np.empty(0, np.uint64)

    def _put_columns(self, columns: Arrays, first: int) -> Segment:
        some = {name: column[first : first + COLUMN_SLOTS] for name, column in columns.items()}
        count = len(next(iter(some.values())))
        return self._put(Content.COLUMNS, some, first=first, count=count)

    def _put(self, content: Content, arrays: Arrays, *, first: int = 0, count: int = 0) -> Segment:
        """Begin to store a segment, unless its very bytes are stored; return it."""
        data = encode(arrays)
        sha256 = digest(data)
        known = self._known.get(sha256)
        if known is not None and (known.content, known.first) == (content, first):
            return known
        segment = Segment(
            name=f"{self._name}-{sha256}",
            content=content,
            sha256=sha256,
            size=len(data),
            first=first,
            count=count,
        )
        self.put(segment.name, data)
        return segment

    def _store(self, key: str, data: bytes) -> None:
        self._blobs.put(key, data)
        reached("snapshot.segment_written")

    def _with_room(self) -> Iterator[bool]:
        """Yield until there is room for another portion: it bounds what is in memory."""
        yield True
        while len(self._in_flight) >= _IN_FLIGHT:
            yield self._wait_a_moment()

    def _wait_a_moment(self) -> bool:
        """Return True after something is stored, or a moment later."""
        done, self._in_flight = wait(self._in_flight, _MOMENT_S, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        return True
