import numpy as np
import pytest

from imm_ray.index.rows import GrowingRows

MEBIBYTE = 2**20


def test_rows_survive_growing_and_shrinking() -> None:
    rows = GrowingRows(256, np.float32)
    rows.reserve(10_000)
    rows.array[:10_000] = np.arange(10_000)[:, None]
    rows.reserve(60_000)
    assert len(rows.array) >= 60_000
    assert (rows.array[:10_000, 255] == np.arange(10_000)).all()
    assert not rows.array[10_000:60_000].any()
    rows.trim(5_000)
    assert len(rows.array) == 5_000
    assert (rows.array[:, 0] == np.arange(5_000)).all()


def test_what_was_given_back_comes_again_empty() -> None:
    rows = GrowingRows(MEBIBYTE, np.uint8)
    rows.reserve(100)
    rows.array[:] = 1
    rows.trim(1)
    rows.reserve(100)
    assert rows.array[0].all()
    assert not rows.array[1:].any()


def test_a_little_slack_stays() -> None:
    rows = GrowingRows(MEBIBYTE, np.uint8)
    rows.reserve(100)
    rows.trim(90)
    assert len(rows.array) == 100
    rows.trim(70)
    assert len(rows.array) == 70


def test_growing_leaves_room_for_more() -> None:
    rows = GrowingRows(4, np.uint16)
    rows.reserve(100_000)
    rows.reserve(100_001)
    assert len(rows.array) == 125_000


def test_it_does_not_move_under_a_view() -> None:
    rows = GrowingRows(4, np.uint16)
    view = rows.array[:1]
    with pytest.raises(BufferError):
        rows.reserve(10**6)
    assert len(rows.array) >= len(view)
