"""Compiled loops over inverted lists: storing, removing, decoding and scanning fp16 codes.

All kernels live in one module because numba's disk cache notices changes of a kernel's own file
only; the cache is in ``NUMBA_CACHE_DIR`` where that is set.

Notes
-----
Codes are rows of uint16, the bits of fp16, in pages of PAGE rows. A page belongs to one list; all
pages of a list are full except its last. Pages are numbered without gaps: a page that becomes free
takes over the contents of the highest one.

fp16 becomes float32 by shifting exponent and mantissa into place and multiplying by the difference
of the two exponent biases. That is exact, for subnormal numbers too, and compiles to a few vector
instructions; infinities and NaN, which it would get wrong, are never stored.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from imm_ray.index.places import NOWHERE

PAGE = 8
"""Rows of a page: short, as half a page of each list is empty; long, as memory likes long reads."""

_SIGN = np.uint32(0x8000)
_REST = np.uint32(0x7FFF)
_TO_SIGN = np.uint32(16)
_TO_REST = np.uint32(13)
_BIAS = np.float32(2.0**112)

_Book = NDArray[np.int32]
_Ints = NDArray[np.int64]
_Floats = NDArray[np.float32]


class Pages(NamedTuple):
    """The memory of inverted lists."""

    codes: NDArray[np.uint16]
    row_of: _Book
    """By slot."""
    slot_at: _Book
    """By row."""
    size: _Book
    """Rows, by list."""
    last: _Book
    """The last page, by list."""
    before: _Book
    """The page before in its list, by page."""
    after: _Book
    """The page after in its list, by page."""
    list_of: _Book
    """By page."""


@njit(cache=True, nogil=True)
def append(pages: Pages, used: int, slots: _Ints, lists: _Ints) -> tuple[_Ints, int]:
    """Give each slot the next row of its list; return the rows and the number of used pages."""
    rows = np.empty(len(slots), np.int64)
    for i in range(len(slots)):
        list_no = lists[i]
        place = pages.size[list_no] % PAGE
        if place == 0:
            previous = pages.last[list_no]
            pages.list_of[used] = list_no
            pages.before[used] = previous
            pages.after[used] = NOWHERE
            if previous != NOWHERE:
                pages.after[previous] = used
            pages.last[list_no] = used
            used += 1
        row = np.int64(pages.last[list_no]) * PAGE + place
        pages.size[list_no] += 1
        pages.row_of[slots[i]] = row
        pages.slot_at[row] = slots[i]
        rows[i] = row
    return rows, used


@njit(cache=True, nogil=True)
def _move_row(pages: Pages, source: int, target: int) -> None:
    slot = pages.slot_at[source]
    pages.codes[target] = pages.codes[source]
    pages.slot_at[target] = slot
    pages.row_of[slot] = target
    pages.slot_at[source] = NOWHERE


@njit(cache=True, nogil=True)
def _free_last_page(pages: Pages, list_no: int, used: int) -> int:
    """Take the empty last page from a list; return the number of used pages."""
    page = pages.last[list_no]
    pages.last[list_no] = pages.before[page]
    if pages.last[list_no] != NOWHERE:
        pages.after[pages.last[list_no]] = NOWHERE
    top = used - 1
    if page != top:
        owner = pages.list_of[top]
        pages.list_of[page] = owner
        pages.before[page] = pages.before[top]
        pages.after[page] = pages.after[top]
        if pages.before[top] != NOWHERE:
            pages.after[pages.before[top]] = page
        if pages.after[top] != NOWHERE:
            pages.before[pages.after[top]] = page
        else:
            pages.last[owner] = page
        for place in range(PAGE):
            if pages.slot_at[top * PAGE + place] != NOWHERE:
                _move_row(pages, top * PAGE + place, page * PAGE + place)
    return top


@njit(cache=True, nogil=True)
def remove(pages: Pages, used: int, slots: _Ints) -> int:
    """Forget the slots; return the number of used pages."""
    for slot in slots:
        row = pages.row_of[slot]
        list_no = pages.list_of[row // PAGE]
        end = pages.last[list_no] * PAGE + (pages.size[list_no] - 1) % PAGE
        pages.row_of[slot] = NOWHERE
        pages.slot_at[row] = NOWHERE
        if row != end:
            _move_row(pages, end, row)
        pages.size[list_no] -= 1
        if pages.size[list_no] % PAGE == 0:
            used = _free_last_page(pages, list_no, used)
    return used


@njit(cache=True, nogil=True)
def _decode_row(code: NDArray[np.uint16], bits: NDArray[np.uint32], values: _Floats) -> None:
    for k in range(len(code)):
        half = np.uint32(code[k])
        bits[k] = ((half & _SIGN) << _TO_SIGN) | ((half & _REST) << _TO_REST)
    for k in range(len(code)):
        values[k] *= _BIAS


@njit(cache=True, nogil=True)
def decode(
    codes: NDArray[np.uint16], rows: _Ints, bits: NDArray[np.uint32], values: _Floats
) -> None:
    """Make ``values[i]`` the code of ``rows[i]``; ``bits`` is the same memory as ``values``."""
    for i in range(len(rows)):
        _decode_row(codes[rows[i]], bits[i], values[i])


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(a: _Floats, b: _Floats) -> Any:
    total = np.float32(0)
    for k in range(len(a)):
        total += a[k] * b[k]
    return total


@njit(cache=True, nogil=True)
def _end_of_run(numbers: _Ints, start: int, most: int) -> int:
    """Return where the numbers cease to be that at ``start``, or ``most`` if that is before."""
    stop = start
    while stop < min(most, len(numbers)) and numbers[stop] == numbers[start]:
        stop += 1
    return stop


@njit(cache=True, nogil=True)
def scan(
    pages: Pages,
    queries: _Floats,
    probes: tuple[_Ints, _Ints],
    limit: np.float32,
    start: int,
    found: tuple[_Ints, _Ints, _Floats],
) -> tuple[int, int]:
    """Compare queries with lists; return the probe to go on from, and the pairs found.

    ``probes`` are list numbers, in order, and query rows. It stops before a list whose pairs might
    not fit into ``found`` (query rows, slots, cosines), which must have room for one list.

    Notes
    -----
    Each page is decoded once for all queries that probe its list. A pair's cosine depends on its
    two vectors alone, not on what else is searched for.
    """
    lists, rows = probes
    bits = np.empty((PAGE, queries.shape[1]), np.uint32)
    values = bits.view(np.float32)
    count = 0
    while start < len(lists):
        list_no = lists[start]
        size = max(1, pages.size[list_no])
        room = (len(found[0]) - count) // size
        if room == 0:
            break
        stop = _end_of_run(lists, start, start + room)
        page = pages.last[list_no]
        filled = (size - 1) % PAGE + 1
        while page != NOWHERE:
            for place in range(filled):
                row = page * PAGE + place
                _decode_row(pages.codes[row], bits[place], values[place])
            for probe in range(start, stop):
                for place in range(filled):
                    cosine = _dot(values[place], queries[rows[probe]])
                    if cosine >= limit:
                        found[0][count] = rows[probe]
                        found[1][count] = pages.slot_at[page * PAGE + place]
                        found[2][count] = cosine
                        count += 1
            page = pages.before[page]
            filled = PAGE
        start = stop
    return start, count
