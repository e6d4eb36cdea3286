"""DICOM-SEG and RTSTRUCT as labels: written with highdicom and pydicom, onto the grid of an image."""

import sys
from pathlib import Path

import numpy as np
import pytest
import replicas

from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.reading import list_names, read_image, read_labels
from lesslabel.data.formats.segments import merge_segments
from lesslabel.errors import DataError

highdicom = pytest.importorskip("highdicom", reason="the extra lesslabel[dicom] is not installed")
pydicom = pytest.importorskip("pydicom")

IMAGE = np.arange(3 * 8 * 6, dtype=np.int16).reshape(3, 8, 6)
NAMES = {1: "liver", 2: "spleen"}


@pytest.fixture
def image(tmp_path: Path) -> NiftiVolume:
    return read_image(replicas.write_series(tmp_path / "series", IMAGE, replicas.CT_AFFINE))


def masks() -> dict[str, np.ndarray]:
    """(z, y, x), not symmetric in any axis."""
    found = {name: np.zeros(IMAGE.shape, bool) for name in NAMES.values()}
    found["liver"][0:2, 1:4, 1:5] = True
    found["spleen"][2, 5:7, 0:2] = True
    return found


def _pixels(kind: str, segments: list[np.ndarray]) -> np.ndarray:
    if kind == "LABELMAP":
        return sum(number * mask.astype(np.uint8) for number, mask in enumerate(segments, start=1))
    return np.stack(segments, axis=-1).astype(np.uint8 if kind == "BINARY" else np.float32)


def write_seg(path: Path, series: Path, kind: str = "BINARY", **segments: np.ndarray) -> Path:
    """By highdicom alone, from the slices of the series."""
    slices = [pydicom.dcmread(file) for file in sorted(series.glob("*.dcm"))]
    for one in slices:
        one.StudyInstanceUID, one.FrameOfReferenceUID, one.PatientID = "1.2.3.4", "1.2.3.5", "nobody"
        for name in ("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"):
            setattr(one, name, "")
        one.StudyTime, one.ReferringPhysicianName, one.SliceThickness = "", "", 2.0
        one.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    code = highdicom.sr.CodedConcept("85756007", "SCT", "Tissue")
    described = [
        highdicom.seg.SegmentDescription(number, name, code, code, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL)
        for number, name in enumerate(segments, start=1)
    ]
    highdicom.seg.Segmentation(
        source_images=slices,
        pixel_array=_pixels(kind, list(segments.values())),
        segmentation_type=highdicom.seg.SegmentationTypeValues[kind],
        segment_descriptions=described,
        series_instance_uid="1.2.3.6",
        series_number=2,
        sop_instance_uid="1.2.3.7",
        instance_number=1,
        manufacturer="nobody",
        manufacturer_model_name="none",
        software_versions="0",
        device_serial_number="0",
    ).save_as(path)
    return path


def write_outlines(path: Path, **outlines: list[np.ndarray]) -> Path:
    """An RTSTRUCT by pydicom alone: names, and outlines (N, 3) in mm, LPS."""
    file = pydicom.Dataset()
    file.Modality, file.SOPClassUID, file.SOPInstanceUID = "RTSTRUCT", "1.2.840.10008.5.1.4.1.1.481.3", "1.2.3.8"
    file.StructureSetROISequence, file.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(outlines.items(), start=1):
        roi, contour = pydicom.Dataset(), pydicom.Dataset()
        roi.ROINumber = contour.ReferencedROINumber = number
        roi.ROIName, contour.ContourSequence = name, []
        for points in contours:
            item = pydicom.Dataset()
            item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            item.ContourData = [f"{side:.4f}" for side in points.ravel()]
            contour.ContourSequence.append(item)
        file.StructureSetROISequence.append(roi)
        file.ROIContourSequence.append(contour)
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    pydicom.dcmwrite(path, file, enforce_file_format=True)
    return path


def square(slice_index: float, low: float, high: float) -> np.ndarray:
    """An outline around the voxels whose x and y are between, in mm, LPS."""
    voxels = [(low, low), (high, low), (high, high), (low, high)]
    return np.array([(replicas.CT_AFFINE @ [x, y, slice_index, 1])[:3] * [-1, -1, 1] for x, y in voxels])


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_a_seg_lies_where_it_was_drawn(tmp_path: Path, image: NiftiVolume, kind: str) -> None:
    path = write_seg(tmp_path / "seg.dcm", tmp_path / "series", kind, **masks())
    assert list_names(path) == ["liver", "spleen"]
    labels = read_labels(path, image, NAMES)
    np.testing.assert_array_equal(labels, masks()["liver"] + 2 * masks()["spleen"])
    np.testing.assert_array_equal(read_labels(path, image, {5: "spleen"}), 5 * masks()["spleen"])


def test_segments_may_share_slices(tmp_path: Path, image: NiftiVolume) -> None:
    drawn = masks()
    drawn["spleen"][0:2, 5:7, 0:2] = True
    path = write_seg(tmp_path / "seg.dcm", tmp_path / "series", **drawn)
    np.testing.assert_array_equal(read_labels(path, image, NAMES), drawn["liver"] + 2 * drawn["spleen"])


def test_segments_that_overlap_are_refused(tmp_path: Path, image: NiftiVolume) -> None:
    drawn = masks()
    drawn["spleen"][0, 1, 1] = True
    path = write_seg(tmp_path / "seg.dcm", tmp_path / "series", **drawn)
    with pytest.raises(DataError, match="segments 'liver' and 'spleen' share 1 voxels"):
        read_labels(path, image, NAMES)


def test_outlines_hold_the_voxels_whose_centre_is_inside(tmp_path: Path, image: NiftiVolume) -> None:
    path = write_outlines(tmp_path / "rt.dcm", liver=[square(1, 0.6, 4.4), square(1, 1.6, 2.4)], spleen=[], BODY=[])
    assert list_names(path) == ["liver", "spleen", "BODY"]
    expected = np.zeros(IMAGE.shape, np.uint8)
    expected[1, 1:5, 1:5] = 1
    expected[1, 2, 2] = 0  # an outline within another is a hole
    np.testing.assert_array_equal(read_labels(path, image, NAMES), expected)


def test_outlines_of_another_image_are_refused(tmp_path: Path, image: NiftiVolume) -> None:
    for slice_index in (0.5, 7.0, -1.0):
        path = write_outlines(tmp_path / "rt.dcm", liver=[square(slice_index, 0.6, 4.4)])
        with pytest.raises(DataError, match="an outline does not lie on a slice of series"):
            read_labels(path, image, NAMES)


def test_other_dicom_files_are_refused(tmp_path: Path, image: NiftiVolume) -> None:
    with pytest.raises(DataError, match="is a DICOM file of CT; a label is a DICOM-SEG or an RTSTRUCT"):
        read_labels(tmp_path / "series" / "1-001.dcm", image, NAMES)
    (tmp_path / "a.dcm").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a.dcm: not a readable DICOM file"):
        read_labels(tmp_path / "a.dcm", image, NAMES)


@pytest.mark.parametrize("kind", ["seg", "rt"])
def test_damage_is_an_error_or_harmless(tmp_path: Path, image: NiftiVolume, kind: str) -> None:
    path = tmp_path / f"{kind}.dcm"
    if kind == "seg":
        write_seg(path, tmp_path / "series", **masks())
    else:
        write_outlines(path, liver=[square(1, 0.6, 4.4)])
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for end in generator.integers(len(content), size=20):
        path.write_bytes(content[:end])
        with pytest.raises(DataError, match=f"{kind}.dcm") as caught:
            read_labels(path, image, NAMES)
        assert "\n" not in str(caught.value)


def test_outlines_that_would_be_lost_in_part_are_refused(tmp_path: Path, image: NiftiVolume) -> None:
    def change(action) -> None:
        path = write_outlines(tmp_path / "rt.dcm", liver=[square(1, 0.6, 4.4)], spleen=[square(2, 0.6, 2.4)])
        file = pydicom.dcmread(path)
        action(file)
        pydicom.dcmwrite(path, file)

    def refuse(match: str, action) -> None:
        change(action)
        with pytest.raises(DataError, match=match) as caught:
            read_labels(tmp_path / "rt.dcm", image, NAMES)
        assert "\n" not in str(caught.value)

    def outline(file):
        return file.ROIContourSequence[0].ContourSequence[0]

    refuse("is 'OPEN_PLANAR'; draw closed", lambda file: setattr(outline(file), "ContourGeometricType", "OPEN_PLANAR"))
    refuse("belong to number 7", lambda file: setattr(file.ROIContourSequence[0], "ReferencedROINumber", 7))
    refuse("belong to number 2", lambda file: setattr(file.ROIContourSequence[0], "ReferencedROINumber", 2))
    refuse("not a readable DICOM", lambda file: setattr(outline(file), "ContourData", outline(file).ContourData[:-1]))
    far = [f"{side:.4f}" for side in square(1, 0.6, 40.0).ravel()]
    refuse("an outline leaves series by", lambda file: setattr(outline(file), "ContourData", far))
    refuse("rt.dcm", lambda file: setattr(outline(file), "ContourData", ["1e300", *far[1:]]))
    change(lambda file: setattr(outline(file), "ContourGeometricType", "CLOSEDPLANAR_XOR"))
    assert (read_labels(tmp_path / "rt.dcm", image, NAMES) == 1).sum() == 16


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("Rows", 65535),
        ("Columns", 5),
        ("NumberOfFrames", "2000000000"),
        ("BitsAllocated", 8),
        ("SegmentSequence", []),
        ("PerFrameFunctionalGroupsSequence", []),
        ("SharedFunctionalGroupsSequence", []),
    ],
)
def test_a_seg_of_another_size_is_refused(tmp_path: Path, image: NiftiVolume, tag: str, value: object) -> None:
    path = write_seg(tmp_path / "seg.dcm", tmp_path / "series", **masks())
    file = pydicom.dcmread(path)
    setattr(file, tag, value)
    pydicom.dcmwrite(path, file)
    with pytest.raises(DataError, match=r"seg.dcm") as caught:
        read_labels(path, image, NAMES)
    assert "\n" not in str(caught.value)


def test_without_the_extra_it_is_named(tmp_path: Path, image: NiftiVolume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    (tmp_path / "a.dcm").touch()
    with pytest.raises(DataError, match=r"a.dcm: DICOM segments need highdicom; pip install 'lesslabel\[dicom\]'"):
        read_labels(tmp_path / "a.dcm", image, NAMES)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("SegmentationType", "HEIGHTMAP", "DICOM-SEG of type HEIGHTMAP is not read"),
        ("DimensionOrganizationType", "TILED_SPARSE", r"DICOM-SEG of tiles \(TILED_SPARSE\) is not read"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.66.5", r"\(Surface Segmentation Storage\) is not read"),
    ],
)
def test_other_kinds_of_segmentations_are_refused_by_name(
    tmp_path: Path, image: NiftiVolume, field: str, value: str, match: str
) -> None:
    path = write_seg(tmp_path / "seg.dcm", tmp_path / "series", **masks())
    file = pydicom.dcmread(path)
    setattr(file, field, value)
    file.save_as(path)
    with pytest.raises(DataError, match=match):
        read_labels(path, image, NAMES)


def test_two_segments_of_one_name_are_one_label_where_they_overlap_too() -> None:
    """As lesions are drawn one by one; two names on a voxel are refused still."""
    first, second = np.zeros((2, 1, 2, 4), bool)
    first[..., :3] = second[..., 2:] = True
    merged = merge_segments(Path("a.dcm"), [("lesion", first), ("lesion", second)], {"lesion": 7}, (1, 2, 4))
    assert (merged == 7).all()
    with pytest.raises(DataError, match=r"segments 'lesion' and 'organ' share 2 voxels"):
        merge_segments(Path("a.dcm"), [("lesion", first), ("organ", second)], {"lesion": 7, "organ": 2}, (1, 2, 4))
