"""Damaged, missing and contradictory raw data: one line that names the file and the fix."""

import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import replicas

from lesslabel.data.sources import ACDC, MSCMR, Folder, Phantom, RawCase, Source
from lesslabel.data.sources.images import list_images
from lesslabel.errors import ConfigError, DataError


def refuse(source: Source, match: str, index: int = 0) -> None:
    with pytest.raises(DataError, match=match) as caught:
        source.read(source.list_cases()[index])
    assert "\n" not in str(caught.value)


@pytest.fixture
def h5(tmp_path: Path) -> Path:
    return replicas.acdc_h5(tmp_path / "acdc", patients=1)


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    return replicas.acdc_nifti(tmp_path / "acdc", patients=1)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return replicas.folder(tmp_path, patients=1)


def volume(h5: Path) -> Path:
    return h5 / "ACDC_training_volumes" / "patient001_frame01.h5"


def frame(nifti: Path, suffix: str = "") -> Path:
    return nifti / "training" / "patient001" / f"patient001_frame01{suffix}.nii.gz"


def replace(path: Path, key: str, change) -> None:
    with h5py.File(path, "r+") as file:
        array = file[key][()]
        del file[key]
        file[key] = change(array)


class TestAcdcH5:
    @pytest.mark.parametrize("below", [".", "ACDC_training_volumes", ".."])
    def test_is_found_at_most_two_levels_below(self, h5: Path, below: str) -> None:
        source = ACDC(h5 / below, spacing=h5 / "acdc_spacing.json")
        assert [case.uid for case in source.list_cases()] == ["patient001_frame01", "patient001_frame12"]

    def test_slices_of_the_benchmark_are_not_volumes(self, h5: Path) -> None:
        (h5 / "ACDC_training_slices").mkdir()
        (h5 / "ACDC_training_slices" / "patient001_frame01_slice_0.h5").touch()
        assert len(ACDC(h5).list_cases()) == 2

    def test_a_case_in_two_folders_is_refused(self, h5: Path) -> None:
        (h5 / "copy").mkdir()
        (h5 / "copy" / "patient001_frame01.h5").touch()
        with pytest.raises(DataError, match="case patient001_frame01 is also in"):
            ACDC(h5).list_cases()

    def test_truncated(self, h5: Path) -> None:
        volume(h5).write_bytes(volume(h5).read_bytes()[:5000])
        refuse(ACDC(h5), "patient001_frame01.h5: not a readable h5 file .* copy it again")

    def test_without_image(self, h5: Path) -> None:
        with h5py.File(volume(h5), "r+") as file:
            del file["image"]
        refuse(ACDC(h5), "patient001_frame01.h5: holds no dataset 'image'")

    def test_without_scribble_only_the_dense_labels_are_there(self, h5: Path) -> None:
        with h5py.File(volume(h5), "r+") as file:
            del file["scribble"]
        source = ACDC(h5)
        assert set(source.read(source.list_cases()[0]).annotations) == {"dense"}

    def test_shapes_differ(self, h5: Path) -> None:
        replace(volume(h5), "label", lambda array: array[:-1])
        refuse(ACDC(h5), r"'label' is \(5, 64, 56\), the image \(6, 64, 56\)")

    @pytest.mark.parametrize(
        ("key", "value", "match"),
        [
            (
                "scribble",
                5,
                r"frame01.h5 \(scribble\): label value 5 is not known; expected 0, 1, 2, 3 and 4 = unknown",
            ),
            ("label", 4, r"frame01.h5 \(dense\): label value 4 is not known; expected 0, 1, 2, 3; correct"),
            ("label", 0.5, "label value 0.5"),
            ("label", np.nan, "label value nan"),
        ],
    )
    def test_value_out_of_range(self, h5: Path, key: str, value: float, match: str) -> None:
        replace(volume(h5), key, lambda array: np.where(array == 3, value, array))
        refuse(ACDC(h5), match)

    def test_spacing_table_in_the_parent_is_found(self, h5: Path) -> None:
        source = ACDC(h5 / "ACDC_training_volumes")
        assert source.read(source.list_cases()[0]).spacing_mm == replicas.SPACING_MM

    def test_without_spacing_table(self, h5: Path) -> None:
        (h5 / "acdc_spacing.json").unlink()
        refuse(ACDC(h5), "acdc_spacing.json: no such file; .* pass --spacing FILE")
        refuse(ACDC(h5, spacing=h5 / "other.json"), "other.json: no such file")

    @pytest.mark.parametrize("spacing", [None, [1.0, 1.0], [10.0, 1.5, 0.0], [10.0, 1.5, -1.5], ["a", 1.0, 1.0], 3])
    def test_spacing_that_is_none(self, h5: Path, spacing: object) -> None:
        (h5 / "acdc_spacing.json").write_text(json.dumps({"patient001_frame01": spacing}))
        refuse(ACDC(h5), "acdc_spacing.json: spacing of patient001_frame01 is")

    @pytest.mark.parametrize("text", ["{", "[1, 2]", '{"a": [9, 1, 1], "a": [10, 1, 1]}'])
    def test_spacing_table_that_is_no_table(self, h5: Path, text: str) -> None:
        (h5 / "acdc_spacing.json").write_text(text)
        refuse(ACDC(h5), "acdc_spacing.json: (not a readable JSON table|expected a table)")

    def test_scribbles_beside_h5_are_refused(self, h5: Path) -> None:
        with pytest.raises(ConfigError, match="leave out SCRIBBLES"):
            ACDC(h5, scribbles=h5).list_cases()


class TestAcdcNifti:
    def test_images_may_lie_without_the_training_folder(self, nifti: Path) -> None:
        assert [case.group for case in ACDC(nifti).list_cases()] == ["training", "training"]
        assert [case.group for case in ACDC(nifti / "training").list_cases()] == ["training", "training"]

    def test_scribbles_from_a_folder_of_their_own(self, nifti: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path / "scribbles" / "patient001"
        elsewhere.mkdir(parents=True)
        moved = frame(nifti, "_scribble").rename(elsewhere / "patient001_frame01_scribble.nii.gz")
        source = ACDC(nifti, scribbles=tmp_path / "scribbles")
        assert source.list_cases()[0].files["scribble"] == moved
        assert set(source.read(source.list_cases()[0]).annotations) == {"dense", "scribble"}
        assert set(ACDC(nifti).list_cases()[0].files) == {"image", "dense"}

    def test_a_folder_without_scribbles_is_refused(self, nifti: Path, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="absent: no patientXXX_frameYY_scribble"):
            ACDC(nifti, scribbles=tmp_path / "absent").list_cases()

    def test_damaged_checksum(self, nifti: Path) -> None:
        content = bytearray(frame(nifti).read_bytes())
        content[-8] ^= 0xFF
        frame(nifti).write_bytes(content)
        refuse(ACDC(nifti), "patient001_frame01.nii.gz: not a readable NIfTI")

    def test_label_map_of_another_shape(self, nifti: Path) -> None:
        replicas.write_nifti(frame(nifti, "_gt"), np.zeros((6, 64, 50), np.uint8))
        refuse(
            ACDC(nifti), r"frame01_gt.nii.gz: shape \(z, y, x\) is \(6, 64, 50\), that of patient001_frame01.nii.gz is"
        )

    def test_label_map_of_another_place(self, nifti: Path) -> None:
        affine = replicas.OBLIQUE_AFFINE.copy()
        affine[2, 3] += 5.0
        replicas.write_nifti(frame(nifti, "_gt"), np.zeros((6, 64, 56), np.uint8), affine)
        refuse(ACDC(nifti), "frame01_gt.nii.gz: affine differs .* by 0.5 voxels")

    def test_scribble_value_out_of_range(self, nifti: Path) -> None:
        replicas.write_nifti(frame(nifti, "_scribble"), np.full((6, 64, 56), 7, np.uint8))
        refuse(ACDC(nifti), "frame01_scribble.nii.gz.*: label value 7 is not known")


class TestMscmr:
    def test_groups_patients_and_roles(self, tmp_path: Path) -> None:
        cases = {case.uid: case for case in MSCMR(replicas.mscmr(tmp_path)).list_cases()}
        assert {uid: case.group for uid, case in cases.items() if case.patient in ("subject13", "subject1")} == {
            "subject13_DE": "train",
            "subject1_DE": "val",
        }
        assert set(cases["subject13_DE"].files) == {"image", "scribble"}
        assert set(cases["subject11_DE"].files) == {"image", "dense"}

    def test_truncated(self, tmp_path: Path) -> None:
        source = MSCMR(replicas.mscmr(tmp_path))
        path = source.list_cases()[0].files["image"]
        path.write_bytes(path.read_bytes()[:3000])
        refuse(source, f"{path}: not a readable NIfTI file .* copy it again")

    def test_scribble_value_out_of_range(self, tmp_path: Path) -> None:
        source = MSCMR(replicas.mscmr(tmp_path))
        path = tmp_path / "train" / "labels" / "subject13_DE_scribble.nii.gz"
        image = nib.load(path)
        nib.Nifti1Image(np.asarray(image.dataobj) + 3, image.affine).to_filename(path)
        index = [case.uid for case in source.list_cases()].index("subject13_DE")
        refuse(source, "subject13_DE_scribble.nii.gz: label value 5, 6, 7 is not known", index)


class TestFolder:
    def write(self, table: Path, *lines: str) -> Path:
        table.write_text("\n".join(lines) + "\n")
        return table

    def test_reads_every_column(self, table: Path) -> None:
        source = Folder(table, labels="1=RV, 2=Myo, 3=LV")
        assert dict(source.labels) == {1: "RV", 2: "Myo", 3: "LV"}
        case = source.read(source.list_cases()[0])
        assert (case.uid, case.patient, case.centre) == ("phantom001-0", "phantom001", "north")
        assert (case.group, case.modality) == ("train", "cine-MR")

    def test_labels_are_found_in_the_files(self, table: Path) -> None:
        assert Folder(table).labels == {1: "label 1", 2: "label 2", 3: "label 3"}

    def test_the_image_column_suffices(self, table: Path) -> None:
        source = Folder(self.write(table, "image", "images/phantom001-0.nii.gz"), labels="1=RV")
        (raw,) = source.list_cases()
        assert (raw.uid, raw.patient) == ("phantom001-0", "phantom001-0")
        assert source.read(raw).annotations == {}

    def test_images_joined_by_a_bar_become_channels(self, table: Path) -> None:
        both = "images/phantom001-0.nii.gz|images/phantom001-1.nii.gz"
        source = Folder(self.write(table, "image,case", f"{both},two"), labels="1=RV")
        case = source.read(source.list_cases()[0])
        assert list(source.channels) == ["image 1", "image 2"]
        assert case.image.shape == (2, 6, 64, 56)
        assert not np.array_equal(case.image[0], case.image[1])

    def test_another_number_of_channels_is_refused(self, table: Path) -> None:
        both = "images/phantom001-0.nii.gz|images/phantom001-1.nii.gz"
        source = Folder(self.write(table, "image,case", f"{both},two", "images/phantom001-0.nii.gz,one"), labels="1=RV")
        refuse(source, r"case one has 1 channels, not 2 \(image 1, image 2\)", index=1)

    def test_unknown_value_must_be_passed_if_it_is_not_255(self, table: Path) -> None:
        path = table.parent / "images" / "phantom001-0-scribble.nii.gz"
        labels = np.asarray(nib.load(path).dataobj)
        nib.Nifti1Image(np.where(labels == 255, 9, labels), replicas.OBLIQUE_AFFINE).to_filename(path)
        refuse(Folder(table), "scribble.nii.gz: no voxel is 255, the value of unknown; pass UNKNOWN")
        source = Folder(table, unknown=9)
        assert set(np.unique(source.read(source.list_cases()[0]).annotations["scribble"].labels)) == {0, 1, 2, 3, 255}

    @pytest.mark.parametrize(
        ("lines", "match"),
        [
            (("file", "a.nii.gz"), "row 1: column 'image' is missing; the columns are image, label"),
            (("Images,label", "a.nii.gz,"), "row 1: column 'image' is missing; rename 'Images' to it"),
            (("image;label", "a.nii.gz;"), "row 1: column 'image' is missing, cells are separated by semicolons; save"),
            (("image\tlabel", "a.nii.gz\t"), "row 1: column 'image' is missing, cells are separated by tabs; save"),
            (("image,lable", "a.nii.gz,b.nii.gz"), "row 1: column 'lable' is not known; rename it to 'label'"),
            (("image",), "the table has no rows"),
            (("image", "images/absent.nii.gz"), "row 2: .*absent.nii.gz: no such file; paths are relative"),
            (("image,case", ",one"), "row 2: no image"),
            (("image", "table.csv"), "row 2: .*table.csv: not a format that is read"),
            (("image", *["images/phantom001-0.nii.gz"] * 2), "row 3: case 'phantom001-0' is also in row 2"),
            (("image,case", "images/phantom001-0.nii.gz,../one"), "row 2: case name '../one' cannot name a file"),
            (("image", "images/phantom001-0.nii.gz,more"), "line 2: more cells than columns"),
        ],
    )
    def test_faults_of_the_table_name_the_row(self, table: Path, lines: tuple[str, ...], match: str) -> None:
        with pytest.raises(DataError, match=match):
            Folder(self.write(table, *lines), labels="1=RV")

    def test_a_folder_in_place_of_the_table(self, table: Path) -> None:
        with pytest.raises(DataError, match=f"{table.parent}: holds a table; name {table}, or move it away"):
            Folder(table.parent)

    @pytest.mark.parametrize(
        ("name", "match"),
        [
            ("notes.txt", "no images in it; convert them to .nii.gz, or name a table"),
            ("slice.dcm", "one DICOM series; name the folder above"),
            ("patient1_seg.nii.gz", "patient1_seg.nii.gz: named as a label map is; write a table"),
            ("patient1.seg.nrrd", "patient1.seg.nrrd: named as a label map is; write a table"),
            ("Mask-1.png", "Mask-1.png: named as a label map is; write a table"),
        ],
    )
    def test_a_folder_that_is_not_of_images(self, tmp_path: Path, name: str, match: str) -> None:
        (tmp_path / "scans").mkdir()
        (tmp_path / "scans" / name).touch()
        with pytest.raises(DataError, match=match):
            Folder(tmp_path / "scans", labels="1=RV")

    def test_channels_that_are_numbered_are_refused_and_cases_are_not(self, tmp_path: Path) -> None:
        scans = tmp_path / "scans"
        scans.mkdir()
        for name in ("patient_0001.nii.gz", "patient_0002.nii.gz"):
            (scans / name).touch()
        assert [case.uid for case in list_images(scans)] == ["patient_0001", "patient_0002"]
        (scans / "patient_0000.nii.gz").touch()
        with pytest.raises(DataError, match=r"patient_0001\.nii\.gz: by its name a second channel of patient_0000"):
            Folder(scans, labels="1=RV")

    def test_a_code_without_a_name_says_that_it_may_be_given_one(self, table: Path) -> None:
        match = "label value 2, 3 is not known; expected 0, 1 and 255 = unknown; correct the file, or name"
        refuse(Folder(table, labels="1=RV"), match)

    def test_a_table_that_is_no_text(self, table: Path) -> None:
        table.write_bytes(b"image\n\xff\xfe\xfa\n")
        with pytest.raises(DataError, match="the table cannot be read"):
            Folder(table)

    def test_no_label_anywhere(self, table: Path) -> None:
        with pytest.raises(DataError, match="no label found"):
            Folder(self.write(table, "image", "images/phantom001-0.nii.gz"))

    @pytest.mark.parametrize("labels", ["", "RV", "0=a", "255=a", "1=", "1=a,1=b", "1=a,2=a", "x=a"])
    def test_labels_that_make_no_sense(self, table: Path, labels: str) -> None:
        with pytest.raises(ConfigError, match="labels"):
            Folder(table, labels=labels)

    def test_unknown_that_is_a_label(self, table: Path) -> None:
        with pytest.raises(ConfigError, match="2 cannot be both a label and unknown"):
            Folder(table, labels="1=a,2=b", unknown=2)


class TestPhantom:
    @pytest.mark.parametrize(
        "bad", [{"cases": 0}, {"seed": -1}, {"size": 8}, {"depth": 0}, {"centres": 0}, {"centres": 5}]
    )
    def test_impossible_settings(self, bad: dict[str, int]) -> None:
        with pytest.raises(ConfigError, match=next(iter(bad))):
            Phantom(**bad)

    def test_unknown_case(self) -> None:
        with pytest.raises(DataError, match="no case phantom099_ed"):
            Phantom(cases=2).read(RawCase("phantom099_ed", "phantom099"))
