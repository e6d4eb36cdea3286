from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade_store import SHAPE, annotated, make_case, make_store

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.store.annotation_checks import measure_disagreement
from lesslabel.data.verify.store_check import verify_store


def painted(case: Case, name: str, value: int, where: object = ...) -> Case:
    """The case with some labels replaced."""
    labels = case.annotations[name].labels.copy()
    labels[where] = value
    return annotated(case, name, labels=labels)


def imaged(case: Case, value: float, where: object = ...) -> Case:
    """The case with some voxels of the image replaced."""
    image = case.image.copy()
    image[where] = value
    return replace(case, image=image)


def turned(case: Case, row: int, values: tuple[float, ...]) -> Case:
    """The case with a row of its affine replaced."""
    affine = case.affine.copy()
    affine[row] = values
    return replace(case, affine=affine)


# what is wrong with a case before it is prepared, and the one finding that this makes
BAD_CASES: dict[str, tuple[Callable[[Case], Case], str, str]] = {
    "zero spacing": (
        lambda case: replace(case, spacing_mm=(10.0, 0.0, 1.25), affine=None),
        "error",
        "spacing is (10, 0, 1.25) mm",
    ),
    "spacing NaN": (
        lambda case: replace(case, spacing_mm=(np.nan, 1.0, 1.0), affine=None),
        "error",
        "spacing is (nan, 1, 1) mm",
    ),
    "huge spacing": (
        lambda case: replace(case, spacing_mm=(50.1, 1.0, 1.0), affine=None),
        "warning",
        "spacing is (50.1, 1, 1) mm",
    ),
    "spacing in metres": (
        lambda case: replace(case, spacing_mm=(0.01, 0.0015, 0.0015), affine=None),
        "warning",
        "spacing is (0.01, 0.0015, 0.0015) mm",
    ),
    "turned axes": (
        lambda case: replace(case, spacing_mm=(1.5, 10.0, 1.5), affine=None),
        "warning",
        "pixels are (10, 1.5) mm in the plane",
    ),
    "affine of another size": (
        lambda case: replace(case, affine=np.diag([1.25, 1.52, 10.0, 1.0])),
        "error",
        "affine has voxels of (10, 1.52, 1.25) mm, spacing is (10, 1.5, 1.25) mm",
    ),
    "affine not finite": (
        lambda case: turned(case, 1, (0.0, 1.5, 0.0, np.inf)),
        "error",
        "affine of shape (4, 4) is not 4×4 and finite",
    ),
    "affine 3×3": (
        lambda case: replace(case, affine=np.eye(3)),
        "error",
        "affine of shape (3, 3) is not 4×4 and finite",
    ),
    "affine singular": (
        lambda case: replace(case, affine=np.array([[1.25, 1.5, 0, 0], [0, 0, 0, 0], [0, 0, 10, 0], [0, 0, 0, 1.0]])),
        "error",
        "affine is singular",
    ),
    "image NaN": (
        lambda case: imaged(case, np.nan, (0, 1, 2, slice(0, 3))),
        "error",
        "channel 'image' has 3 voxels that are NaN or infinite",
    ),
    "image infinite": (
        lambda case: imaged(case, -np.inf, (0, 0, 0, 0)),
        "error",
        "channel 'image' has 1 voxels that are NaN or infinite",
    ),
    "image constant": (
        lambda case: imaged(case, 2.5),
        "warning",
        "channel 'image' is 2.5 everywhere",
    ),
    "image beyond single precision": (
        lambda case: imaged(imaged(case, -3e38, (0, 0, 0, 0)), 3e38, (0, 0, 0, 1)),
        "error",
        "channel 'image' reaches from -3e+38 to 3e+38, too far for single precision",
    ),
    "channels": (
        lambda case: replace(case, image=np.concatenate([case.image, -case.image])),
        "error",
        "2 image channels, the store has 1 (image)",
    ),
    "unknown label": (
        lambda case: painted(case, "dense", 7, (0, 0, 0)),
        "error",
        "'dense' has label 7, the store knows 1, 2, 3",
    ),
    "empty": (
        lambda case: painted(case, "scribble", IGNORE),
        "error",
        "every voxel of 'scribble' is unknown",
    ),
    "empty where it covers": (
        lambda case: annotated(painted(case, "scribble", IGNORE, 2), "scribble", covered_slices=(2,)),
        "error",
        "every voxel of 'scribble' is unknown",
    ),
    "all background": (
        lambda case: painted(painted(case, "dense", 0), "scribble", 0, (slice(None), slice(None, None, 2), 4)),
        "warning",
        "'dense' is background everywhere",
    ),
    "background and unknown": (
        lambda case: painted(
            painted(painted(case, "dense", 0), "dense", IGNORE, (1, 2)),
            "scribble",
            0,
            (slice(None), slice(None, None, 2), 4),
        ),
        "error",
        "'dense' holds nothing but 0 and 255, which is background and unknown",
    ),
    # 24 voxels of the scribble are known
    "scribble disagrees": (
        lambda case: painted(case, "scribble", 3, (1, 2, 4)),
        "warning",
        "'scribble' disagrees with 'dense' on 4.2% of its known voxels",
    ),
    "slices outside": (
        lambda case: annotated(case, "scribble", covered_slices=(-1, 1, 4)),
        "error",
        "'scribble' covers slices -1, 4, the image has 0 to 3",
    ),
    "labels outside": (
        lambda case: annotated(case, "dense", covered_labels=(1, 2, 3, 4)),
        "error",
        "'dense' covers label 4, the store knows 1, 2, 3",
    ),
    "labels not covered": (
        lambda case: annotated(case, "dense", covered_labels=(1, 2)),
        "error",
        "'dense' holds label 3, which is not in its covered labels",
    ),
    "confidence in percent": (
        lambda case: annotated(case, "dense", confidence=np.full(SHAPE, 50.0, dtype=np.float32)),
        "error",
        "confidence of 'dense' is not within [0, 1]",
    ),
    "confidence as logits": (
        lambda case: annotated(case, "dense", confidence=np.full(SHAPE, -0.1, dtype=np.float32)),
        "error",
        "confidence of 'dense' is not within [0, 1]",
    ),
    "confidence NaN": (
        lambda case: annotated(case, "dense", confidence=np.full(SHAPE, np.nan, dtype=np.float32)),
        "error",
        "confidence of 'dense' is not within [0, 1]",
    ),
    "copy of a case of the same patient": (
        lambda case: replace(case, image=make_case(2).image),
        "warning",
        "the image is that of case 'case2' of the same patient",
    ),
    "copy of a case of another patient": (
        lambda case: replace(case, image=make_case(0).image),
        "warning",
        "the image is that of case 'case0' of patient patient0",
    ),
}


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", BAD_CASES)
def test_a_bad_case_makes_one_finding(tmp_path: Path, name: str) -> None:
    damage, severity, problem = BAD_CASES[name]
    store = make_store(tmp_path / "store", [*(make_case(number) for number in range(3)), damage(make_case(3))])
    (finding,) = verify_store(store.path)
    assert (finding.case, finding.severity) == ("case3", severity)
    assert finding.problem.startswith(problem)
    assert finding.cause
    assert finding.fix


def labelled(values: list[int], kind: Kind, **coverage: tuple[int, ...]) -> Annotation:
    """Two slices of two voxels."""
    return Annotation(np.array(values, dtype=np.uint8).reshape(2, 1, 2), kind, **coverage)


@pytest.mark.parametrize(
    ("scribble", "dense", "share"),
    [
        (labelled([1, 255, 0, 2], Kind.SCRIBBLE), labelled([1, 3, 0, 2], Kind.DENSE), 0.0),
        (labelled([1, 255, 0, 2], Kind.SCRIBBLE), labelled([2, 3, 0, 2], Kind.DENSE), 1 / 3),
        (labelled([1, 1, 0, 2], Kind.SCRIBBLE), labelled([2, 255, 0, 2], Kind.DENSE), 1 / 3),
        (labelled([255] * 4, Kind.SCRIBBLE), labelled([0] * 4, Kind.DENSE), 0.0),
        # only the first slice is spoken of by both
        (labelled([1, 1, 3, 3], Kind.SCRIBBLE, covered_slices=(0,)), labelled([1, 2, 0, 0], Kind.DENSE), 0.5),
        (labelled([1, 1, 3, 3], Kind.SCRIBBLE), labelled([1, 2, 0, 0], Kind.DENSE, covered_slices=(0,)), 0.5),
        # background of a scribble that speaks of 1 alone is "not 1"
        (labelled([1, 0, 0, 0], Kind.SCRIBBLE, covered_labels=(1,)), labelled([1, 2, 3, 1], Kind.DENSE), 0.25),
        (labelled([1, 2, 3, 0], Kind.SCRIBBLE), labelled([1, 0, 0, 0], Kind.DENSE, covered_labels=(1,)), 0.0),
    ],
)
def test_disagreement_by_hand(scribble: Annotation, dense: Annotation, share: float) -> None:
    before = scribble.labels.copy(), dense.labels.copy()
    assert measure_disagreement(scribble, dense) == pytest.approx(share, abs=1e-15)
    np.testing.assert_array_equal(before, (scribble.labels, dense.labels))


def test_one_percent_of_disagreement_passes(tmp_path: Path) -> None:
    case = make_case(0)
    scribble = np.full(SHAPE, IGNORE, dtype=np.uint8)
    scribble.reshape(-1)[:300] = case.annotations["dense"].labels.reshape(-1)[:300]
    scribble.reshape(-1)[:3] = 1
    case = annotated(case, "scribble", labels=scribble)
    assert verify_store(make_store(tmp_path / "three", [case]).path) == []
    scribble.reshape(-1)[3] = 1
    assert len(verify_store(make_store(tmp_path / "four", [case]).path)) == 1
