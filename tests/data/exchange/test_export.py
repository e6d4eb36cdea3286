"""What leaves for another program lies where it lay, tells nothing of patients, and comes back as it was."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from handmade_store import SHAPE, Handmade, annotated, make_case, make_store
from replicas import OBLIQUE_AFFINE, SPACING_MM

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.exchange import PROGRAMS, export_store
from lesslabel.data.exchange.annotation_import import ReturnedCase, import_annotations
from lesslabel.data.exchange.queue_images import file_stem
from lesslabel.data.formats.nifti import read_label_map, write_label_map
from lesslabel.data.formats.seg_nrrd import Segment, read_segmentation, write_segmentation
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import DataError

AFFINES = {
    "oblique": OBLIQUE_AFFINE,
    "RAS": np.diag([3.0, 3.25, 10.0, 1.0]),
    "LPS": np.diag([-3.0, -3.25, 10.0, 1.0]),
    "spacing alone": None,
}
NOW = "2026-01-31T12:00:00+00:00"
STEM = file_stem("case0")
FILES = {  # of case0: image, label map
    "slicer": (f"images/{STEM}.nii.gz", f"segmentations/{STEM}.seg.nrrd"),
    "itksnap": (f"images/{STEM}.nii.gz", f"segmentations/{STEM}.nii.gz"),
    "nnunet": (f"imagesTr/{STEM}_0000.nii.gz", f"labelsTr/{STEM}.nii.gz"),
    "monailabel": (f"{STEM}.nii.gz", f"labels/final/{STEM}.nii.gz"),
}


def placed(number: int, affine: np.ndarray | None = OBLIQUE_AFFINE) -> Case:
    return replace(make_case(number), affine=affine, spacing_mm=SPACING_MM)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    unlabelled = replace(placed(2), annotations={})
    return make_store(tmp_path / "store", [placed(0), placed(1), unlabelled])


def bring_back(store: Store, folder: Path, **settings: object) -> list[ReturnedCase]:
    defaults = {"name": "back", "author": "expert 1", "time": NOW}
    return import_annotations(store, None, folder, **{**defaults, **settings})


@pytest.mark.parametrize("affine", AFFINES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_itk_sees_the_same_voxels_in_the_same_place(tmp_path: Path, program: str, affine: str) -> None:
    case = placed(0, AFFINES[affine])
    store = make_store(tmp_path / "store", [case])
    export_store(store, program, tmp_path / "out", annotation="dense")
    image, labels = (SimpleITK.ReadImage(str(tmp_path / "out" / file)) for file in FILES[program])
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), case.image[0])
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(labels), case.annotations["dense"].labels)
    expected = np.diag([*SPACING_MM[::-1], 1.0]) if case.affine is None else case.affine
    for voxel in ((0, 0, 0), (9, 0, 0), (0, 11, 0), (0, 0, 3), (9, 11, 3)):
        for file in (image, labels):
            found = np.array(file.TransformIndexToPhysicalPoint(voxel)) * [-1.0, -1.0, 1.0]
            np.testing.assert_allclose(found, (expected @ [*voxel, 1])[:3], atol=1e-3)
    np.testing.assert_allclose(image.GetSpacing(), SPACING_MM[::-1], rtol=1e-5)


@pytest.mark.parametrize("annotation", ["dense", "scribble"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_what_left_comes_back_as_it_was(store: Store, tmp_path: Path, program: str, annotation: str) -> None:
    export_store(store, program, tmp_path / "out", annotation=annotation, uids=["case0", "case1"])
    kind = store.read("case0").annotations[annotation].kind
    returned = bring_back(store, tmp_path / "out", kind=kind)
    assert [(case.uid, case.slices, case.problem) for case in returned] == [("case0", None, ""), ("case1", None, "")]
    for uid in ("case0", "case1"):
        case = store.read(uid)
        before, after = case.annotations[annotation], case.annotations["back"]
        np.testing.assert_array_equal(after.labels, before.labels)
        assert (after.kind, after.author, after.time) == (kind, "expert 1", NOW)
        assert (after.covered_labels, after.covered_slices) == (None, None)
    assert verify_store(store.path) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_slices_that_nobody_looked_at_stay_unknown(tmp_path: Path, program: str) -> None:
    store = make_store(tmp_path / "store", [annotated(placed(0), "dense", covered_slices=(1, 3))])
    export_store(store, program, tmp_path / "out", annotation="dense")
    bring_back(store, tmp_path / "out")
    back = store.read("case0").annotations["back"]
    assert back.covered_slices == (1, 3)
    dense = store.read("case0").annotations["dense"].labels
    np.testing.assert_array_equal(back.labels[[1, 3]], dense[[1, 3]])
    assert (back.labels[[0, 2]] == IGNORE).all()


def test_labels_that_nobody_annotated_are_not_background(tmp_path: Path) -> None:
    labels = make_case(0).annotations["dense"].labels * (make_case(0).annotations["dense"].labels != 2)
    case = annotated(placed(0), "dense", labels=labels, covered_labels=(1, 3))
    store = make_store(tmp_path / "store", [case])
    export_store(store, "slicer", tmp_path / "out", annotation="dense")
    (returned,) = bring_back(store, tmp_path / "out")
    assert list(returned.voxels) == ["RV", "LV"]
    assert store.read("case0").annotations["back"].covered_labels == (1, 3)
    for program in ("itksnap", "nnunet", "monailabel"):
        with pytest.raises(DataError, match="case case0: the annotation covers only RV, LV"):
            export_store(store, program, tmp_path / program, annotation="dense")
        assert not (tmp_path / program).exists()


def test_slicer_gets_names_and_colours_even_where_nothing_is_drawn(store: Store, tmp_path: Path) -> None:
    export_store(store, "slicer", tmp_path / "out")
    for uid in store.records:
        found = read_segmentation(tmp_path / "out" / "segmentations" / f"{file_stem(uid)}.seg.nrrd")
        assert [(segment.name, segment.value) for segment in found.segments] == [("RV", 1), ("Myo", 2), ("LV", 3)]
        assert len({segment.colour for segment in found.segments}) == 3
        assert not found.layers.any()
    assert all("holds no label" in case.problem for case in bring_back(store, tmp_path / "out"))


def test_what_slicer_saves_with_overlaps_and_of_a_part_of_the_grid(store: Store, tmp_path: Path) -> None:
    """Segments in an order of their own, in two layers, cropped to what is drawn."""
    export_store(store, "slicer", tmp_path / "out")
    path = tmp_path / "out" / FILES["slicer"][1]
    truth = store.read("case0").annotations["dense"].labels
    layers = np.zeros((2, *SHAPE), np.uint8)
    layers[0, truth == 3], layers[0, truth == 1] = 1, 2
    layers[1, (truth == 2) | (truth == 3)] = 1
    segments = (Segment("LV", 1), Segment("RV", 2), Segment("Myo", 1, layer=1))
    moved = OBLIQUE_AFFINE.copy()
    moved[:3, 3] = (OBLIQUE_AFFINE @ [1, 2, 1, 1])[:3]
    cropped = replace(
        read_segmentation(path), layers=layers[:, 1:, 2:10, 1:9], segments=segments, affine=moved, spacing_mm=SPACING_MM
    )
    write_segmentation(path, cropped)
    for uid in ("case1", "case2"):
        (path.parent / f"{file_stem(uid)}.seg.nrrd").unlink()
    (refused,) = bring_back(store, tmp_path / "out")
    lv = np.count_nonzero(truth == 3)
    assert f"'Myo' overlaps others on {lv} voxels" in refused.problem
    (taken,) = bring_back(store, tmp_path / "out", overlaps="unknown", name="unknown")
    assert taken.problem == ""
    expected = np.where(truth == 3, np.uint8(IGNORE), truth)
    np.testing.assert_array_equal(store.read("case0").annotations["unknown"].labels, expected)
    bring_back(store, tmp_path / "out", overlaps="last", name="last")
    expected = np.where(truth == 3, np.uint8(2), truth)
    np.testing.assert_array_equal(store.read("case0").annotations["last"].labels, expected)


class Gapped(Handmade):
    labels = {2: "liver", 7: "spleen"}  # noqa: RUF012


def test_nnunet_numbers_labels_without_a_gap_and_names_them(tmp_path: Path) -> None:
    dense = np.array([0, 7, 2, 0], np.uint8)[make_case(0).annotations["dense"].labels]
    dense[0, 0, 0] = IGNORE
    case = replace(placed(0), annotations={"dense": Annotation(dense, Kind.DENSE)})
    bare = replace(placed(2), annotations={})
    store, _ = prepare(Gapped([case, bare]), tmp_path / "store")
    export_store(store, "nnunet", tmp_path / "out", annotation="dense")
    described = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert described == {
        "channel_names": {"0": "image"},
        "labels": {"background": 0, "liver": 1, "spleen": 2, "ignore": 3},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    values = read_label_map(tmp_path / "out" / FILES["nnunet"][1]).array
    np.testing.assert_array_equal(np.array([0, 0, 1, 0, 0, 0, 0, 2])[dense * (dense != IGNORE)], values * (values != 3))
    assert values[0, 0, 0] == 3
    assert [path.name for path in (tmp_path / "out" / "imagesTs").iterdir()] == [f"{file_stem('case2')}_0000.nii.gz"]
    # nnU-Net writes predictions beside a copy of dataset.json
    predicted = tmp_path / "predicted"
    predicted.mkdir()
    (predicted / "dataset.json").write_text(json.dumps(described))
    write_label_map(predicted / f"{STEM}.nii.gz", values.astype(np.uint8), SPACING_MM, OBLIQUE_AFFINE)
    bring_back(store, predicted)
    np.testing.assert_array_equal(store.read("case0").annotations["back"].labels, dense)


def test_monai_label_says_which_value_is_which_label(store: Store, tmp_path: Path) -> None:
    """Its plug-in numbers segments in their order, and tells the data store."""
    export_store(store, "monailabel", tmp_path / "out")
    truth = store.read("case0").annotations["dense"].labels
    path = tmp_path / "out" / FILES["monailabel"][1]
    write_label_map(path, np.array([0, 3, 2, 1], np.uint8)[truth], SPACING_MM, OBLIQUE_AFFINE)
    datastore = tmp_path / "out" / "datastore_v2.json"
    content = json.loads(datastore.read_text())
    assert content["objects"][STEM] == {"image": {"ext": ".nii.gz", "info": {}}, "labels": {}}
    info = [{"name": name, "idx": index} for index, name in enumerate(("LV", "Myo", "RV"), start=1)]
    content["objects"][STEM]["labels"]["final"] = {"ext": ".nii.gz", "info": {"label_info": info}}
    datastore.write_text(json.dumps(content))
    bring_back(store, tmp_path / "out")
    np.testing.assert_array_equal(store.read("case0").annotations["back"].labels, truth)


def test_itksnap_gets_names(store: Store, tmp_path: Path) -> None:
    export_store(store, "itksnap", tmp_path / "out", annotation="dense")
    lines = [line for line in (tmp_path / "out" / "labels.txt").read_text().splitlines() if not line.startswith("#")]
    rows = [(line.split()[0], line.split('"')[1], len(line.split('"')[0].split())) for line in lines]
    expected = {"0": "Clear Label", "1": "RV", "2": "Myo", "3": "LV", "255": "unknown"}
    assert rows == [(code, name, 7) for code, name in expected.items()]
    assert len({tuple(line.split()[1:4]) for line in lines}) == 5


def test_itksnap_says_which_value_is_which_label(tmp_path: Path) -> None:
    class Quoted(Handmade):
        labels = {1: 'the "RV"', 2: "Myo", 3: "LV"}  # noqa: RUF012

    store, _ = prepare(Quoted([placed(0)]), tmp_path / "store")
    export_store(store, "itksnap", tmp_path / "out", annotation="dense")
    bring_back(store, tmp_path / "out")
    truth = store.read("case0").annotations["dense"].labels
    np.testing.assert_array_equal(store.read("case0").annotations["back"].labels, truth)
    # somebody renumbers the labels and saves their descriptions, in which ITK-SNAP lists what nobody drew too
    swapped = np.array([0, 3, 2, 1], np.uint8)[truth]
    write_label_map(tmp_path / "out" / FILES["itksnap"][1], swapped, SPACING_MM, OBLIQUE_AFFINE)
    path = tmp_path / "out" / "labels.txt"
    rows = {0: "Clear Label", 1: "LV", 2: "Myo", 3: "the 'RV'", 4: "Label 4"}
    path.write_text(
        "# ITK-SnAP Label Description File\n"
        + "".join(f'{code:5d}  255    0    0        1  1  1    "{name}"\n' for code, name in rows.items())
    )
    bring_back(store, tmp_path / "out", name="again")
    np.testing.assert_array_equal(store.read("case0").annotations["again"].labels, truth)
    path.write_text("# ITK-SnAP Label Description File\n1 LV\n")
    (refused,) = bring_back(store, tmp_path / "out", name="third")
    assert "labels.txt, line 2: '1 LV' describes no label of its own; export it again" in refused.problem
    path.write_text("notes of somebody else\n")
    assert not bring_back(store, tmp_path / "out", name="third")[0].problem


@pytest.mark.parametrize("program", ["nnunet", "monailabel"])
def test_names_of_which_none_is_a_label_are_refused(store: Store, tmp_path: Path, program: str) -> None:
    """Values would be taken for the store's codes: whoever calls them rv, lv and myo may number them otherwise."""
    export_store(store, program, tmp_path / "out", annotation="dense")
    path = tmp_path / "out" / {"nnunet": "dataset.json", "monailabel": "datastore_v2.json"}[program]
    path.write_text(path.read_text().replace('"RV"', '"lv"').replace('"LV"', '"rv"').replace('"Myo"', '"myo"'))
    assert "segment 'lv' is none of the labels RV, Myo, LV" in bring_back(store, tmp_path / "out")[0].problem


@pytest.mark.parametrize(
    ("program", "inside", "given"), [("nnunet", "labelsTr", "."), ("monailabel", "labels", "final")]
)
def test_names_are_found_from_within_the_folder_too(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, inside: str, given: str
) -> None:
    export_store(store, program, tmp_path / "out", annotation="dense")
    path = tmp_path / "out" / {"nnunet": "dataset.json", "monailabel": "datastore_v2.json"}[program]
    path.write_text(path.read_text().replace('"RV"', '"x"').replace('"LV"', '"RV"').replace('"x"', '"LV"'))
    monkeypatch.chdir(tmp_path / "out" / inside)
    bring_back(store, Path(given))
    case = store.read("case0")
    swapped = np.array([0, 3, 2, 1], np.uint8)[case.annotations["dense"].labels]
    np.testing.assert_array_equal(case.annotations["back"].labels, swapped)


def test_label_maps_of_other_formats_are_not_left_aside_in_silence(store: Store, tmp_path: Path) -> None:
    export_store(store, "itksnap", tmp_path / "out", annotation="dense")
    (tmp_path / "out" / "segmentations" / f"{file_stem('case2')}.tif").write_bytes(b"")
    with pytest.raises(DataError, match=r"\.tif: not a format in which label maps are taken back; save it as .nii.gz"):
        bring_back(store, tmp_path / "out")


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_file_tells_who_it_is(tmp_path: Path, program: str) -> None:
    secret = replace(placed(0), uid="smith_john", patient="smith", centre="leeds", group="ward7")
    store = make_store(tmp_path / "secretstore", [secret])
    export_store(store, program, tmp_path / "out", annotation="dense")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) >= 2
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content += gzip.decompress(content)
        for word in ("smith", "leeds", "ward7", "secretstore", str(tmp_path)):
            assert word not in str(path.relative_to(tmp_path))
            assert word.encode() not in content.lower()


def test_several_channels(tmp_path: Path) -> None:
    class TwoChannels(Handmade):
        channels = ("FLAIR", "T1c")

    case = replace(placed(0), image=np.concatenate([placed(0).image, placed(1).image]))
    store, _ = prepare(TwoChannels([case]), tmp_path / "store")
    export_store(store, "slicer", tmp_path / "slicer")
    second = SimpleITK.ReadImage(str(tmp_path / "slicer" / "images" / f"{STEM}_channel1.nii.gz"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(second), case.image[1])
    export_store(store, "nnunet", tmp_path / "nnunet", annotation="dense")
    names = sorted(path.name for path in (tmp_path / "nnunet" / "imagesTr").iterdir())
    assert names == [f"{STEM}_0000.nii.gz", f"{STEM}_0001.nii.gz"]
    with pytest.raises(DataError, match="channels FLAIR, T1c, of which MONAI Label takes one"):
        export_store(store, "monailabel", tmp_path / "monailabel")


def test_what_cannot_leave_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        export_store(store, "slicer", tmp_path)
    with pytest.raises(DataError, match="none of the cases has an annotation 'rater7'; there are dense, scribble"):
        export_store(store, "slicer", tmp_path / "out", annotation="rater7")
    with pytest.raises(DataError, match="no case is annotated"):
        export_store(store, "nnunet", tmp_path / "out")
    sheared = OBLIQUE_AFFINE @ np.array([[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    bent = make_store(tmp_path / "bent", [replace(placed(0), affine=sheared)])
    with pytest.raises(DataError, match="case case0: its axes are not at right angles"):
        export_store(bent, "slicer", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("percent", [0.2, 1.0])
def test_where_the_affine_contradicts_the_spacing_itk_would_show_another_place(tmp_path: Path, percent: float) -> None:
    """ITK takes the spacing of an image, and a `.seg.nrrd` says the affine: the two would part by degrees."""
    spacing_mm = tuple(side * (1 + percent / 100) for side in SPACING_MM)
    store = make_store(tmp_path / "store", [replace(placed(0), spacing_mm=spacing_mm)])
    if percent < 0.5:  # of 12 voxels at most
        export_store(store, "slicer", tmp_path / "out")
        return
    with pytest.raises(DataError, match=r"case case0: its affine contradicts its spacing, .* 0.12 voxels from where"):
        export_store(store, "slicer", tmp_path / "out")


@pytest.mark.parametrize(("program", "name"), [("slicer", "unknown"), ("nnunet", "ignore")])
def test_names_that_a_program_keeps_to_itself(tmp_path: Path, program: str, name: str) -> None:
    """A store of an earlier version may have them; `prepare` refuses some of them today."""
    store = make_store(tmp_path / "store", [placed(0)])
    fingerprint = store.path / "fingerprint.json"
    content = json.loads(fingerprint.read_text())
    content["labels"]["2"] = name
    fingerprint.write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"a label of the store is named '{name}'"):
        export_store(Store(store.path), program, tmp_path / "out", annotation="dense")


def test_files_of_no_case_are_not_left_aside_in_silence(store: Store, tmp_path: Path) -> None:
    export_store(store, "itksnap", tmp_path / "out", annotation="dense")
    drawn = tmp_path / "out" / "segmentations"
    (drawn / f"{STEM}.nii.gz").rename(drawn / "heart.nii.gz")
    with pytest.raises(DataError, match=r"heart.nii.gz: named as no case"):
        bring_back(store, tmp_path / "out")
    for path in drawn.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no label map"):
        bring_back(store, tmp_path / "out")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, out = str(tmp_path / "store"), str(tmp_path / "out")
    assert main(["prepare", "phantom", "-", store, "--cases", "10", "--size", "32", "--depth", "2"]) == 0
    export = ["export", store, "--to", "slicer", "--out", out, "--annotation", "dense", "--part", "test"]
    assert main(export) == 0
    assert "2 cases for slicer" in capsys.readouterr().out
    command = ["import", store, "--from", out, "--annotation", "expert", "--author", "expert 1"]
    assert main(command) == 0
    assert "'expert' added to 2 cases" in capsys.readouterr().out
    assert main(export) == 1
    assert "exists already" in capsys.readouterr().err
