"""Pancreas-CT: layouts, the published preprocessing, the order of label maps, the withdrawn cases, bad input."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import replicas

from lesslabel.data.case import Case
from lesslabel.data.patient_lists import load_order, load_split
from lesslabel.data.sources import Pancreas
from lesslabel.data.store.prepare import prepare
from lesslabel.data.verify.store_check import verify_store
from lesslabel.errors import ConfigError, DataError

MM = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Voxels of 1 mm, so that nothing is resampled."""


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return replicas.pancreas_dicom(tmp_path, cases=2)


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    return replicas.pancreas_nifti(tmp_path, cases=2)


def write(root: Path, image: np.ndarray, label: np.ndarray, affine: np.ndarray = MM) -> Path:
    replicas.write_nifti(root / "image0007.nii.gz", image, affine)
    replicas.write_nifti(root / "label0007.nii.gz", label, affine)
    return root


def read(root: Path, label_order: str = "header") -> Case:
    source = Pancreas(root, label_order=label_order)
    return source.read(source.list_cases()[0])


def refuse(root: Path, match: str, label_order: str = "header") -> None:
    with pytest.raises(DataError, match=match) as caught:
        read(root, label_order)
    assert "\n" not in str(caught.value)


def same_labels(first: Case, second: Case) -> bool:
    return np.array_equal(first.annotations["dense"].labels, second.annotations["dense"].labels)


class TestLayouts:
    def test_a_series_and_its_conversion_are_one_case(self, tmp_path: Path) -> None:
        first = read(replicas.pancreas_dicom(tmp_path / "series", cases=2))
        second = read(replicas.pancreas_nifti(tmp_path / "converted", cases=2))
        assert first.uid == first.patient == second.uid == "PANCREAS_0001"
        assert (first.modality, first.group) == ("CT", "")
        np.testing.assert_allclose(first.image, second.image, atol=1e-4)
        np.testing.assert_allclose(first.affine, second.affine, atol=1e-5)
        assert same_labels(first, second)

    def test_cases_come_by_number_from_anywhere_below(self, tmp_path: Path) -> None:
        for name in ("b/image0010.nii.gz", "a/PANCREAS_0011.nii", "label0011.nii.gz", "c/d/label0010.nii"):
            replicas.write_nifti(tmp_path / name, np.zeros((2, 2, 2), np.uint8))
        cases = Pancreas(tmp_path).list_cases()
        assert [(case.uid, case.files["dense"].name) for case in cases] == [
            ("PANCREAS_0010", "label0010.nii"),
            ("PANCREAS_0011", "label0011.nii.gz"),
        ]

    def test_what_is_no_case_is_left_aside(self, nifti: Path) -> None:
        """Folders of withdrawn cases are empty while their labels are still there; Macs add twins."""
        (nifti / "PANCREAS_0025").mkdir()
        for name in ("label0025.nii.gz", "._image0002.nii.gz", "image0002-old.nii.gz", "LICENSE"):
            (nifti / name).touch()
        assert [case.uid for case in Pancreas(nifti).list_cases()] == ["PANCREAS_0001", "PANCREAS_0064"]

    def test_a_number_in_two_layouts_is_refused(self, series: Path) -> None:
        replicas.write_nifti(series / "image0001.nii.gz", np.zeros((2, 2, 2), np.uint8))
        with pytest.raises(DataError, match="case PANCREAS_0001 is also in"):
            Pancreas(series).list_cases()

    def test_a_label_in_two_places_is_refused(self, nifti: Path) -> None:
        replicas.write_nifti(nifti / "old" / "label0001.nii.gz", np.zeros((2, 2, 2), np.uint8))
        with pytest.raises(DataError, match="label 0001 is also in"):
            Pancreas(nifti).list_cases()

    def test_a_case_with_two_series_is_refused(self, series: Path) -> None:
        study = series / "Pancreas-CT" / "PANCREAS_0001" / "study"
        replicas.write_series(study / "scout", np.zeros((2, 4, 4), np.int16))
        with pytest.raises(DataError, match="case PANCREAS_0001 is also in"):
            Pancreas(series).list_cases()


class TestPreprocessing:
    def test_window_crop_and_normalisation_by_hand(self, tmp_path: Path) -> None:
        image = np.random.default_rng(0).integers(-1000, 1000, (12, 105, 130)).astype(np.int16)
        label = np.zeros(image.shape, np.uint8)
        label[4:6, 40:60, 40:110] = 1
        case = read(write(tmp_path, image, label))
        # z: the image has no 96; y: 25 on each side of 20 are 70, so 13 more; x: 25 on each side, but the image ends
        box = (slice(0, 12), slice(2, 98), slice(15, 130))
        windowed = np.clip(image[box].astype(np.float64), -125, 275)
        expected = (windowed - windowed.mean()) / windowed.std()
        np.testing.assert_allclose(case.image[0], expected, atol=1e-3)
        np.testing.assert_array_equal(case.annotations["dense"].labels, label[box])
        np.testing.assert_allclose(case.affine, [[-1, 0, 0, -15], [0, -1, 0, -2], [0, 0, 1, 0], [0, 0, 0, 1]])

    @pytest.mark.parametrize("layout", ["series", "nifti"])
    def test_the_organ_stays_where_it_was(self, layout: str, request: pytest.FixtureRequest) -> None:
        """Its centre in mm, of the raw label map and of the case, to half a voxel."""
        root = request.getfixturevalue(layout)
        raw = nib.load(next(root.rglob("label0001.nii.gz")))
        before = raw.affine @ [*np.argwhere(np.asarray(raw.dataobj)).mean(axis=0), 1]
        case = read(root)
        after = case.affine @ [*np.argwhere(case.annotations["dense"].labels.T).mean(axis=0), 1]
        np.testing.assert_allclose(after, before, atol=0.5)
        assert case.spacing_mm == (1.0, 1.0, 1.0)

    def test_without_a_label_the_image_is_whole(self, tmp_path: Path) -> None:
        image = np.random.default_rng(0).integers(-100, 200, (10, 98, 99)).astype(np.int16)
        label = np.zeros(image.shape, np.uint8)
        label[5, 50, 50] = 1
        write(tmp_path, image, label)
        assert read(tmp_path).shape == (10, 96, 96)
        (tmp_path / "label0007.nii.gz").unlink()
        case = read(tmp_path)
        assert case.shape == image.shape
        assert case.annotations == {}
        np.testing.assert_allclose(case.affine, MM)

    @pytest.mark.parametrize(
        ("image", "label", "match"),
        [
            (np.full((3, 4, 5), -500), np.ones((3, 4, 5)), "image0007.nii.gz: nothing between -125 and 275 HU"),
            (np.zeros((2, 3, 4, 5)), np.ones((3, 4, 5)), "image0007.nii.gz: 2 channels; expected a CT of one"),
            (np.eye(4)[None], np.zeros((1, 4, 4)), "label0007.nii.gz: no voxel is 1, the pancreas"),
            (np.eye(4)[None], np.full((1, 4, 4), 2), "label0007.nii.gz: label value 2 is not known; expected 0, 1"),
        ],
    )
    def test_what_is_no_ct_or_label_is_refused(self, image, label, match: str, tmp_path: Path) -> None:
        refuse(write(tmp_path, image.astype(np.int16), label.astype(np.uint8)), match)


class TestLabelOrder:
    """An image of 12×40×44 voxels, the organ in one corner."""

    AFFINE = np.array([[-0.9, 0, 0, 80.0], [0, -0.9, 0, 95.0], [0, 0, 1.5, -40.0], [0, 0, 0, 1]])

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        image = np.random.default_rng(0).integers(-100, 200, (12, 40, 44)).astype(np.int16)
        label = np.zeros(image.shape, np.uint8)
        label[1:4, 2:12, 3:20] = 1
        return write(tmp_path, image, label, self.AFFINE)

    def rewrite(self, root: Path, change: Callable[[nib.Nifti1Image], nib.Nifti1Image]) -> None:
        path = root / "label0007.nii.gz"
        label = nib.load(path)
        changed = change(nib.Nifti1Image(np.asarray(label.dataobj), label.affine))
        nib.Nifti1Image(np.asarray(changed.dataobj), changed.affine).to_filename(path)

    @pytest.mark.parametrize("code", ["RAS", "LPS", "SRA", "ALI"])
    def test_a_header_that_says_how_is_followed(self, root: Path, code: str) -> None:
        """Axes in another order or direction, and an affine that says so."""
        expected = read(root)
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(self.AFFINE), nib.orientations.axcodes2ornt(tuple(code))
        )
        self.rewrite(root, lambda label: label.as_reoriented(turn))
        if code in ("SRA", "ALI"):
            assert nib.load(root / "label0007.nii.gz").shape != (44, 40, 12)
        assert same_labels(read(root), expected)

    @pytest.mark.parametrize(
        "affine",
        [
            np.diag([0.9, 0.9, 1.5, 1.0]),  # another direction and no origin
            AFFINE @ np.diag([1.0, -1.0, 1.0, 1.0]),  # rows the other way, the origin not moved
            np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1.5], [0, 0, 0, 1]]) @ AFFINE,  # one slice higher
        ],
    )
    def test_a_header_that_is_elsewhere_is_refused_and_may_be_ignored(self, root: Path, affine: np.ndarray) -> None:
        expected = read(root)
        self.rewrite(root, lambda label: nib.Nifti1Image(np.asarray(label.dataobj), affine))
        refuse(root, "label0007.nii.gz: affine differs from that of image0007.nii.gz by .* pass LABEL_ORDER stored")
        assert same_labels(read(root, "stored"), expected)

    @pytest.mark.parametrize("order", ["y", "z", "xy", "zyx"])
    def test_axes_may_be_reversed(self, root: Path, order: str) -> None:
        expected = read(root)
        axes = tuple("xyz".index(axis) for axis in order)
        self.rewrite(root, lambda label: nib.Nifti1Image(np.flip(label.dataobj, axes), np.diag([0.9, 0.9, 1.5, 1])))
        assert same_labels(read(root, order), expected)
        assert not same_labels(read(root, "stored"), expected)

    def test_a_series_counts_its_slices_from_the_first_even_from_head_to_feet(self, tmp_path: Path) -> None:
        image = np.random.default_rng(0).integers(-100, 200, (6, 8, 10)).astype(np.int16)
        label = np.zeros(image.shape, np.uint8)
        label[0, 1, 2] = 1
        replicas.write_series(tmp_path / "PANCREAS_0001", image, MM @ np.diag([1, 1, -1, 1]))
        replicas.write_nifti(tmp_path / "label0001.nii.gz", label, MM)
        refuse(tmp_path, "label0001.nii.gz: affine differs from that of PANCREAS_0001 by")
        case = read(tmp_path, "stored")
        assert np.argwhere(case.annotations["dense"].labels).tolist() == [[0, 1, 2]]
        np.testing.assert_allclose(case.affine[:, 2], [0, 0, -1, 0])

    @pytest.mark.parametrize(
        ("shape", "spacing_mm"), [((44, 40, 11), (0.9, 0.9, 1.5)), ((44, 40, 12), (0.9, 0.9, 1.0))]
    )
    def test_maps_of_another_series_are_refused(self, root: Path, shape, spacing_mm) -> None:
        self.rewrite(root, lambda _: nib.Nifti1Image(np.ones(shape, np.uint8), np.diag([*spacing_mm, 1.0])))
        refuse(root, r"label0007.nii.gz: \(1[12], 40, 44\) voxels of .*; they are not of one series", "stored")

    @pytest.mark.parametrize("order", ["", "none", "yy", "a", "header y"])
    def test_an_order_that_is_none_is_refused(self, root: Path, order: str) -> None:
        with pytest.raises(ConfigError, match="choose header, stored, or the axes to reverse, such as y"):
            Pancreas(root, label_order=order)


class TestLists:
    NAMES = frozenset(f"PANCREAS_{number:04d}" for number in range(1, 83))

    def test_all_82_cases(self) -> None:
        parts = load_split("pancreas/published_62_20")
        assert [len(parts[part]) for part in ("train", "validation", "test")] == [62, 0, 20]
        assert {*parts["train"], *parts["test"]} == self.NAMES
        assert "PANCREAS_0070" in parts["train"]
        assert "PANCREAS_0025" in parts["test"]

    def test_the_80_that_are_left(self) -> None:
        parts = load_split("pancreas/published_62_18")
        assert [len(parts[part]) for part in ("train", "validation", "test")] == [62, 0, 18]
        assert {*parts["train"], *parts["test"]} == self.NAMES - Pancreas.withdrawn.keys()

    @pytest.mark.parametrize("name", ["62_20", "62_18"])
    def test_the_orders_are_the_training_lists(self, name: str) -> None:
        order = load_order(f"pancreas/order_published_{name}")
        assert tuple(order) == load_split(f"pancreas/published_{name}")["train"]


class TestWithdrawn:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Path:
        for number, case in zip((2, 25, 70), replicas.hearts(3, seed=0), strict=True):
            image = np.rint(case.image[0]).astype(np.int16)
            replicas.write_nifti(tmp_path / "raw" / f"PANCREAS_{number:04d}.nii.gz", image, replicas.CT_AFFINE)
        prepare(Pancreas(tmp_path / "raw"), tmp_path / "store")
        return tmp_path / "store"

    def test_the_pair_is_a_warning(self, store: Path) -> None:
        findings = verify_store(store)
        assert [(finding.case, finding.severity) for finding in findings] == [
            ("PANCREAS_0025", "warning"),
            ("PANCREAS_0070", "warning"),
        ]
        assert findings[0].problem == "withdrawn by the publisher: it repeats patient PANCREAS_0002"

    def test_copies_in_training_and_test_are_a_warning_where_the_list_says_so(self, store: Path) -> None:
        findings = [one for one in verify_store(store, split="pancreas/published_62_20") if "withdrawn" in one.problem]
        assert [finding.severity for finding in findings] == ["warning", "warning"]
        assert all(finding.cause.endswith("twice in training and once in the test part") for finding in findings)
        expected = ", and the split has PANCREAS_0002 and PANCREAS_0025 and PANCREAS_0070 in different parts"
        assert all(finding.problem.endswith(expected) for finding in findings)

    def test_a_split_without_them_leaves_the_warning(self, store: Path) -> None:
        findings = [one for one in verify_store(store, split="pancreas/published_62_18") if "withdrawn" in one.problem]
        assert [finding.severity for finding in findings] == ["warning", "warning"]

    def test_the_others_are_sound(self, series: Path, tmp_path: Path) -> None:
        prepare(Pancreas(series), tmp_path / "store")
        assert verify_store(tmp_path / "store") == []
