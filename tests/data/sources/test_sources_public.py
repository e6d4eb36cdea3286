"""What is particular to each of the larger public layouts, and what they refuse."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import replicas
import replicas_public
import SimpleITK

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.sources import BTCV, CHAOS, HC18, MSD, PROMISE12, WORD, BraTS, KiTS, MedScribble, Source
from lesslabel.errors import ConfigError, DataError
from lesslabel.runs.config_files import read_config

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def read_all(source: Source) -> list[Case]:
    return [source.read(raw) for raw in source.list_cases()]


def refuse(source: Source, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read_all(source)
    assert "\n" not in str(caught.value)


def stored(path: Path) -> np.ndarray:
    """What a NIfTI file holds, as (z, y, x)."""
    return np.asarray(nib.load(path).dataobj).T


class TestWord:
    def test_folders_are_the_official_parts(self, tmp_path: Path) -> None:
        cases = read_all(WORD(replicas_public.word(tmp_path, cases=4)))
        assert [case.group for case in cases] == ["train", "train", "val", "test"]
        assert [set(case.annotations) for case in cases] == [{"dense", "scribble"}] * 2 + [{"dense"}] * 2

    def test_scribbles_with_another_value_of_unknown_are_refused_until_it_is_passed(self, tmp_path: Path) -> None:
        raw = replicas_public.word(tmp_path, cases=3)
        path = raw / "scribblesTr" / "word_0001.nii.gz"
        values = stored(path)
        replicas.write_nifti(path, np.where(values == IGNORE, np.uint8(17), values))
        refuse(WORD(raw), "scribblesTr/word_0001.nii.gz: no voxel is 255, the value of unknown; pass UNKNOWN")
        source = WORD(raw, unknown=17)
        np.testing.assert_array_equal(source.read(source.list_cases()[0]).annotations["scribble"].labels, values)

    @pytest.mark.parametrize("config", ["dmpls", "pce"])
    def test_the_configurations_name_the_seven_organs_as_the_layout_does(self, config: str) -> None:
        view = read_config(CONFIGS / "word" / f"{config}.yaml")["data"]["init_args"]["view"]
        assert [WORD.labels[code] for (code,) in view["labels"].values()] == list(view["labels"])
        assert len(view["labels"]) == 7


class TestMsd:
    def test_the_fourth_dimension_is_channels_named_by_the_description(self, tmp_path: Path) -> None:
        source = MSD(replicas_public.msd_4d(tmp_path, cases=1))
        (case,) = read_all(source)
        assert list(source.channels) == ["T2", "ADC"]
        np.testing.assert_array_equal(case.image, stored(tmp_path / "imagesTr" / "prostate_00.nii.gz"))

    def test_slices_of_a_label_are_those_that_hold_it(self, tmp_path: Path) -> None:
        raw = replicas_public.msd_4d(tmp_path, cases=3)
        volumes = {case.uid: case for case in read_all(MSD(raw))}
        slices = read_all(MSD(raw, slices_of=2))
        expected = [
            f"{uid}_z{index:03d}"
            for uid, case in volumes.items()
            for index in range(case.shape[0])
            if (case.annotations["dense"].labels[index] == 2).any()
        ]
        assert [case.uid for case in slices] == expected
        assert 0 < len(slices) < sum(case.shape[0] for case in volumes.values())
        for case in slices:
            volume, index = volumes[case.patient], int(case.uid[-3:])
            np.testing.assert_array_equal(case.image[:, 0], volume.image[:, index])
            np.testing.assert_array_equal(
                case.annotations["dense"].labels[0], volume.annotations["dense"].labels[index]
            )
            assert case.spacing_mm == volume.spacing_mm
            np.testing.assert_allclose(case.affine @ [3, 4, 0, 1], volume.affine @ [3, 4, index, 1])

    def test_a_slice_reads_alike_whatever_was_read_before(self, tmp_path: Path) -> None:
        source = MSD(replicas_public.msd_4d(tmp_path, cases=2), slices_of=1)
        raws = source.list_cases()
        forwards, backwards = [source.read(raw) for raw in raws], [source.read(raw) for raw in reversed(raws)]
        for first, second in zip(forwards, reversed(backwards), strict=True):
            np.testing.assert_array_equal(first.image, second.image)

    def test_slices_of_no_label(self, tmp_path: Path) -> None:
        raw = replicas_public.msd_4d(tmp_path, cases=1)
        with pytest.raises(ConfigError, match="slices_of is 3; choose among the labels 1 PZ, 2 TZ"):
            MSD(raw, slices_of=3)
        path = raw / "labelsTr" / "prostate_00.nii.gz"
        replicas.write_nifti(path, np.minimum(stored(path), 1))
        with pytest.raises(DataError, match="no slice holds label 2, TZ"):
            MSD(raw, slices_of=2)


class TestBrats:
    def test_channels_come_in_one_order_whatever_the_release(self, tmp_path: Path) -> None:
        for make, flair, contrast in (
            (replicas_public.brats, "flair", "t1ce"),
            (replicas_public.brats_2023, "t2f", "t1c"),
        ):
            raw = tmp_path / make.__name__
            source = BraTS(make(raw, cases=1))
            (case,) = read_all(source)
            assert list(source.channels) == ["FLAIR", "T1", "T1c", "T2"]
            for channel, name in ((0, flair), (2, contrast)):
                (path,) = raw.rglob(f"*{name}.nii.gz")
                np.testing.assert_array_equal(case.image[channel], stored(path))

    def test_codes_are_those_of_the_release(self, tmp_path: Path) -> None:
        old, new = (
            BraTS(make(tmp_path / make.__name__, cases=2))
            for make in (replicas_public.brats, replicas_public.brats_2023)
        )
        assert (set(old.labels), set(new.labels)) == ({1, 2, 4}, {1, 2, 3})
        assert [case.patient for case in new.list_cases()] == ["BraTS-GLI-00000"] * 2

    def test_both_releases_at_once_are_refused(self, tmp_path: Path) -> None:
        replicas_public.brats(tmp_path, cases=1)
        replicas_public.brats_2023(tmp_path, cases=1)
        with pytest.raises(
            DataError, match="BraTS20_Training_001 and BraTS-GLI-00000-000 are of releases whose labels"
        ):
            BraTS(tmp_path)

    def test_a_missing_channel_is_named(self, tmp_path: Path) -> None:
        raw = replicas_public.brats(tmp_path, cases=1)
        next(raw.rglob("*_t1ce.nii.gz")).unlink()
        with pytest.raises(DataError, match=r"no BraTS20_Training_001_t1ce.nii.gz, the T1c of this case"):
            BraTS(raw)

    def test_cases_without_labels_are_unlabelled(self, tmp_path: Path) -> None:
        raw = replicas_public.brats(tmp_path, cases=1)
        next(raw.rglob("*_seg.nii.gz")).unlink()
        assert read_all(BraTS(raw))[0].annotations == {}


class TestBtcv:
    @pytest.mark.parametrize("below", [".", "RawData", "RawData/Training"])
    def test_is_found_from_any_folder_above(self, tmp_path: Path, below: str) -> None:
        replicas_public.btcv(tmp_path, cases=3)
        assert len(BTCV(tmp_path / below).list_cases()) == 3

    def test_the_test_part_is_unlabelled(self, tmp_path: Path) -> None:
        raw = replicas_public.btcv(tmp_path, cases=2)
        (raw / "RawData/Testing").mkdir()
        shutil.move(raw / "RawData/Training/img", raw / "RawData/Testing/img")
        assert [case.annotations for case in read_all(BTCV(raw))] == [{}, {}]


class TestKits:
    def test_axes_are_put_in_order_and_every_voxel_stays_in_its_place(self, tmp_path: Path) -> None:
        raw = replicas_public.kits(tmp_path, cases=1)
        path = raw / "data/case_00000/imaging.nii.gz"
        (case,) = read_all(KiTS(raw))
        file = nib.load(path)
        np.testing.assert_array_equal(case.image[0], np.asarray(file.dataobj))  # stored (z, y, x)
        assert case.spacing_mm == pytest.approx(replicas.SPACING_MM)
        for z, y, x in ((0, 0, 0), (3, 40, 5)):
            np.testing.assert_allclose(case.affine @ [x, y, z, 1], file.affine @ [z, y, x, 1], atol=1e-4)
        np.testing.assert_array_equal(
            case.annotations["dense"].labels, np.asarray(nib.load(path.with_name("segmentation.nii.gz")).dataobj)
        )

    def test_files_that_are_in_order_stay_as_they_are(self, tmp_path: Path) -> None:
        image = np.arange(3 * 8 * 6, dtype=np.int16).reshape(3, 8, 6)
        path = replicas.write_nifti(tmp_path / "case_00001" / "imaging.nii.gz", image)
        (case,) = read_all(KiTS(tmp_path))
        np.testing.assert_array_equal(case.image[0], image)
        np.testing.assert_array_equal(case.affine, nib.load(path).affine)

    def test_the_aggregate_of_2021_is_read_and_a_case_without_image_left_aside(self, tmp_path: Path) -> None:
        raw = replicas_public.kits(tmp_path, cases=2)
        first, second = (raw / "data" / f"case_0000{number}" for number in (0, 1))
        (first / "segmentation.nii.gz").rename(first / "aggregated_MAJ_seg.nii.gz")
        (second / "imaging.nii.gz").unlink()
        (case,) = KiTS(raw).list_cases()
        assert set(case.files) == {"image", "dense"}


class TestChaos:
    def test_pictures_and_slices_pair_by_file_name(self, tmp_path: Path) -> None:
        raw = replicas_public.chaos(tmp_path, cases=1)
        (case,) = read_all(CHAOS(raw))
        (heart,) = replicas.hearts(1, seed=6)
        np.testing.assert_array_equal(case.annotations["dense"].labels, heart.annotations["dense"].labels[::-1, :, :-8])
        top, bottom = (case.affine @ [0, 0, z, 1] for z in (0, 5))
        np.testing.assert_allclose((top - bottom)[:3], [0, 0, 10], atol=1e-6)  # the replica counts from the last slice

    def test_one_channel_a_phase(self, tmp_path: Path) -> None:
        source = CHAOS(replicas_public.chaos(tmp_path, "t1dual", cases=1), sequence="t1dual")
        assert list(source.channels) == ["in phase", "out of phase"]
        assert read_all(source)[0].image.shape == (2, 6, 64, 56)

    def test_grey_values_that_stand_for_no_organ(self, tmp_path: Path) -> None:
        raw = replicas_public.chaos(tmp_path, cases=1)
        replicas_public.write_png(next(raw.rglob("*00003.png")), np.full((64, 56), 90, np.uint8))
        refuse(CHAOS(raw), r"00003.png: grey value 90 is no organ")

    def test_a_picture_too_few(self, tmp_path: Path) -> None:
        raw = replicas_public.chaos(tmp_path, cases=1)
        next(raw.rglob("*00003.png")).unlink()
        refuse(CHAOS(raw), "Ground: 5 pictures for 6 slices")

    def test_a_picture_in_colour_or_damaged(self, tmp_path: Path) -> None:
        raw = replicas_public.chaos(tmp_path, cases=1)
        path = next(raw.rglob("*00003.png"))
        replicas_public.write_png(path, np.zeros((64, 56, 3), np.uint8))
        refuse(CHAOS(raw), r"00003.png: 3 channels, 1 pages; expected one grey picture")
        path.write_bytes(b"no picture")
        refuse(CHAOS(raw), r"00003.png: not a readable ")

    def test_a_sequence_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="sequence is 't1'; choose among ct, t1dual, t2spir"):
            CHAOS(tmp_path, sequence="t1")


class TestHc18:
    def test_an_outline_encloses_the_head(self, tmp_path: Path) -> None:
        *_, last = cases = read_all(HC18(replicas_public.hc18(tmp_path)))
        rows, columns = np.mgrid[:64, :56]
        for case, centre in ((cases[0], 30), (last, 8)):
            ellipse = ((rows - centre) / 15.5) ** 2 + ((columns - 28) / 18.5) ** 2 <= 1  # to the outline's outer edge
            head = case.annotations["dense"].labels[0] > 0
            assert 2 * (head & ellipse).sum() / (head.sum() + ellipse.sum()) > 0.98
        assert head[0].any()  # it goes on to the border that it leaves the image by

    def test_images_of_one_examination_are_of_one_patient(self, tmp_path: Path) -> None:
        cases = {case.uid: case.patient for case in HC18(replicas_public.hc18(tmp_path, cases=3)).list_cases()}
        assert cases["training_000_HC"] == cases["training_000_2HC"] != cases["training_001_HC"]

    def test_pixels_have_the_size_of_the_table(self, tmp_path: Path) -> None:
        raw = replicas_public.hc18(tmp_path, cases=2)
        assert read_all(HC18(raw))[1].spacing_mm == (1.0, replicas_public.PIXEL_MM, replicas_public.PIXEL_MM)
        table = raw / "training_set_pixel_size_and_HC.csv"
        table.write_text("filename,pixel size(mm)\n")
        refuse(HC18(raw), f"{table}: no pixel size of 000_2HC.png")
        table.write_text("name,size\n000_HC.png,0.1\n")
        refuse(HC18(raw), f"{table}: not a table with 'filename' and 'pixel size")

    def test_an_empty_outline(self, tmp_path: Path) -> None:
        raw = replicas_public.hc18(tmp_path, cases=2)
        replicas_public.write_png(raw / "training_set/000_HC_Annotation.png", np.zeros((64, 56), np.uint8))
        refuse(HC18(raw), "000_HC_Annotation.png: no outline in it")


class TestPROMISE12:
    def test_a_test_image_is_another_person_and_unlabelled(self, tmp_path: Path) -> None:
        *labelled, test = PROMISE12(replicas_public.promise12(tmp_path, cases=3, with_test=True)).list_cases()
        assert [raw.uid for raw in labelled] == ["Case00", "Case01"]
        assert all("dense" in raw.files for raw in labelled)
        assert (test.uid, test.patient, list(test.files)) == ("test_Case00", "test_Case00", ["image"])

    def test_the_prostate_lies_where_it_was_drawn(self, tmp_path: Path) -> None:
        raw = replicas_public.promise12(tmp_path, cases=2, with_test=True)
        first, test = read_all(PROMISE12(raw))
        drawn = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(raw / "training_data" / "Case00_segmentation.mhd"))
        np.testing.assert_array_equal(first.annotations["dense"].labels, drawn)
        assert first.modality == "MR"
        assert not test.annotations

    def test_lost_voxels_are_named(self, tmp_path: Path) -> None:
        raw = replicas_public.promise12(tmp_path, cases=2)
        (raw / "training_data" / "Case00_segmentation.raw").unlink()
        refuse(PROMISE12(raw), "Case00_segmentation")


class TestMedScribble:
    def test_strokes_of_both_sides_and_what_contradicts_itself(self, tmp_path: Path) -> None:
        raw = replicas_public.medscribble(tmp_path, cases=1)
        (case,) = read_all(MedScribble(raw))
        painted = np.load(next(raw.rglob("scribble_1.npy"))) > 0.5
        labels = case.annotations["scribble1"].labels[0]
        assert painted.all(axis=0).sum() == 1
        assert (labels[painted.all(axis=0)] == IGNORE).all()
        np.testing.assert_array_equal(labels == 1, painted[0] & ~painted[1])
        np.testing.assert_array_equal(labels == 0, painted[1] & ~painted[0])

    def test_centre_patient_and_name(self, tmp_path: Path) -> None:
        (case, *_) = MedScribble(replicas_public.medscribble(tmp_path, cases=1)).list_cases()
        assert case.uid == "ACDC-release-subject0_axis0_midslice"
        assert (case.patient, case.centre) == ("ACDC-release-subject0", "ACDC")

    def test_an_annotator_who_drew_nothing_has_no_annotation(self, tmp_path: Path) -> None:
        raw = replicas_public.medscribble(tmp_path, cases=1)
        np.save(next(raw.rglob("scribble_0.npy")), np.zeros((2, 64, 56), np.float32))
        (case,) = read_all(MedScribble(raw))
        assert set(case.annotations) == {"dense", "scribble1", "scribble2"}

    def test_damaged(self, tmp_path: Path) -> None:
        raw = replicas_public.medscribble(tmp_path, cases=1)
        next(raw.rglob("img.npy")).write_bytes(b"no array")
        refuse(MedScribble(raw), "img.npy: not readable as an array")
