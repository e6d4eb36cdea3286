"""Hospitals and raters: two folder layouts, a table, and what is refused."""

import csv
from pathlib import Path

import numpy as np
import pytest
import replicas

from lesslabel.data.case import Case, Kind
from lesslabel.data.sources import NPC, Folder, Source
from lesslabel.errors import DataError

SHAPE = (3, 8, 6)


def write(path: Path, value: int = 1) -> Path:
    """An image or label map of zeros with one block."""
    array = np.zeros(SHAPE, np.uint8)
    array[1, 2:5, 2:4] = value
    return replicas.write_nifti(path, array)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """SCH: three raters for 1 and 2, nothing for 3. SMU: one label map for 1, nothing for 2."""
    for patient in "123":
        write(tmp_path / "SCH" / patient / "image.nii.gz")
    for patient in "12":
        for rater in ("1", "rater2", "Anna"):
            write(tmp_path / "SCH" / patient / f"label_{rater}.nii.gz")
        write(tmp_path / "SMU" / "images" / f"{patient}.nii.gz")
    write(tmp_path / "SMU" / "labels" / "1.nii")
    return tmp_path


def make_table(folder: Path, header: str, *rows: str) -> Path:
    for name in ("a", "a-1", "a-2", "b"):
        write(folder / f"{name}.nii.gz")
    table = folder / "table.csv"
    table.write_text("\n".join((header, *rows)) + "\n")
    return table


def read_all(source: Source) -> list[Case]:
    return [source.read(case) for case in source.list_cases()]


def refuse(raw: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read_all(NPC(raw))
    assert "\n" not in str(caught.value)


def test_cases_are_named_by_centre_and_patient(raw: Path) -> None:
    cases = NPC(raw).list_cases()
    assert [case.uid for case in cases] == ["SCH_1", "SCH_2", "SCH_3", "SMU_1", "SMU_2"]
    assert [case.patient for case in cases] == [case.uid for case in cases]
    assert [case.centre for case in cases] == [case.uid[:3] for case in cases]
    assert {case.modality for case in cases} == {"T1c-MR"}


def test_label_maps_become_annotations_with_the_raters_names(raw: Path) -> None:
    cases = {case.uid: case for case in read_all(NPC(raw))}
    assert {uid: sorted(case.annotations) for uid, case in cases.items()} == {
        "SCH_1": ["Anna", "rater1", "rater2"],
        "SCH_2": ["Anna", "rater1", "rater2"],
        "SCH_3": [],
        "SMU_1": ["dense"],
        "SMU_2": [],
    }
    anna, dense = cases["SCH_1"].annotations["Anna"], cases["SMU_1"].annotations["dense"]
    assert (anna.kind, anna.author, dense.author) == (Kind.DENSE, "Anna", "")
    assert anna.labels.sum() == 6


def test_the_raters_of_the_layout_by_kind(raw: Path) -> None:
    for rater in ("1", "2"):
        write(raw / "SMU" / f"labels_{rater}" / "1.nii.gz")
    files = {case.uid: case.files for case in NPC(raw).list_cases()}
    assert sorted(files["SMU_1"]) == ["dense", "image", "rater1", "rater2"]
    assert sorted(files["SMU_2"]) == ["image"]


def test_other_files_and_folders_are_left_aside(raw: Path) -> None:
    before = NPC(raw).list_cases()
    for name in ("SCH/1/._image.nii.gz", "SCH/1/t2.nii.gz", "SCH/notes.txt", ".cache/1/x", "papers/npc.pdf"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).touch()
    assert NPC(raw).list_cases() == before


def test_a_table_names_centres_and_raters(tmp_path: Path) -> None:
    header = "image,label,label_1,label_2,centre,patient,split,modality"
    rows = ("a.nii.gz,,a-1.nii.gz,a-2.nii.gz,SCH,anna,test,T2-MR", "b.nii.gz,b.nii.gz,,,SMU,,,")
    first, second = read_all(NPC(make_table(tmp_path, header, *rows)))
    assert (first.uid, first.patient, first.centre, first.group, first.modality) == (
        ("a", "anna", "SCH", "test", "T2-MR")
    )
    assert sorted(first.annotations) == ["rater1", "rater2"]
    assert (second.uid, second.centre, second.modality, list(second.annotations)) == ("b", "SMU", "T1c-MR", ["dense"])


def test_an_empty_cell_of_a_rater_is_meant(tmp_path: Path) -> None:
    table = make_table(
        tmp_path, "image,label_1,label_2,centre", "a.nii.gz,a-1.nii.gz,,SCH", "b.nii.gz,b.nii.gz,a.nii.gz,SCH"
    )
    assert [sorted(case.annotations) for case in read_all(NPC(table))] == [["rater1"], ["rater1", "rater2"]]


def test_a_users_own_table_may_have_raters_too(tmp_path: Path) -> None:
    write(tmp_path / "five.nii.gz", 5)
    source = Folder(make_table(tmp_path, "image,label_1,label_anna", "a.nii.gz,a-1.nii.gz,five.nii.gz"))
    assert source.labels == {1: "label 1", 5: "label 5"}
    assert sorted(source.read(source.list_cases()[0]).annotations) == ["anna", "rater1"]


def test_the_replica_reads_the_same_from_a_table(tmp_path: Path) -> None:
    raw = replicas.npc(tmp_path, patients=1)
    folders = NPC(raw)
    rows = [
        {
            "case": case.uid,
            "patient": case.patient,
            "centre": case.centre,
            **{
                ("label" if role == "dense" else role.replace("rater", "label_")): path
                for role, path in case.files.items()
            },
        }
        for case in folders.list_cases()
    ]
    with (raw / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted({key for row in rows for key in row}), restval="")
        writer.writeheader()
        writer.writerows(rows)
    for first, second in zip(read_all(folders), read_all(NPC(raw / "table.csv")), strict=True):
        assert (first.uid, first.patient, first.centre) == (second.uid, second.patient, second.centre)
        assert first.annotations.keys() == second.annotations.keys()
        for name, annotation in first.annotations.items():
            np.testing.assert_array_equal(annotation.labels, second.annotations[name].labels)


class TestRefused:
    def test_a_rater_who_left_one_patient_out(self, raw: Path) -> None:
        (raw / "SCH" / "2" / "label_rater2.nii.gz").unlink()
        refuse(raw, r"SCH/2/image.nii.gz: no label map of rater2, who annotated others of SCH; add it, or list")

    def test_raters_of_one_centre_need_not_be_at_another(self, raw: Path) -> None:
        write(raw / "SMU" / "labels_4" / "1.nii.gz")
        assert sorted(NPC(raw).list_cases()[3].files) == ["dense", "image", "rater4"]

    @pytest.mark.parametrize("name", ["image.nii", "image_t2.nii.gz"])
    def test_two_images_of_a_patient(self, raw: Path, name: str) -> None:
        write(raw / "SCH" / "1" / name)
        refuse(raw, "SCH/1/image.*: there is image.* too, and a patient has one image; keep one, or list")

    def test_a_patient_in_both_layouts(self, raw: Path) -> None:
        write(raw / "SCH" / "images" / "1.nii.gz")
        refuse(raw, "SCH/images/1.nii.gz: case SCH_1 is also in .*SCH/1/image.nii.gz")

    def test_a_patient_twice_in_one_layout(self, raw: Path) -> None:
        write(raw / "SMU" / "images" / "1.nii")
        refuse(raw, "SMU/images/1.nii.gz: there is 1.nii too")

    def test_a_patient_without_image(self, raw: Path) -> None:
        (raw / "SCH" / "3" / "image.nii.gz").unlink()
        refuse(raw, "SCH/3: no image.nii.gz in it; expected <centre>/<patient>/image.nii.gz")

    def test_a_label_map_without_image(self, raw: Path) -> None:
        write(raw / "SMU" / "labels" / "7.nii.gz")
        refuse(raw, "SMU/labels/7.nii.gz: no image of that name in .*SMU/images; add it or rename")

    def test_one_rater_under_two_names(self, raw: Path) -> None:
        write(raw / "SCH" / "1" / "label_rater1.nii.gz")
        refuse(raw, "label_rater1.nii.gz: there is label_1.nii.gz too, and both are annotation 'rater1'; keep one")

    @pytest.mark.parametrize("rater", ["dense", "scribble", "image", "", "-a", "a b"])
    def test_a_rater_that_cannot_be_named(self, raw: Path, rater: str) -> None:
        write(raw / "SCH" / "1" / f"label_{rater}.nii.gz")
        refuse(raw, f"'label_{rater}' names no rater; write label_1 or label_anna")

    def test_another_shape(self, raw: Path) -> None:
        replicas.write_nifti(raw / "SCH" / "2" / "label_1.nii.gz", np.zeros((3, 8, 5), np.uint8))
        refuse(raw, r"label_1.nii.gz: shape \(z, y, x\) is \(3, 8, 5\), that of image.nii.gz is \(3, 8, 6\)")

    def test_another_place(self, raw: Path) -> None:
        affine = replicas.OBLIQUE_AFFINE.copy()
        affine[2, 3] += 5.0
        replicas.write_nifti(raw / "SMU" / "labels" / "1.nii", np.zeros(SHAPE, np.uint8), affine)
        refuse(raw, "labels/1.nii: affine differs from that of 1.nii.gz by 0.5 voxels")

    def test_another_label(self, raw: Path) -> None:
        write(raw / "SMU" / "labels" / "1.nii", 2)
        refuse(raw, "labels/1.nii: label value 2 is not known; expected 0, 1 and 255 = unknown")

    def test_two_channels(self, raw: Path) -> None:
        replicas.write_nifti(raw / "SCH" / "3" / "image.nii.gz", np.ones((2, *SHAPE), np.int16))
        refuse(raw, r"case SCH_3 has 2 channels, not 1 \(image\)")

    @pytest.mark.parametrize(
        ("lines", "match"),
        [
            (("image,label", "a.nii.gz,a.nii.gz"), "row 1: column 'centre' is missing"),
            (("image,centre", "a.nii.gz,SMU", "b.nii.gz,"), "row 3: no centre; fill in column 'centre'"),
            (
                ("image,centre,label_1,label_rater1", "a.nii.gz,S,b.nii.gz,b.nii.gz"),
                "'label_rater1' is 'rater1', as is",
            ),
            (("image,centre,label_a b", "a.nii.gz,S,b.nii.gz"), "row 1: 'label_a b' names no rater"),
            (("image,centre,label_1", "a.nii.gz,S,c.nii.gz"), "row 2: .*c.nii.gz: no such file"),
        ],
    )
    def test_faults_of_a_table(self, tmp_path: Path, lines: tuple[str, ...], match: str) -> None:
        refuse(make_table(tmp_path, *lines), f"table.csv, .*{match}")
