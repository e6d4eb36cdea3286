"""Several annotators at once: as many compute as there are processors, the first to come first."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from lesslabel.annotating.processors import Processors


class Asked:
    """Threads that ask one after the other, each holding its processor until it is let go."""

    def __init__(self, processors: Processors, count: int) -> None:
        self.order: list[int] = []
        self.threads: dict[int, int] = {}
        self._let_go = [threading.Event() for _ in range(count)]
        self._workers = [threading.Thread(target=self._work, args=(processors, number)) for number in range(count)]
        for number, worker in enumerate(self._workers):
            worker.start()
            self._until(lambda number=number: number in self.order or len(processors._waiting) > number - 2)

    def finish(self, number: int) -> None:
        self._let_go[number].set()
        self._workers[number].join(10)
        assert not self._workers[number].is_alive()

    def wait_for(self, *order: int) -> None:
        self._until(lambda: len(self.order) >= len(order))
        time.sleep(0.02)  # nobody else came in
        assert self.order == list(order)

    def _work(self, processors: Processors, number: int) -> None:
        with processors.share() as threads:
            self.threads[number] = threads
            assert torch.get_num_threads() == threads
            self.order.append(number)
            self._let_go[number].wait(10)

    @staticmethod
    def _until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
def test_two_processors_serve_in_the_order_of_coming() -> None:
    asked = Asked(Processors(2), 5)
    asked.wait_for(0, 1)
    for done in range(3):
        asked.finish(done)
        asked.wait_for(*range(done + 3))
    asked.finish(3)
    asked.finish(4)


@pytest.mark.usefixtures("four_threads")
def test_one_alone_has_all_threads_and_several_share_them() -> None:
    processors = Processors(2)
    asked = Asked(processors, 3)
    asked.wait_for(0, 1)
    asked.finish(0)
    asked.wait_for(0, 1, 2)
    asked.finish(1)
    asked.finish(2)
    assert asked.threads == {0: 4, 1: 2, 2: 2}
    with processors.share() as threads:
        assert threads == 4
    assert torch.get_num_threads() == 4


def test_an_error_gives_the_processor_back() -> None:
    processors = Processors(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="model"), processors.share():
            raise ValueError("model")
    with processors.share() as threads:
        assert threads == torch.get_num_threads()
