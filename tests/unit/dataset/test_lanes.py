"""Threads that datasets share: each dataset's calls in order, one at a time."""

import threading
from concurrent.futures import Future

import pytest

from imm_ray.dataset.lanes import Lanes

PATIENCE_S = 30


def test_calls_of_a_lane_are_made_in_order_and_one_at_a_time() -> None:
    lanes = Lanes(4)
    made: list[tuple[int, int]] = []
    under_way = [0, 0, 0]

    def call(lane: int, number: int) -> int:
        under_way[lane] += 1
        assert under_way[lane] == 1
        made.append((lane, number))
        under_way[lane] -= 1
        return number

    each = [lanes.lane() for _ in range(3)]
    futures: list[Future[int]] = [
        lane.submit(call, place, number) for number in range(50) for place, lane in enumerate(each)
    ]
    assert [future.result(PATIENCE_S) for future in futures] == [n for n in range(50) for _ in each]
    for lane in range(3):
        assert [number for place, number in made if place == lane] == list(range(50))
    lanes.close()


def test_a_lane_that_is_busy_holds_no_other_up() -> None:
    lanes = Lanes(2)
    slow, quick = lanes.lane(), lanes.lane()
    gate = threading.Event()
    held = slow.submit(gate.wait, PATIENCE_S)
    assert quick.submit(lambda: 7).result(PATIENCE_S) == 7
    gate.set()
    assert held.result(PATIENCE_S)
    lanes.close()


def test_what_is_cancelled_before_its_turn_is_never_made() -> None:
    lanes = Lanes(1)
    lane = lanes.lane()
    gate = threading.Event()
    made: list[int] = []
    held = lane.submit(gate.wait, PATIENCE_S)
    cancelled, kept = lane.submit(made.append, 1), lane.submit(made.append, 2)
    assert cancelled.cancel()
    gate.set()
    kept.result(PATIENCE_S)
    assert held.done()
    assert made == [2]
    lanes.close()


def test_an_error_is_handed_over_and_the_lane_goes_on() -> None:
    lanes = Lanes(1)
    lane = lanes.lane()
    failing, sound = lane.submit(lambda: 1 // 0), lane.submit(lambda: 7)
    with pytest.raises(ZeroDivisionError):
        failing.result(PATIENCE_S)
    assert sound.result(PATIENCE_S) == 7
    lane.shutdown()
    with pytest.raises(RuntimeError, match="closed"):
        lane.submit(lambda: 7)
    lanes.close()
