from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from handmade_store import make_case
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.store.case_file import content_hash, read_case, read_covered_slices, read_subvolume, write_case
from lesslabel.errors import DataError

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
TEXTS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=12)
# the characters that are escaped, and what escaping them makes
NAMES = st.text("/%25Fa. é", min_size=1, max_size=8).filter(lambda name: name != ".")
COVERED = st.none() | st.lists(st.integers(0, 300), max_size=4).map(tuple)


@st.composite
def annotations(draw: st.DrawFn, grid: tuple[int, ...]) -> Annotation:
    unit = st.floats(0.0, 1.0, width=32)
    return Annotation(
        labels=draw(arrays.arrays(np.uint8, grid)),
        kind=draw(st.sampled_from(Kind)),
        author=draw(TEXTS),
        time=draw(TEXTS),
        covered_labels=draw(COVERED),
        covered_slices=draw(COVERED),
        confidence=draw(st.none() | arrays.arrays(np.float32, grid, elements=unit)),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shape = draw(SHAPES)
    side = st.floats(0.1, 100.0)
    return Case(
        uid=draw(TEXTS.filter(bool)),
        patient=draw(TEXTS),
        image=draw(arrays.arrays(np.float32, shape)),
        spacing_mm=(draw(side), draw(side), draw(side)),
        affine=draw(st.none() | arrays.arrays(np.float64, (4, 4), elements=st.floats(-1e3, 1e3))),
        centre=draw(TEXTS),
        modality=draw(TEXTS),
        group=draw(TEXTS),
        annotations=draw(st.dictionaries(NAMES, annotations(shape[1:]), max_size=3)),
    )


def assert_equal(first: object, second: object) -> None:
    for key, value in vars(first).items():
        other = vars(second)[key]
        if isinstance(value, np.ndarray):
            assert value.dtype == other.dtype, key
            np.testing.assert_array_equal(value, other, err_msg=key, strict=True)
        elif isinstance(value, dict):
            assert value.keys() == other.keys()
            for name in value:
                assert_equal(value[name], other[name])
        else:
            assert value == other, key


@given(case=cases())
@settings(max_examples=150)
def test_read_case_returns_what_was_written(case: Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("case") / "case.h5"
    sha256 = write_case(path, case)
    found = read_case(path)
    assert_equal(case, found)
    assert sha256 == content_hash(found)
    for name, annotation in case.annotations.items():
        assert read_covered_slices(path, name) == annotation.covered_slices


def test_file_is_laid_out_as_documented(tmp_path: Path) -> None:
    path = tmp_path / "case.h5"
    case = make_case(0)
    write_case(path, replace(case, annotations={"pseudo/run%1": case.annotations["scribble"]}))
    with h5py.File(path) as file:
        assert list(file["annotations"]) == ["pseudo%2Frun%251"]
        assert file["image"].dtype == np.float32
        assert file["image"].chunks == (1, 4, 12, 10)
        assert file["annotations/pseudo%2Frun%251"].attrs["kind"] == b"scribble"
        np.testing.assert_array_equal(file.attrs["spacing_mm"], case.spacing_mm)


@pytest.mark.parametrize("change", ["none", "half", "too large", "negative zero", "not a number", "infinite"])
def test_whole_numbers_are_kept_in_half_the_space_and_to_the_last_bit(tmp_path: Path, change: str) -> None:
    path, case = tmp_path / "case.h5", make_case(0)
    image = np.random.default_rng(0).integers(-1024, 3072, case.image.shape).astype(np.float32)
    changed = {"half": 0.5, "too large": 40_000.0, "negative zero": -0.0, "not a number": np.nan, "infinite": np.inf}
    if change in changed:
        image[0, 1, 2, 3] = changed[change]
    sha256 = write_case(path, replace(case, image=image))
    with h5py.File(path) as file:
        assert file["image"].dtype == (np.int16 if change == "none" else np.float32)
    found = read_case(path)
    assert found.image.dtype == np.float32
    assert found.image.tobytes() == image.tobytes()
    assert content_hash(found) == sha256
    box = (slice(1, 3), slice(2, 9), slice(0, 5))
    assert read_subvolume(path, box, []).image.tobytes() == np.ascontiguousarray(image[(..., *box)]).tobytes()


def test_files_in_chunks_of_a_slice_are_read_as_well(tmp_path: Path) -> None:
    """As they were written before a patch was read without its case."""
    path, case = tmp_path / "case.h5", make_case(0)
    write_case(path, case)
    with h5py.File(path, "r+") as file:
        for name in ("image", "annotations/dense/labels", "annotations/scribble/labels"):
            array = file[name][()]
            del file[name]
            chunks = (*(1,) * (array.ndim - 2), *array.shape[-2:])
            file.create_dataset(name, data=array, chunks=chunks, compression="lzf", fletcher32=True)
    assert content_hash(read_case(path)) == content_hash(case)
    box = (slice(1, 3), slice(2, 7), slice(3, 9))
    np.testing.assert_array_equal(read_subvolume(path, box, ["dense"]).image, case.image[:, 1:3, 2:7, 3:9])


@pytest.mark.parametrize(
    "change",
    [
        lambda case: replace(case, image=case.image + 1.0),
        lambda case: replace(case, image=case.image.reshape(1, 4, 10, 12), annotations={}),
        lambda case: replace(case, spacing_mm=(10.0, 1.5, 1.2501)),
        lambda case: replace(case, affine=None),
        lambda case: replace(case, affine=case.affine + 1.0),
        lambda case: replace(case, annotations={"dense": case.annotations["dense"]}),
        lambda case: replace(case, annotations={**case.annotations, "dense": case.annotations["scribble"]}),
    ],
    ids=["voxels", "shape", "spacing", "no affine", "affine", "annotation left out", "labels"],
)
def test_content_hash_sees_every_change(change) -> None:
    assert content_hash(make_case(0)) != content_hash(change(make_case(0)))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": Kind.POINTS},
        {"covered_labels": (1,)},
        {"covered_slices": (1,)},
        {"confidence": np.ones((4, 12, 10), dtype=np.float32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_content_hash_sees_every_field_of_an_annotation(change: dict) -> None:
    case = make_case(0)
    changed = replace(case.annotations["dense"], **change)
    assert content_hash(case) != content_hash(replace(case, annotations={**case.annotations, "dense": changed}))


def test_content_hash_ignores_the_order_of_annotations_and_their_author() -> None:
    case = make_case(0)
    turned = dict(reversed(case.annotations.items()))
    turned["dense"] = replace(turned["dense"], author="someone", time="2024-01-01")
    assert content_hash(case) == content_hash(replace(case, annotations=turned))


@pytest.mark.parametrize("name", ["", ".", "a|b", "a\nb", "a\0b"])
def test_write_case_refuses_an_annotation_name_that_cannot_be_kept(name: str, tmp_path: Path) -> None:
    case = make_case(0)
    with pytest.raises(DataError, match="case case0: an annotation cannot be named"):
        write_case(tmp_path / "case.h5", replace(case, annotations={name: case.annotations["dense"]}))
    assert not list(tmp_path.iterdir())


def test_write_case_refuses_labels_that_do_not_fit(tmp_path: Path) -> None:
    case = make_case(0)
    labels = case.annotations["dense"].labels.astype(np.int64) + 300
    with pytest.raises(DataError, match="annotation 'dense' is int64; label maps are uint8"):
        write_case(tmp_path / "case.h5", replace(case, annotations={"dense": Annotation(labels, Kind.DENSE)}))
    assert not list(tmp_path.iterdir())


def test_case_refuses_grids_that_differ() -> None:
    case = make_case(0)
    small = Annotation(np.zeros((4, 12, 9), dtype=np.uint8), Kind.DENSE)
    with pytest.raises(DataError, match=r"annotation 'dense' has shape \(4, 12, 9\)"):
        replace(case, annotations={"dense": small})
    unsure = replace(case.annotations["dense"], confidence=np.ones((4, 12, 9), dtype=np.float32))
    with pytest.raises(DataError, match="confidence of annotation 'dense' has shape"):
        replace(case, annotations={"dense": unsure})
    with pytest.raises(DataError, match="image must be"):
        replace(case, image=case.image[0])


def _write_float_labels(file: h5py.File) -> None:
    del file["annotations/dense/labels"]
    file.create_dataset("annotations/dense/labels", data=np.ones((4, 12, 10)), chunks=(1, 12, 10))


def _lose_a_chunk(file: h5py.File) -> None:
    image = file["image"][()]
    del file["image"]
    file.create_dataset("image", shape=image.shape, dtype=np.float32, chunks=(1, 1, 12, 10))[0, 0] = image[0, 0]


def _replace_image_by_group(file: h5py.File) -> None:
    del file["image"]
    file.create_group("image")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.pop("image"), "image"),
        (lambda file: file.attrs.pop("patient"), "patient"),
        (lambda file: file.attrs.pop("group"), "group"),
        (lambda file: file.attrs.update({"spacing_mm": [1.0, 2.0]}), "expected 3"),
        (lambda file: file["annotations/dense"].attrs.update({"kind": "sketch"}), "SKETCH"),
        (_write_float_labels, "float64"),
        (_lose_a_chunk, "1 chunks of 4"),
        (_replace_image_by_group, "shape"),
    ],
    ids=["no image", "no patient", "no group", "spacing", "kind", "label type", "chunk", "group"],
)
def test_read_case_names_the_damage_in_one_line(damage, message: str, tmp_path: Path) -> None:
    path = tmp_path / "case.h5"
    write_case(path, make_case(0))
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(DataError, match="damaged case file") as caught:
        read_case(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.h5: no such case file"):
        read_case(tmp_path / "absent.h5")
    with pytest.raises(DataError, match=r"absent\.h5: annotation 'dense' cannot be read"):
        read_covered_slices(tmp_path / "absent.h5", "dense")
