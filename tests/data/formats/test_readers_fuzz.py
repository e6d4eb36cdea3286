"""Hundreds of damaged files: each ends in one line that names the file, in a finding, or in the very same case.

A silently wrong volume is one that differs from the sound one although no check says so.
"""

import resource
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damaged_files import DAMAGES, FORMATS, Damaged, corpus

from lesslabel.data.case import Case
from lesslabel.data.sources.folder import Folder
from lesslabel.data.store.annotation_checks import check_annotation
from lesslabel.data.verify.case_checks import check_affine, check_image, check_spacing
from lesslabel.errors import ConfigError, DataError

LABELS = "1=RV,2=Myo"
PEAK_BYTES = 16 * 2**20
"""Far more than a case of 720 voxels needs, far less than what a huge header declares."""
LONGEST_SECONDS = 10.0
"""Of the processor: a busy machine takes longer, and nothing is wrong."""
"""A hang, even on a machine that does other work."""


def read(folder: Path, image: Path, label: Path) -> Case:
    table = folder / "table.csv"
    table.write_text(f"case,image,label\none,{image},{label}\n", encoding="utf-8")
    source = Folder(table, labels=LABELS)
    return source.read(source.list_cases()[0])


def findings(case: Case, codes: tuple[int, ...] = (1, 2)) -> Iterator[object]:
    yield from check_spacing(case)
    yield from check_affine(case)
    yield from check_image(case, ["image"])
    yield from check_annotation(case, "dense", codes)


def same(case: Case, sound: Case) -> bool:
    return (
        case.image.shape == sound.image.shape
        and np.array_equal(case.image, sound.image)
        and np.array_equal(case.annotations["dense"].labels, sound.annotations["dense"].labels)
        and np.allclose(case.spacing_mm, sound.spacing_mm, rtol=0.01)
        and (case.affine is None) == (sound.affine is None)
        # a tenth of a voxel is 0.3 to 1 mm
        and (case.affine is None or np.allclose(case.affine, sound.affine, rtol=0.01, atol=1.0))
    )


def outcome(folder: Path, damaged: Damaged, sound: Case) -> str:
    image, label = damaged.write(folder)
    message = ""
    try:
        case = read(folder, image, label)
    except ConfigError as error:  # LABELS name a segment that is not there any more
        return "refused" if "no label file has a segment" in str(error) else f"refused badly: {error}"
    except DataError as error:
        message = str(error)
    if message:
        return "refused" if "\n" not in message and str(folder) in message else f"refused badly: {message}"
    if same(case, sound):
        return "unchanged"
    return "flagged" if any(findings(case)) else "silently wrong"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    cases = {}
    for name in FORMATS:
        folder = tmp_path_factory.mktemp(name)
        untouched = Damaged(name, "none", 0, "neither")
        cases[name] = read(folder, *untouched.write(folder))
        assert not list(findings(cases[name]))
    return cases


@pytest.mark.parametrize("name", FORMATS)
def test_no_damage_is_a_crash_a_hang_a_flood_or_a_silently_wrong_volume(
    name: str, sound: dict[str, Case], tmp_path: Path
) -> None:
    wrong = []
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    for index, damaged in enumerate(case for case in corpus() if case.format == name):
        tracemalloc.reset_peak()
        start = time.process_time()
        found = outcome(tmp_path / str(index), damaged, sound[name])
        peak, seconds = tracemalloc.get_traced_memory()[1], time.process_time() - start
        if found not in ("refused", "flagged", "unchanged") or peak > PEAK_BYTES or seconds > LONGEST_SECONDS:
            wrong.append((damaged, found, peak, seconds))
    tracemalloc.stop()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert not wrong
    assert grown_kib < 200 * 1024  # what compiled libraries take is not traced


@pytest.mark.parametrize("kind", ["wrong magic", "noise", "empty", "zeros"])
def test_what_is_no_file_of_its_format_is_refused(kind: str, sound: dict[str, Case], tmp_path: Path) -> None:
    for index, damaged in enumerate(case for case in corpus() if case.kind == kind):
        assert outcome(tmp_path / str(index), damaged, sound[damaged.format]) == "refused", damaged


def test_voxels_that_are_no_numbers_are_flagged_in_an_image_and_refused_in_a_label_map(
    sound: dict[str, Case], tmp_path: Path
) -> None:
    for index, damaged in enumerate(case for case in corpus() if case.kind == "voxels not a number"):
        expected = "flagged" if damaged.role == "image" else "refused"
        assert outcome(tmp_path / str(index), damaged, sound[damaged.format]) == expected, damaged


def test_an_oblique_pair_is_flagged(sound: dict[str, Case]) -> None:
    """Where image and label map agree on it, the affine alone tells."""
    affine = sound["nii"].affine.copy()
    affine[:3, 2] += 0.05 * affine[:3, 0]  # 0.15 mm over 10 mm: arctan 0.015
    (found,) = check_affine(replace(sound["nii"], affine=affine))
    assert found.severity == "warning"
    assert "0.9 degrees off a right angle" in found.problem


def test_the_corpus_is_large_and_the_same_every_time(tmp_path: Path) -> None:
    cases = list(corpus())
    assert len(cases) >= 300
    assert {case.format for case in cases} == set(DAMAGES) == set(FORMATS)
    first, again = cases[7].write(tmp_path / "a"), cases[7].write(tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
