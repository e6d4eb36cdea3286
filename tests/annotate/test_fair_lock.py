"""The lock in front of a model: one at a time, first come first served."""

import threading
import time

import pytest

from lesslabel.annotating.fair_lock import FairLock


def waiting(lock: FairLock, count: int) -> None:
    until = time.monotonic() + 60
    while len(lock._waiting) < count:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_threads_are_served_in_the_order_in_which_they_came() -> None:
    lock, served = FairLock(), []

    def work(number: int) -> None:
        with lock:
            served.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    with lock:
        for number, thread in enumerate(threads):
            thread.start()
            waiting(lock, number + 1)
        assert not served
    for thread in threads:
        thread.join()
    assert served == list(range(8))


def test_who_lets_go_and_comes_again_waits_behind_the_others() -> None:
    lock, served = FairLock(), list[str]()

    def wait_once() -> None:
        with lock:
            served.append("waiting")

    for _ in range(200):  # an ordinary lock is mostly taken again before the other thread wakes up
        served.clear()
        with lock:
            other = threading.Thread(target=wait_once)
            other.start()
            waiting(lock, 1)
        with lock:
            served.append("again")
        other.join(60)
        assert not other.is_alive()
        assert served == ["waiting", "again"]


def test_only_one_is_inside() -> None:
    lock, inside, most = FairLock(), [0], [0]

    def work() -> None:
        for _ in range(50):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert most == [1]


def test_an_error_hands_it_on() -> None:
    lock, served = FairLock(), threading.Event()
    other = threading.Thread(target=lambda: (lock.__enter__(), served.set(), lock.__exit__(None, None, None)))

    def fail() -> None:
        with lock:
            other.start()
            waiting(lock, 1)
            raise ValueError("the model failed")

    with pytest.raises(ValueError, match="the model failed"):
        fail()
    other.join()
    assert served.is_set()
    with lock:
        pass
