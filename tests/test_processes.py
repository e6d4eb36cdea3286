import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lesslabel import processes
from lesslabel.errors import ConfigError, DataError
from lesslabel.processes import share_out, usable_cores

ORPHANS = """
import os, sys, time
from lesslabel.processes import worker_pool
if __name__ == "__main__":
    with worker_pool(1, "store") as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(60)
"""


def where_and_threads(item: int) -> tuple[int, int, str | None]:
    return item, os.getpid(), os.environ.get("OMP_NUM_THREADS")


def refuse_the_third(item: int) -> int:
    if item == 3:
        raise DataError("case3.nii.gz: cut short; copy it again")
    return item


def end_abruptly(_item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [0, 1, None])
def test_little_work_starts_no_process(workers: int | None) -> None:
    assert {process for _, process, _ in share_out(where_and_threads, range(5), workers, "store")} == {os.getpid()}


def test_one_item_starts_no_process() -> None:
    ((_, process, _),) = share_out(where_and_threads, [1], 8, "store")
    assert process == os.getpid()


def test_workers_keep_the_order_and_have_one_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    results = list(share_out(where_and_threads, range(6), 2, "store"))
    assert [item for item, _, _ in results] == list(range(6))
    assert os.getpid() not in {process for _, process, _ in results}
    assert {threads for _, _, threads in results} == {"1"}


def test_by_default_what_a_second_did_not_do_is_shared_among_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_ALONE_SECONDS", 0.0)
    monkeypatch.setattr(processes, "usable_cores", lambda: 2)
    assert os.getpid() not in {process for _, process, _ in share_out(where_and_threads, range(4), None, "store")}
    monkeypatch.setattr(processes, "usable_cores", lambda: 1)
    assert {process for _, process, _ in share_out(where_and_threads, range(4), None, "store")} == {os.getpid()}


def test_cores_are_those_that_this_process_may_use() -> None:
    assert usable_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_arrives_as_the_one_line_it_is_after_what_came_before(workers: int) -> None:
    results = share_out(refuse_the_third, range(6), workers, "store")
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError) as caught:
        next(results)
    assert str(caught.value) == "case3.nii.gz: cut short; copy it again"


def test_a_killed_process_is_said_in_one_line() -> None:
    with pytest.raises(DataError, match=r"^store: a process that worked on it was killed; use fewer workers$"):
        list(share_out(end_abruptly, range(3), 2, "store"))


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="workers: -1; pass 0"):
        list(share_out(refuse_the_third, [1], -1, "store"))


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(ORPHANS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(processes.__file__).parents[1])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
        for _ in range(2400):  # two minutes: it is at once, unless the machine is busy
            if not Path(f"/proc/{worker}").exists() or _is_zombie(worker):
                return
            time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its parent")


def _is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
