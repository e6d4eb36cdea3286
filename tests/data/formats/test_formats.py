"""Every format against SimpleITK or Pillow: values, channels, and where a voxel lies in the patient."""

import locale
import os
from pathlib import Path

import numpy as np
import pytest
import replicas
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from itk_images import to_itk, write_segmentation
from PIL import Image

from lesslabel.data.case import IGNORE
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.reading import read_image, read_label_map, read_labels, without_ending
from lesslabel.errors import DataError

IMAGE = np.arange(3 * 5 * 4, dtype=np.int16).reshape(3, 5, 4) - 20
GRID = NiftiVolume(np.zeros((1, 3, 5, 4), np.float32), replicas.SPACING_MM, replicas.OBLIQUE_AFFINE, Path("image.nrrd"))
NAMES = {1: "liver", 2: "spleen"}
FORMATS = ("nrrd", "nhdr", "mha", "mhd", "nii", "nii.gz")


def refuse(path: Path, match: str, read=read_image) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


class TestAgainstSimpleITK:
    @pytest.mark.parametrize("ending", FORMATS)
    @pytest.mark.parametrize("compressed", [False, True])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_values_and_channels(self, tmp_path: Path, ending: str, compressed: bool, channels: int) -> None:
        array = np.stack([IMAGE + 100 * index for index in range(channels)], axis=-1)
        image = to_itk(array if channels > 1 else IMAGE, channels=channels > 1)
        SimpleITK.WriteImage(image, path := tmp_path / f"a.{ending}", compressed)
        volume = read_image(path)
        np.testing.assert_array_equal(volume.array, np.moveaxis(array, -1, 0).astype(np.float32))
        assert volume.spacing_mm == pytest.approx(replicas.SPACING_MM, rel=1e-6)

    @pytest.mark.parametrize("ending", FORMATS)
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(
        turns=st.tuples(*[st.floats(-3.0, 3.0)] * 3),
        mirrored=st.booleans(),
        spacing_mm=st.tuples(*[st.floats(0.2, 8.0)] * 3),
        origin_mm=st.tuples(*[st.floats(-300.0, 300.0)] * 3),
    )
    def test_a_voxel_lies_where_simpleitk_puts_it(
        self, tmp_path: Path, ending: str, turns, mirrored: bool, spacing_mm, origin_mm
    ) -> None:
        turn = SimpleITK.Euler3DTransform((0, 0, 0), *turns).GetMatrix()
        image = SimpleITK.GetImageFromArray(IMAGE)
        image.SetDirection((np.reshape(turn, (3, 3)) @ np.diag([1, 1, -1 if mirrored else 1])).ravel().tolist())
        image.SetSpacing(spacing_mm)
        image.SetOrigin(origin_mm)
        SimpleITK.WriteImage(image, path := tmp_path / f"a.{ending}")
        again, volume = SimpleITK.ReadImage(path), read_image(path)
        for x, y, z in ((0, 0, 0), (3, 0, 0), (0, 4, 0), (0, 0, 2), (3, 4, 2)):
            left_back_up = again.TransformIndexToPhysicalPoint((x, y, z))
            np.testing.assert_allclose((volume.affine @ [x, y, z, 1])[:3] * [-1, -1, 1], left_back_up, atol=1e-3)
            assert volume.array[0, z, y, x] == again.GetPixel(x, y, z)

    @pytest.mark.parametrize(
        "kind", [np.uint8, np.int8, np.uint16, np.int32, np.uint32, np.int64, np.float32, np.float64]
    )
    @pytest.mark.parametrize("ending", ["nrrd", "mha"])
    def test_number_types(self, tmp_path: Path, kind: type, ending: str) -> None:
        array = (np.arange(60).reshape(3, 5, 4) * 3 % 120).astype(kind)
        SimpleITK.WriteImage(to_itk(array), path := tmp_path / f"a.{ending}")
        np.testing.assert_array_equal(read_image(path).array[0], array)

    @pytest.mark.parametrize("space", ["right-anterior-superior", "left-anterior-superior", "RAS"])
    def test_other_spaces_than_that_of_itk(self, tmp_path: Path, space: str) -> None:
        header = (
            f"NRRD0005\ntype: uint8\ndimension: 3\nspace: {space}\nsizes: 4 5 3\n"
            "space directions: (0,2,0) (3,0,0) (0,0,-10)\nencoding: raw\nspace origin: (7,-8,9)\n\n"
        )
        path = tmp_path / "a.nrrd"
        path.write_bytes(header.encode() + bytes(range(60)))
        signs = [-1, 1, 1] if space.startswith("left") else [1, 1, 1]
        np.testing.assert_array_equal(
            read_image(path).affine[:3],
            np.diag(signs) @ [[0, 3, 0, 7], [2, 0, 0, -8], [0, 0, -10, 9]],
        )

    def test_a_series_read_as_an_image(self, tmp_path: Path) -> None:
        volume = read_image(replicas.write_series(tmp_path / "series", IMAGE, replicas.CT_AFFINE))
        np.testing.assert_array_equal(volume.array, IMAGE[None])
        np.testing.assert_allclose(volume.affine, replicas.CT_AFFINE, atol=1e-6)


class TestPictures:
    @pytest.mark.parametrize("kind", [np.uint8, np.uint16])
    @pytest.mark.parametrize("ending", ["png", "tif"])
    def test_grey(self, tmp_path: Path, kind: type, ending: str) -> None:
        array = (np.arange(35).reshape(5, 7) * np.iinfo(kind).max // 40).astype(kind)
        Image.fromarray(array).save(path := tmp_path / f"a.{ending}")
        volume = read_image(path)
        np.testing.assert_array_equal(volume.array, array[None, None])
        assert volume.spacing_mm == (1.0, 1.0, 1.0)

    @pytest.mark.parametrize("ending", ["png", "tif"])
    def test_colours_become_channels_and_alpha_is_dropped(self, tmp_path: Path, ending: str) -> None:
        array = np.arange(5 * 7 * 4, dtype=np.uint8).reshape(5, 7, 4)
        Image.fromarray(array).save(path := tmp_path / f"a.{ending}")
        np.testing.assert_array_equal(read_image(path).array[:, 0], np.moveaxis(array[..., :3], -1, 0))

    def test_pages_become_slices(self, tmp_path: Path) -> None:
        pages = [Image.fromarray(np.full((5, 7), index, np.uint8)) for index in range(3)]
        pages[0].save(path := tmp_path / "a.tif", save_all=True, append_images=pages[1:])
        assert read_image(path).array[0, :, 0, 0].tolist() == [0, 1, 2]

    def test_a_palette_is_numbers_as_a_label_map_and_colours_as_an_image(self, tmp_path: Path) -> None:
        picture = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8))
        picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        picture.convert("P").save(path := tmp_path / "a.png")
        np.testing.assert_array_equal(read_label_map(path).array, [[[0, 1], [2, 0]]])
        np.testing.assert_array_equal(read_image(path).array[:, 0, 1], [[0, 0], [255, 0], [0, 0]])

    def test_a_mask_of_0_and_255_is_the_only_label(self, tmp_path: Path) -> None:
        grid = NiftiVolume(np.zeros((1, 1, 2, 2), np.float32), (1.0, 1.0, 1.0), np.eye(4), Path("image.png"))
        Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).save(path := tmp_path / "a.png")
        np.testing.assert_array_equal(read_labels(path, grid, {1: "lesion"}), [[[0, 1], [1, 0]]])
        np.testing.assert_array_equal(read_labels(path, grid, NAMES), [[[0, IGNORE], [IGNORE, 0]]])

    def test_what_would_be_read_with_loss_is_refused(self, tmp_path: Path) -> None:
        colours = SimpleITK.GetImageFromArray(np.full((5, 7, 3), 4000, np.uint16), isVector=True)
        SimpleITK.WriteImage(colours, tmp_path / "deep.png")
        refuse(tmp_path / "deep.png", "16-bit colours cannot be read whole")
        Image.fromarray(np.zeros((5, 7), np.uint8)).save(tmp_path / "label.jpg")
        refuse(tmp_path / "label.jpg", "JPEG changes the values", read_label_map)


class TestSegments:
    def layer(self, **boxes: int) -> np.ndarray:
        """(z, y, x) with the value in the columns x that a name such as ``x12`` says."""
        layer = np.zeros((3, 5, 4), np.uint8)
        for columns, value in boxes.items():
            layer[:, :, [int(column) for column in columns[1:]]] = value
        return layer

    def test_are_taken_by_name(self, tmp_path: Path) -> None:
        path = write_segmentation(
            tmp_path / "a.seg.nrrd", self.layer(x0=1, x12=2)[None], [("spleen", 0, 1), ("liver", 0, 2)]
        )
        np.testing.assert_array_equal(read_labels(path, GRID, NAMES)[0, 0], [2, 1, 1, 0])
        np.testing.assert_array_equal(read_labels(path, GRID, {7: "spleen"})[0, 0], [7, 0, 0, 0])

    def test_layers_that_do_not_overlap_are_joined(self, tmp_path: Path) -> None:
        layers = np.stack([self.layer(x0=1), self.layer(x12=1)])
        path = write_segmentation(tmp_path / "a.seg.nrrd", layers, [("spleen", 0, 1), ("liver", 1, 1)])
        np.testing.assert_array_equal(read_labels(path, GRID, NAMES)[0, 0], [2, 1, 1, 0])

    def test_an_overlap_is_refused_unless_one_of_the_two_is_asked_for(self, tmp_path: Path) -> None:
        layers = np.stack([self.layer(x01=1), self.layer(x12=1)])
        path = write_segmentation(tmp_path / "a.seg.nrrd", layers, [("spleen", 0, 1), ("liver", 1, 1)])
        refuse(path, "segments 'spleen' and 'liver' share 15 voxels", lambda file: read_labels(file, GRID, NAMES))
        np.testing.assert_array_equal(read_labels(path, GRID, {1: "liver"})[0, 0], [0, 1, 1, 0])

    def test_a_part_of_the_grid_is_put_in_its_place(self, tmp_path: Path) -> None:
        """Slicer saves the box that holds segments; here y is reversed too, as its header says."""
        whole = self.layer(x1=1)
        whole[:, 0] = 0
        image = to_itk(whole)[1:3, 1:4, 1:3]
        image = SimpleITK.Flip(image, (False, True, False))
        image.SetMetaData("Segment0_Name", "liver")
        image.SetMetaData("Segment0_LabelValue", "1")
        SimpleITK.WriteImage(image, path := tmp_path / "a.seg.nrrd")
        expected = np.zeros_like(whole)
        expected[1:, 1:4, 1] = 1
        np.testing.assert_array_equal(read_labels(path, GRID, NAMES), expected)

    def test_of_another_grid_are_refused(self, tmp_path: Path) -> None:
        names = [("liver", 0, 1)]
        image = to_itk(self.layer(x1=1))
        for change, match in (
            (lambda: image.SetOrigin([0.0, 0.0, 0.0]), "do not fall onto those of image.nrrd|lie outside image.nrrd"),
            (lambda: image.SetSpacing([1.0, 1.0, 1.0]), "do not fall onto those of image.nrrd"),
        ):
            change()
            for number, (name, _, value) in enumerate(names):
                image.SetMetaData(f"Segment{number}_Name", name)
                image.SetMetaData(f"Segment{number}_LabelValue", str(value))
            SimpleITK.WriteImage(image, path := tmp_path / "a.seg.nrrd")
            refuse(path, match, lambda file: read_labels(file, GRID, NAMES))

    def test_without_any_of_the_labels_are_refused(self, tmp_path: Path) -> None:
        path = write_segmentation(tmp_path / "a.seg.nrrd", self.layer(x0=1)[None], [("Segment_1", 0, 1)])
        refuse(
            path, "its segments are Segment_1, the labels liver, spleen", lambda file: read_labels(file, GRID, NAMES)
        )


class TestFaults:
    @pytest.mark.parametrize(("ending", "header"), [(".mhd", "ElementDataFile = "), (".nhdr", "data file: ")])
    def test_voxels_beside_that_never_end_or_begin_are_refused(self, tmp_path: Path, ending: str, header: str) -> None:
        path = tmp_path / f"a{ending}"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.ones((2, 3, 4), np.uint8)), path)
        (raw,) = (file for file in tmp_path.iterdir() if file != path)
        assert f"{header}{raw.name}" in path.read_text()
        for target in ("/dev/zero", tmp_path, None):
            raw.unlink()
            raw.symlink_to(target) if target else os.mkfifo(raw)
            with pytest.raises(DataError, match=f"{raw.name}: not a file but a folder, a device or a pipe"):
                read_image(path)

    @pytest.mark.parametrize("name", ["../secret.raw", "/etc/hosts", "sub/a.raw", "..\\a.raw", "LIST", "%03d.raw"])
    @pytest.mark.parametrize("ending", ["nhdr", "mhd"])
    def test_voxels_are_never_taken_from_elsewhere(self, tmp_path: Path, name: str, ending: str) -> None:
        (tmp_path / "secret.raw").write_bytes(bytes(120))
        folder = tmp_path / "folder"
        folder.mkdir()
        SimpleITK.WriteImage(to_itk(IMAGE), path := folder / f"a.{ending}")
        raw = "data file: a.raw" if ending == "nhdr" else "ElementDataFile = a.raw"
        key, sign, _ = raw.partition("a.raw")[0].rpartition(":" if ending == "nhdr" else "=")
        path.write_text(path.read_text().replace(raw, f"{key}{sign} {name}"))
        refuse(path, "keeps its voxels in")

    @pytest.mark.parametrize(
        ("ending", "old", "new"),
        [
            ("nrrd", "sizes: 4 5 3", "sizes: 4 5 3000000000"),
            ("mha", "DimSize = 4 5 3", "DimSize = 4 5 3000000000"),
            ("nrrd", "sizes: 4 5 3", "sizes: 4 5 2"),
            ("mha", "DimSize = 4 5 3", "DimSize = 4 5 2"),
        ],
    )
    def test_a_header_that_declares_another_size(self, tmp_path: Path, ending: str, old: str, new: str) -> None:
        SimpleITK.WriteImage(to_itk(IMAGE), path := tmp_path / f"a.{ending}", useCompression=False)
        content = path.read_bytes()
        assert old.encode() in content
        path.write_bytes(content.replace(old.encode(), new.encode()))
        refuse(path, "its header declares")

    @pytest.mark.parametrize("ending", ["nrrd", "mha"])
    def test_every_byte_of_compressed_voxels_counts(self, tmp_path: Path, ending: str) -> None:
        SimpleITK.WriteImage(to_itk(IMAGE), path := tmp_path / f"a.{ending}", useCompression=True)
        content = path.read_bytes()
        start = content.find(b"\x1f\x8b" if ending == "nrrd" else b"LOCAL\n") + (12 if ending == "nrrd" else 6)
        for index in range(start, len(content)):
            path.write_bytes(content[:index] + bytes([content[index] ^ 0x20]) + content[index + 1 :])
            try:
                np.testing.assert_array_equal(read_image(path).array[0], IMAGE)
            except DataError:
                continue

    def test_other_files(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").touch()
        (tmp_path / "slice.dcm").touch()
        refuse(tmp_path / "a.txt", "not a format that is read")
        refuse(tmp_path / "slice.dcm", "name the folder of the series")
        for ending in (*FORMATS, "png", "seg.nrrd"):
            refuse(tmp_path / f"absent.{ending}", "no such file")


@pytest.mark.parametrize(
    ("name", "stem"), [("a.b.seg.nrrd", "a.b"), ("a.nii.gz", "a"), ("a.nrrd", "a"), ("a.gz", "a.gz"), ("a.tiff", "a")]
)
def test_names_without_endings(name: str, stem: str) -> None:
    assert without_ending(name) == stem


def test_reading_leaves_the_locale_of_the_process_alone(tmp_path: Path) -> None:
    before = locale.setlocale(locale.LC_ALL)
    read_image(replicas.write_series(tmp_path / "series", IMAGE, replicas.CT_AFFINE))
    for ending in FORMATS:
        SimpleITK.WriteImage(to_itk(IMAGE), tmp_path / f"a.{ending}")
        read_image(tmp_path / f"a.{ending}")
    assert locale.setlocale(locale.LC_ALL) == before
