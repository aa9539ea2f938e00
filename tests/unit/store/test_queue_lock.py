import threading

from imm_ray.store.queue_lock import QueueLock

PATIENCE_S = 30.0


def test_the_lock_is_had_in_the_order_in_which_it_was_asked_for() -> None:
    lock, had = QueueLock(), list[int]()
    assert lock.acquire(0)
    assert not lock.acquire(0)
    threads = []

    def wait(number: int) -> None:
        assert lock.acquire(PATIENCE_S)
        had.append(number)
        lock.release()

    for number in range(5):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        while len(lock._waiting) <= number:
            pass
    lock.release()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert had == list(range(5))
    assert lock.acquire(0)
