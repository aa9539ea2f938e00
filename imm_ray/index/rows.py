"""Memory for many vectors that grows and shrinks without being copied."""

import mmap
from contextlib import suppress
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

_Scalar = TypeVar("_Scalar", bound=np.generic)

_FIRST_BYTES = 2**16
_SLACK_BYTES = 2**24  # of memory that is no longer used, at most that or a quarter stays


class GrowingRows(Generic[_Scalar]):
    """A matrix with a number of rows that can change.

    Notes
    -----
    It is one private anonymous mapping, resized by the kernel (``mremap`` on Linux): growing moves
    page tables, not bytes, so there is never a second copy; rows never written to take no memory;
    shrinking gives memory back at once. Huge pages are asked for where the system has them: lists
    are read in short runs all over the mapping, which was up to twice as fast with them. The
    mapping cannot be resized while a view of ``array`` is alive elsewhere (BufferError), so views
    must not be kept.
    """

    def __init__(self, width: int, dtype: type[_Scalar]) -> None:
        self._width = width
        self._dtype = np.dtype(dtype)
        self._row_bytes = width * self._dtype.itemsize
        size = max(_FIRST_BYTES, self._row_bytes)
        self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._ask_for_huge_pages()
        self.array = self._view()
        """All rows there is room for, zero where never written."""

    def reserve(self, rows: int) -> None:
        """Make room for ``rows`` rows."""
        if rows > len(self.array):
            self._resize(max(rows, len(self.array) * 5 // 4))

    def trim(self, rows: int) -> None:
        """Give back memory that ``rows`` rows leave unused, if it is much."""
        slack = (len(self.array) - rows) * self._row_bytes
        if slack > max(_SLACK_BYTES, rows * self._row_bytes // 4):
            self._resize(rows)

    def _resize(self, rows: int) -> None:
        del self.array
        try:
            self._map.resize(max(_FIRST_BYTES, rows * self._row_bytes, self._row_bytes))
            self._ask_for_huge_pages()
        finally:
            self.array = self._view()

    def _ask_for_huge_pages(self) -> None:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a kernel may be built without them
                self._map.madvise(mmap.MADV_HUGEPAGE)

    def _view(self) -> NDArray[_Scalar]:
        rows = len(self._map) // self._row_bytes
        flat: NDArray[_Scalar] = np.frombuffer(self._map, self._dtype, rows * self._width)
        return flat.reshape(rows, self._width)
