"""Hundreds of wrecks of HDF5 files, stores and JSON lists: each is refused in one line, found, or harmless."""

import resource
import shutil
import signal
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from damaged_containers import CONTAINERS, Wreck, wrecks
from test_readers_fuzz import LONGEST_SECONDS, PEAK_BYTES, findings, same

from lesslabel.data.case import Case
from lesslabel.data.sources import ACDC, LA, MSD, Datalist, NNUNet, Source
from lesslabel.data.store import Store
from lesslabel.data.verify.fix import fix_store
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import LesslabelError

CODES = (1, 2, 3)
GOOD = ("refused", "flagged", "unchanged")


def read_all(container: str, folder: Path) -> list[Case]:
    """Every case, as `prepare` or `fit` would have it."""
    if container == "store":
        store = Store(folder / "store")
        return [store.read(uid) for uid in store.records]
    raw = folder / "dataset.json" if container == "datalist" else folder
    sources: dict[str, type[Source]] = {"acdc": ACDC, "la": LA, "msd": MSD, "nnunet": NNUNet, "datalist": Datalist}
    source = sources[container](raw)
    return [source.read(case) for case in source.list_cases()]


def read_parts(folder: Path) -> None:
    """What a training that reads in parts asks of the store: all that the table says is there."""
    store = Store(folder / "store")
    for record in store.records.values():
        box = (slice(0, record.depth), slice(0, record.height), slice(0, record.width))
        part = store.read_subvolume(record.uid, box, record.annotation_names)
        assert part.shape == (record.depth, record.height, record.width)
        for name in record.annotation_names:
            store.covered_slices(record.uid, name)


def refusal(error: LesslabelError) -> str:
    return "refused" if "\n" not in str(error) and len(str(error)) < 1000 else f"refused badly: {error}"


def outcome(wreck: Wreck, folder: Path, sound: list[Case]) -> str:
    wreck.write(folder)
    found = ""
    if wreck.container == "store":
        try:
            found = "flagged" if any(one.severity == "error" for one in verify_store(folder / "store")) else ""
            fix_store(folder / "store")
        except LesslabelError as error:
            return refusal(error)
        try:
            read_parts(folder)
        except LesslabelError as error:
            return found or refusal(error)
    try:
        cases = read_all(wreck.container, folder)
    except LesslabelError as error:
        return found or refusal(error)
    if found or any(finding for case in cases if "dense" in case.annotations for finding in findings(case, CODES)):
        return "flagged"
    alike = len(cases) == len(sound) and all(
        one.uid == other.uid and one.annotations.keys() == other.annotations.keys() and same(one, other)
        for one, other in zip(cases, sound, strict=True)
    )
    return "unchanged" if alike else "silently wrong"


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """Stop a block that has taken so much time of the processor; a busy machine takes longer, and nothing is wrong."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("container", CONTAINERS)
def test_no_wreck_is_a_crash_a_hang_a_flood_or_silently_wrong(container: str, tmp_path: Path) -> None:
    Wreck(container, "none", 0).write(tmp_path / "sound")
    sound = read_all(container, tmp_path / "sound")
    wrong = []
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    for index, wreck in enumerate(one for one in wrecks() if one.container == container):
        tracemalloc.reset_peak()
        start = time.process_time()
        try:
            with no_longer_than(LONGEST_SECONDS):
                found = outcome(wreck, tmp_path / str(index), sound)
        except Exception as error:  # any that is none of ours is what is looked for
            found = f"{type(error).__name__}: {str(error)[:200]}"
        peak, seconds = tracemalloc.get_traced_memory()[1], time.process_time() - start
        if found not in GOOD or peak > PEAK_BYTES or seconds > LONGEST_SECONDS:
            wrong.append((wreck, found, peak, seconds))
    tracemalloc.stop()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert not wrong, "\n".join(map(str, wrong))
    assert grown_kib < 200 * 1024


def test_the_corpus_is_large_and_the_same_every_time(tmp_path: Path) -> None:
    everything = list(wrecks())
    assert len(everything) >= 300
    for wreck in everything[::40]:
        contents = []
        for _ in range(2):
            wreck.write(tmp_path / "wreck")
            files = sorted(path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".json", ".csv"))
            contents.append([file.read_bytes() for file in files])
            shutil.rmtree(tmp_path / "wreck")
        assert contents[0] == contents[1]
