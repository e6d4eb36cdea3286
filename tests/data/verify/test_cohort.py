"""Cases that look otherwise than the rest of their store are named, with the numbers and what to do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade_store import Handmade, make_case, make_store

from lesslabel.cli import main
from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.geometry import axis_codes, plane_of, possible_axis_codes, scanner_axes
from lesslabel.data.store.prepare import prepare
from lesslabel.data.verify.cohort import check_cohort, measure_case
from lesslabel.data.verify.propose import propose_config
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import ConfigError

RNG = np.random.default_rng(0)
AXIAL = np.diag([1.25, 1.5, 10.0, 1.0])
CORONAL = np.array([[1.25, 0, 0, 0], [0, 0, 10.0, 0], [0, 1.5, 0, 0], [0, 0, 0, 1]])
MIRRORED = np.diag([-1.25, -1.5, 10.0, 1.0])


def problems(cases: list[Case], channels: tuple[str, ...] = ("image",)) -> list[str]:
    findings = list(check_cohort([measure_case(case) for case in cases], channels))
    assert all(finding.severity == "warning" and finding.fix and finding.cause for finding in findings)
    return [f"{finding.case}: {finding.problem}" for finding in findings]


def cohort(count: int = 6) -> list[Case]:
    return [make_case(number) for number in range(count)]


def changed(number: int, **changes: object) -> list[Case]:
    """A cohort one of whose cases is otherwise."""
    cases = cohort()
    cases[number] = replace(cases[number], **changes)
    return cases


@pytest.mark.parametrize(
    ("affine", "codes", "plane"),
    [
        (AXIAL, "SAR", "axial"),
        (CORONAL, "ASR", "coronal"),
        (MIRRORED, "SPL", "axial"),
        (np.array([[0, 0, 3.0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]), "RSA", "sagittal"),
        (np.array([[1, 0.4, 0, 0], [-0.4, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]]), "IAR", "axial"),
    ],
)
def test_codes_are_those_of_the_axes(affine: np.ndarray, codes: str, plane: str) -> None:
    assert (axis_codes(affine), plane_of(codes)) == (codes, plane)
    import nibabel

    assert "".join(nibabel.aff2axcodes(affine)) == codes[::-1]


def tilted(degrees: float) -> np.ndarray:
    """Axial slices turned about the axis from left to right; at 90° they are coronal."""
    affine = np.eye(4)
    turn = np.deg2rad(degrees)
    affine[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    return affine


def test_oblique_slices_have_two_names() -> None:
    assert possible_axis_codes(tilted(0)) == possible_axis_codes(tilted(20)) == ("SAR",)
    assert possible_axis_codes(tilted(44)) == ("SAR", "PSR")
    assert possible_axis_codes(tilted(46)) == ("PSR", "SAR")
    assert possible_axis_codes(tilted(90)) == ("PSR",)
    assert possible_axis_codes(None) == possible_axis_codes(np.zeros((4, 4))) == ()


def test_oblique_slices_on_both_sides_of_45_degrees_are_alike() -> None:
    cases = [replace(case, affine=tilted(41 + 2 * number)) for number, case in enumerate(cohort())]
    assert len({axis_codes(case.affine) for case in cases}) == 2
    assert problems(cases) == []
    (said,) = problems([*cases, replace(cases[2], affine=MIRRORED)])
    assert "run to SPL (axial slices) in 1 case (case2)" in said


def test_codes_without_a_place() -> None:
    assert axis_codes(None) == axis_codes(np.zeros((4, 4))) == axis_codes(np.full((4, 4), np.nan)) == ""
    assert plane_of("") == "unknown"
    assert scanner_axes("IPL") == scanner_axes("SAR") == "SAR"


def test_cases_alike_pass() -> None:
    assert problems(cohort()) == []
    assert problems(cohort(1)) == []
    assert problems([]) == []


def test_names_that_differ_in_capitals_alone_are_named() -> None:
    cases = cohort()
    cases[1] = replace(cases[1], uid=cases[0].uid.upper())
    assert problems(cases) == [f"{cases[1].uid}: '{cases[0].uid}' and '{cases[1].uid}' differ in capitals alone"]


def test_another_plane_is_named() -> None:
    (said,) = problems(changed(2, affine=CORONAL))
    assert said.startswith("case2: axes (z, y, x) run to ASR (coronal slices) in 1 case (case2), to SAR (axial slices)")
    assert "in 5 of 6 cases" in said


def test_a_mirrored_case_is_named() -> None:
    (said,) = problems(changed(2, affine=MIRRORED))
    assert "run to SPL (axial slices) in 1 case (case2), to SAR" in said


def test_cases_without_a_place_are_not_compared() -> None:
    assert problems(changed(2, affine=None)) == []


@pytest.mark.parametrize(
    ("spacing_mm", "said"),
    [
        ((10.0, 0.3, 0.25), "spacing along y is 0.3 mm in 1 case (case2), 1.5 mm in a typical case"),
        ((1.0, 1.5, 1.25), "spacing along z is 1 mm in 1 case (case2), 10 mm in a typical case"),
        ((1e4, 1500.0, 1250.0), "spacing along x is 1250 mm"),
    ],
)
def test_another_spacing_is_named(spacing_mm: tuple[float, float, float], said: str) -> None:
    assert said in "\n".join(problems(changed(2, spacing_mm=spacing_mm)))


def test_half_of_the_cases_is_named_too() -> None:
    cases = [replace(case, spacing_mm=(3.0, 3.0, 3.0) if n % 2 else (1.0, 1.0, 1.0)) for n, case in enumerate(cohort())]
    said = problems(cases)
    assert len(said) == 3
    assert all("in 3 cases (case1, case3, case5), 1 mm in a typical case" in line for line in said)


def scan(number: int, low: float, high: float, channels: int = 1) -> Case:
    rng = np.random.default_rng(number)
    image = rng.uniform(low, high, (channels, 4, 12, 10)).astype(np.float32)
    return replace(make_case(number), image=image)


@pytest.mark.parametrize(
    ("odd", "others", "said"),
    [
        ((0, 1), (0, 4095), "normalised or rescaled"),
        ((0, 4095), (0, 1), "normalised or rescaled"),
        ((0, 255), (0, 4095), "normalised or rescaled"),
        ((0, 3000), (-1024, 2000), "shifted by 1024"),
        ((-1024, 2000), (0, 3000), "shifted by 1024"),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_another_scale_is_named(odd: tuple[int, int], others: tuple[int, int], said: str, count: int) -> None:
    cases = [scan(number, *(odd if number < count else others)) for number in range(6)]
    (finding,) = check_cohort([measure_case(case) for case in cases], ["CT"])
    assert said in finding.cause
    assert "channel 'CT' goes from" in finding.problem
    assert "case" in finding.problem


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_scanners_may_differ_somewhat(factor: float) -> None:
    assert problems([scan(number, 0, 1000 * (factor if number == 1 else 1)) for number in range(6)]) == []


def weighted(number: int, order: tuple[int, ...], factor: float = 1.0) -> Case:
    rng = np.random.default_rng(number)
    image = np.stack([rng.normal(mean, 20, (4, 12, 10)) for mean in (900, 300, 100)])[list(order)]
    return replace(make_case(number), image=(factor * image).astype(np.float32))


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (2, 0, 1)])
def test_channels_in_another_order_are_named(order: tuple[int, ...]) -> None:
    cases = [weighted(number, order if number == 3 else (0, 1, 2), 1 + number / 10) for number in range(6)]
    (said,) = problems(cases, ("T1", "T2", "FLAIR"))
    like = ", ".join(("T1", "T2", "FLAIR")[place] for place in order)
    assert said == f"case3: channels T1, T2, FLAIR look like {like} of the other cases in 1 case (case3)"


def test_channels_alike_are_not_told_apart() -> None:
    cases = [scan(number, 0, 100, channels=3) for number in range(6)]
    assert problems(cases, ("a", "b", "c")) == []


def test_verify_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_store(tmp_path / "store", changed(2, affine=CORONAL, spacing_mm=(10.0, 1.5, 1.25)))
    (finding,) = [finding for finding in verify_store(store.path) if "axes" in finding.problem]
    assert finding.case == "case2"
    assert main(["verify", str(store.path), "--workers", "0"]) == 0
    assert "coronal" in capsys.readouterr().out


def test_a_damaged_case_is_not_compared(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", changed(2, affine=CORONAL))
    store.case_path("case2").write_bytes(b"")
    assert not [finding for finding in verify_store(store.path) if "axes" in finding.problem]


def volumes(codes_of: dict[int, np.ndarray]) -> list[Case]:
    """Volumes of 24 slices, as many as a split needs."""
    cases = []
    for number in range(8):
        labels = np.zeros((24, 32, 32), dtype=np.uint8)
        labels[8:16, 8:16, 8:16] = 1
        image = RNG.normal(size=(1, *labels.shape)).astype(np.float32)
        names = {"uid": f"c{number}", "patient": f"p{number}", "group": ""}
        annotations = {"dense": Annotation(labels, Kind.DENSE)}
        affine, sides = codes_of.get(number, np.eye(4)), (1.0, 1.0, 1.0)
        case = make_case(number)
        cases.append(replace(case, **names, image=image, affine=affine, spacing_mm=sides, annotations=annotations))
    return cases


def test_no_median_is_taken_over_different_axes(tmp_path: Path) -> None:
    coronal = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    mirrored = np.diag([-1.0, -1.0, 1.0, 1.0])
    mixed, _ = prepare(Handmade(volumes(dict.fromkeys(range(4), coronal))), tmp_path / "mixed")
    with pytest.raises(ConfigError, match=r"run otherwise than those of the other .* bring all images to one"):
        propose_config(mixed, tmp_path / "a.yaml")
    assert not (tmp_path / "a.yaml").exists()
    turned, _ = prepare(Handmade(volumes(dict.fromkeys(range(4), mirrored))), tmp_path / "turned")
    propose_config(turned, tmp_path / "b.yaml")  # the axes are the same, a median is one


def test_slices_of_another_plane_are_named_though_their_pixels_are_long(tmp_path: Path) -> None:
    """A sagittal array of an axial scan: long pixels are not all there is to say, since its header is right."""
    affine = np.array([[0, 0, 1.25, 0], [0, 1.5, 0, 0], [10.0, 0, 0, 0], [0, 0, 0, 1.0]])
    cases = changed(1, affine=affine, spacing_mm=(1.25, 1.5, 10.0))
    found = [finding.problem for finding in verify_store(make_store(tmp_path / "store", cases).path)]
    assert any(problem.startswith("pixels are (1.5, 10) mm in the plane") for problem in found)
    assert any("slices) in 1 case (case1)" in problem and problem.startswith("axes (z, y, x)") for problem in found)
    assert not any(problem.startswith("spacing along") for problem in found)
