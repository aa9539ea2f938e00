import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.api.rate import RateLimit
from imm_ray.errors import ThrottledUser


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def passes(rate: RateLimit, name: str = "a") -> bool:
    try:
        rate.take(name, "somebody")
    except ThrottledUser:
        return False
    return True


def test_a_burst_then_the_rate() -> None:
    seconds = Seconds()
    rate = RateLimit(4, 3, monotonic=seconds)
    assert [passes(rate) for _ in range(4)] == [True, True, True, False]
    assert passes(rate, "b")
    seconds.now += 0.25
    assert [passes(rate) for _ in range(2)] == [True, False]
    seconds.now += 3600
    assert [passes(rate) for _ in range(4)] == [True, True, True, False]


def test_it_tells_when_to_come_back() -> None:
    seconds = Seconds()
    rate = RateLimit(0.4, 1, monotonic=seconds)
    rate.take("a", "an access key")
    seconds.now += 0.5
    with pytest.raises(ThrottledUser, match=r"an access key may make 0\.4 requests") as caught:
        rate.take("a", "an access key")
    assert caught.value.retry_after_ms == 2000
    seconds.now += 2
    assert passes(rate)


def test_no_limit() -> None:
    rate = RateLimit(0, 1)
    assert all(passes(rate) for _ in range(1000))


def test_names_that_clients_invent_take_no_memory() -> None:
    seconds = Seconds()
    rate = RateLimit(1, 1, monotonic=seconds)
    for number in range(30_000):
        passes(rate, str(number))
    assert len(rate._buckets) == 10_000
    assert not passes(rate, "29999")


def test_threads_share_a_bucket() -> None:
    rate = RateLimit(1, 50, monotonic=Seconds())
    passed: list[bool] = []
    threads = [
        threading.Thread(target=lambda: passed.extend(passes(rate) for _ in range(25)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 50


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.lists(st.integers(0, 3000), max_size=100),
)
def test_no_more_than_burst_and_rate_pass_in_any_time(
    per_second: int, burst: int, waits_ms: list[int]
) -> None:
    seconds = Seconds()
    rate = RateLimit(per_second, burst, monotonic=seconds)
    passed: list[float] = []
    for wait in waits_ms:
        seconds.now += wait / 1000
        if passes(rate):
            passed.append(seconds.now)
    for first, begun in enumerate(passed):
        for last in range(first, len(passed)):
            allowed = burst + (passed[last] - begun) * per_second
            assert last - first + 1 <= allowed + 1e-6
