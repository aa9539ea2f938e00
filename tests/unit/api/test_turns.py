"""Reads of one account take turns and leave the threads to the others."""

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from functools import partial

import pytest

from imm_ray.api.turns import THREADS, Turns
from imm_ray.errors import ServiceUnavailable, ThrottledUser


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def test_an_account_has_some_at_once_the_rest_wait_and_more_are_refused(
    gate: threading.Event,
) -> None:
    turns = Turns(2, 3)
    begun = threading.Semaphore(0)
    lock, together, most = threading.Lock(), 0, 0

    def run() -> str:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        begun.release()
        gate.wait()
        with lock:
            together -= 1
        return "read"

    reads = [turns.submit("a", run) for _ in range(5)]
    for _ in range(2):
        begun.acquire()
    with pytest.raises(ThrottledUser, match="2 queries run at once and 3 may wait") as caught:
        turns.submit("a", run)
    assert caught.value.retry_after_ms > 0
    assert turns.submit("b", lambda: "other").result() == "other"
    assert not any(read.done() for read in reads)
    gate.set()
    assert [read.result() for read in reads] == ["read"] * 5
    assert most == 2
    assert turns.submit("a", lambda: "again").result() == "again"
    turns.close()


def test_one_that_nobody_waits_for_is_not_run_and_takes_no_place(gate: threading.Event) -> None:
    turns = Turns(1, 2)
    run: list[str] = []
    held = turns.submit("a", gate.wait)
    gone = [turns.submit("a", lambda: run.append("gone")) for _ in range(2)]
    for read in gone:
        assert read.cancel()
    wanted = turns.submit("a", lambda: run.append("wanted"))
    gate.set()
    held.result()
    wanted.result()
    turns.close()
    assert run == ["wanted"]


def test_a_read_that_fails_gives_its_turn_on(gate: threading.Event) -> None:
    turns = Turns(1, 1)

    def fail() -> None:
        gate.wait()
        raise ZeroDivisionError

    failing = turns.submit("a", fail)
    following = turns.submit("a", lambda: "read")
    gate.set()
    with pytest.raises(ZeroDivisionError):
        failing.result()
    assert following.result() == "read"
    turns.close()


def test_close_ends_what_runs_and_cancels_what_waits(gate: threading.Event) -> None:
    turns = Turns(1, 1)
    running = turns.submit("a", gate.wait)
    waiting = turns.submit("a", lambda: True)
    closing = threading.Thread(target=turns.close)
    closing.start()
    with pytest.raises(CancelledError):
        waiting.result()
    with pytest.raises(ServiceUnavailable):
        turns.submit("a", lambda: True)
    gate.set()
    closing.join()
    assert running.result()


def test_an_account_with_much_to_read_does_not_keep_the_threads(gate: threading.Event) -> None:
    """There are more accounts than threads: one that waits comes before the next of another."""
    turns = Turns(1, 2)
    begun, late = threading.Semaphore(0), threading.Event()

    def first() -> None:
        begun.release()
        gate.wait()

    busy = [f"busy {number}" for number in range(THREADS)]
    for account in busy:
        turns.submit(account, first)
    for _ in busy:
        begun.acquire()
    following = [turns.submit(account, lambda: late.wait(10)) for account in busy]
    turns.submit("late", late.set)
    gate.set()
    assert all(read.result() for read in following)
    turns.close()


def test_the_reads_of_an_account_run_in_their_order(gate: threading.Event) -> None:
    turns = Turns(1, 3)
    order: list[str] = []
    turns.submit("a", gate.wait)
    reads = [turns.submit("a", partial(order.append, name)) for name in "xyz"]
    gate.set()
    for read in reads:
        read.result()
    turns.close()
    assert order == ["x", "y", "z"]


def test_one_that_nobody_waits_for_is_not_run_though_there_was_room(gate: threading.Event) -> None:
    turns = Turns(1, 9)
    run: list[str] = []
    turns.submit("a", gate.wait)
    gone = turns.submit("a", lambda: run.append("gone"))
    wanted = turns.submit("a", lambda: run.append("wanted"))
    assert gone.cancel()
    gate.set()
    wanted.result()
    turns.close()
    assert run == ["wanted"]
