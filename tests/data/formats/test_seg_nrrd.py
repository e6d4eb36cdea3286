"""Segmentations of 3D Slicer, in and out; SimpleITK reads what is written and writes what is read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from replicas import OBLIQUE_AFFINE, SPACING_MM

from lesslabel.data.case import IGNORE
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.seg_nrrd import Segment, SegNrrd, read_segmentation, write_segmentation
from lesslabel.errors import DataError

SHAPE = (4, 6, 5)
CODES = {"RV": 1, "Myo": 2, "LV": 3}


def segmentation(layers: int = 1) -> SegNrrd:
    """A segment of two slices in every layer, of which neighbours overlap on one."""
    values = np.zeros((layers, *SHAPE), np.uint8)
    for layer in range(layers):
        values[layer, layer : layer + 2, 1:4, 2] = 7
    segments = tuple(
        Segment(name, 7, layer, (0.25 * layer, 0.5, 1.0)) for layer, name in zip(range(layers), CODES, strict=False)
    )
    return SegNrrd(values, segments, SPACING_MM, OBLIQUE_AFFINE, Path())


def itk_point(image: SimpleITK.Image, voxel: tuple[int, int, int]) -> np.ndarray:
    """Where ITK puts a voxel (x, y, z), turned from LPS to RAS+."""
    return np.array(image.TransformIndexToPhysicalPoint(voxel)) * [-1.0, -1.0, 1.0]


@pytest.mark.parametrize("layers", [1, 3])
def test_what_is_written_is_read(tmp_path: Path, layers: int) -> None:
    written = segmentation(layers)
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(path, written)
    found = read_segmentation(path)
    np.testing.assert_array_equal(found.layers, written.layers)
    np.testing.assert_allclose(found.affine, written.affine, atol=1e-9)
    assert found.segments == written.segments
    assert found.spacing_mm == pytest.approx(written.spacing_mm, rel=1e-6)
    content = path.read_bytes()
    write_segmentation(path, written)
    assert path.read_bytes() == content


@pytest.mark.parametrize("layers", [1, 3])
def test_itk_sees_the_same_voxels_in_the_same_place(tmp_path: Path, layers: int) -> None:
    written = segmentation(layers)
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(path, written)
    image = SimpleITK.ReadImage(str(path))
    assert image.GetNumberOfComponentsPerPixel() == layers
    values = SimpleITK.GetArrayFromImage(image).reshape(*SHAPE, layers)
    np.testing.assert_array_equal(np.moveaxis(values, -1, 0), written.layers)
    for voxel in ((0, 0, 0), (4, 0, 0), (0, 5, 0), (0, 0, 3), (4, 5, 3)):
        np.testing.assert_allclose(itk_point(image, voxel), (OBLIQUE_AFFINE @ [*voxel, 1])[:3], atol=1e-4)
    for index, name in enumerate(list(CODES)[:layers]):
        assert image.GetMetaData(f"Segment{index}_Name") == name
        assert image.GetMetaData(f"Segment{index}_Layer") == str(index)
        assert image.GetMetaData(f"Segment{index}_LabelValue") == "7"
        assert image.GetMetaData(f"Segment{index}_Extent") == "0 4 0 5 0 3"


def test_names_of_any_script_survive_and_line_breaks_do_not(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    named = replace(segmentation(), segments=(Segment("Herzmuskel · 心肌: links", 7),))
    write_segmentation(path, named)
    assert read_segmentation(path).segments == named.segments
    with pytest.raises(DataError, match="use one line of text"):
        write_segmentation(path, replace(named, segments=(Segment("a\nSegment9_Name:=b", 7),)))
    with pytest.raises(DataError, match="values must be 0 to 255, got 0 to 300"):
        write_segmentation(path, replace(named, layers=np.full((1, *SHAPE), 300) * (named.layers > 0)))


def test_overlaps_by_hand() -> None:
    several = segmentation(3)
    with pytest.raises(DataError, match="'Myo' overlaps others on 3 voxels"):
        several.flatten(CODES)
    column = several.flatten(CODES, "last")[:, 1, 2]
    assert column.tolist() == [1, 2, 3, 3]
    column = several.flatten(CODES, "unknown")[:, 1, 2]
    assert column.tolist() == [1, IGNORE, IGNORE, 3]
    assert several.flatten(CODES, "last")[:, 0, 0].tolist() == [0, 0, 0, 0]


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), overlaps=st.sampled_from(["unknown", "last"]))
def test_overlaps_as_counted_voxel_by_voxel(seed: int, overlaps: str) -> None:
    rng = np.random.default_rng(seed)
    layers = rng.integers(0, 3, (2, 2, 3, 2)).astype(np.uint8)
    segments = [("a", 1, 0), ("b", 2, 0), ("c", 1, 1), ("d", 2, 1)]
    made = SegNrrd(layers, tuple(Segment(*segment) for segment in segments), SPACING_MM, np.eye(4), Path())
    codes = {"a": 11, "b": 12, "c": 13, "d": 14}
    flat = made.flatten(codes, overlaps)
    for place in np.ndindex(flat.shape):
        owners = [codes[name] for name, value, layer in segments if layers[(layer, *place)] == value]
        expected = IGNORE if len(owners) > 1 and overlaps == "unknown" else (owners or [0])[-1]
        assert flat[place] == expected


def test_a_value_of_no_segment_is_refused() -> None:
    strange = replace(segmentation(), segments=(Segment("RV", 1),))
    with pytest.raises(DataError, match="label value 7 is not known; expected 0, 1"):
        strange.flatten(CODES)


def test_a_part_of_the_grid_is_put_where_it_lies() -> None:
    whole = segmentation(2)
    image = NiftiVolume(np.zeros((1, *SHAPE), np.float32), SPACING_MM, OBLIQUE_AFFINE, Path("image"))
    moved = OBLIQUE_AFFINE.copy()
    moved[:3, 3] = (OBLIQUE_AFFINE @ [1, 1, 0, 1])[:3]
    part = replace(whole, layers=whole.layers[:, :3, 1:5, 1:4], affine=moved)
    np.testing.assert_array_equal(part.place_on(image).layers, whole.layers)
    moved[:3, 3] = (OBLIQUE_AFFINE @ [0.5, 1, 0, 1])[:3]
    with pytest.raises(DataError, match="do not fall onto those of image"):
        part.place_on(image)
    moved[:3, 3] = (OBLIQUE_AFFINE @ [1, 5, 0, 1])[:3]
    with pytest.raises(DataError, match="outside image"):
        part.place_on(image)


def test_a_single_empty_voxel_is_an_empty_segmentation() -> None:
    image = NiftiVolume(np.zeros((1, *SHAPE), np.float32), SPACING_MM, OBLIQUE_AFFINE, Path("image"))
    nothing = replace(segmentation(), layers=np.zeros((1, 1, 1, 1), np.uint8), affine=np.eye(4))
    placed = nothing.place_on(image)
    assert placed.layers.shape == (1, *SHAPE)
    assert not placed.layers.any()


def test_a_plain_nrrd_has_no_segments(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.ones(SHAPE, np.int16)), str(path))
    assert read_segmentation(path).segments == ()
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.ones(SHAPE, np.float32)), str(path))
    with pytest.raises(DataError, match="save it as a binary labelmap"):
        read_segmentation(path)


def test_before_4_11_slicer_gave_every_segment_a_layer_of_its_own_and_said_neither_layer_nor_value(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.seg.nrrd"
    written = segmentation(3)
    write_segmentation(path, replace(written, layers=written.layers // 7))
    head, voxels = path.read_bytes().split(b"\n\n", 1)
    kept = [line for line in head.split(b"\n") if b"_Layer:=" not in line and b"_LabelValue:=" not in line]
    path.write_bytes(b"\n".join(kept) + b"\n\n" + voxels)
    found = read_segmentation(path)
    assert [(segment.name, segment.value, segment.layer) for segment in found.segments] == [
        ("RV", 1, 0),
        ("Myo", 1, 1),
        ("LV", 1, 2),
    ]
    assert found.flatten(CODES, "last")[:, 1, 2].tolist() == [1, 2, 3, 3]


def test_a_segment_of_the_value_of_the_background_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(path, replace(segmentation(), segments=(Segment("RV", 0),)))
    with pytest.raises(DataError, match="'RV' has layer '0' and value '0'; save it again"):
        read_segmentation(path)


def test_a_segment_in_no_layer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(path, replace(segmentation(), segments=(Segment("RV", 7, layer=2),)))
    with pytest.raises(DataError, match="'RV' is on layer 2, which is not there"):
        read_segmentation(path)
