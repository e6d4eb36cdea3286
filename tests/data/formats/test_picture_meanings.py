"""What a picture says beside its pixels: which side is up, what its pages are, how large a pixel is, signs and depths.

Right is what tifffile, ImageJ's own description, or the picture as every viewer shows it says.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lesslabel.data.formats.reading import read_image, read_label_map
from lesslabel.data.sources.folder import Folder
from lesslabel.errors import DataError

GENERATOR = np.random.default_rng(0)
PICTURE = GENERATOR.integers(1, 250, (12, 10)).astype(np.uint8)
STACK = GENERATOR.integers(1, 4000, (5, 12, 10)).astype(np.uint16)
CHANNELS = GENERATOR.integers(1, 4000, (5, 3, 12, 10)).astype(np.uint16)
TO_STORED = {  # what a file of this orientation stores of the upright picture
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.T,
    6: lambda upright: np.rot90(upright),
    7: lambda upright: np.rot90(upright, 2).T,
    8: lambda upright: np.rot90(upright, 3),
}


class TestOrientation:
    @pytest.mark.parametrize("orientation", TO_STORED)
    @pytest.mark.parametrize("ending", ["png", "jpg", "tif", "lzw.tif"])
    def test_is_honoured_or_refused(self, ending: str, orientation: int, tmp_path: Path) -> None:
        upright = np.zeros((64, 48), np.uint8)
        upright[4:20, 6:30] = 200
        stored = Image.fromarray(np.ascontiguousarray(TO_STORED[orientation](upright)))
        path = tmp_path / f"a.{ending}"
        exif = Image.Exif()
        exif[0x0112] = orientation
        if ending.endswith("tif"):
            stored.save(path, tiffinfo={274: orientation}, compression="tiff_lzw" if ending[0] == "l" else "raw")
        else:
            stored.save(path, exif=exif, **({"quality": 100} if ending == "jpg" else {}))
        if ending.endswith("tif") and orientation > 4:
            with pytest.raises(DataError, match=rf"page 1: lies on its side \(Orientation {orientation}\)"):
                read_image(path)
            return
        image = read_image(path).array[0, 0]
        assert image.shape == upright.shape
        np.testing.assert_allclose(image, upright, atol=12)
        if ending != "jpg":
            np.testing.assert_array_equal(read_label_map(path).array[0], upright)

    def test_is_that_of_every_page(self, tmp_path: Path) -> None:
        pages = [Image.fromarray(np.ascontiguousarray(page[::-1, ::-1])) for page in (PICTURE, PICTURE[::-1].copy())]
        info = {274: 3}
        pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], tiffinfo=info)
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            stated = [page.tags[274].value if 274 in page.tags else 1 for page in file.pages]
        expected = [
            page[::-1, ::-1] if orientation == 3 else page
            for page, orientation in zip(tifffile.imread(tmp_path / "a.tif"), stated, strict=True)
        ]
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array[0], expected)


class TestFrames:
    def test_an_animation_is_refused(self, tmp_path: Path) -> None:
        frames = [Image.fromarray(PICTURE + step) for step in range(3)]
        frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
        with pytest.raises(DataError, match=r"a\.png: holds 3 frames, an animation or several pictures"):
            read_image(tmp_path / "a.png")

    def test_several_pictures_in_a_jpeg_are_refused(self, tmp_path: Path) -> None:
        frames = [Image.fromarray(np.full((64, 64), step, np.uint8)) for step in (10, 20)]
        frames[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=frames[1:])
        with pytest.raises(DataError, match=r"a\.jpg: holds 2 frames"):
            read_image(tmp_path / "a.jpg")

    def test_a_gif_is_no_format_that_is_read(self, tmp_path: Path) -> None:
        Image.fromarray(PICTURE).save(tmp_path / "a.gif")
        (tmp_path / "table.csv").write_text("image\na.gif\n", encoding="utf-8")
        with pytest.raises(DataError, match=r"a\.gif: not a format that is read"):
            Folder(tmp_path / "table.csv", labels="1=a")

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("axes", ["ZYX", None])
    def test_slices_that_share_one_directory(self, tmp_path: Path, axes: str | None, order: str) -> None:
        tifffile.imwrite(
            tmp_path / "a.tif",
            STACK,
            imagej=order == ">",
            truncate=True,
            byteorder=order,
            metadata=None if axes is None else {"axes": axes},
        ) if order == ">" or axes else tifffile.imwrite(tmp_path / "a.tif", STACK, metadata={}, truncate=True)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array[0], tifffile.imread(tmp_path / "a.tif"))

    def test_slices_that_are_cut_short_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, STACK, imagej=True, truncate=True)
        path.write_bytes(path.read_bytes()[:-300])
        with pytest.raises(DataError, match=r"a\.tif: states 5 planes, the file is too short"):
            read_image(path)

    @pytest.mark.parametrize("kind", ["imagej", "ome"])
    @pytest.mark.parametrize("axes", ["ZCYX", "CZYX"])
    def test_channels_are_no_slices(self, tmp_path: Path, kind: str, axes: str) -> None:
        if kind == "imagej":
            path, axes = tmp_path / "a.tif", "ZCYX"
            tifffile.imwrite(path, CHANNELS, imagej=True, metadata={"axes": axes})
        else:
            path = tmp_path / "a.ome.tif"
            stored = CHANNELS if axes == "ZCYX" else np.ascontiguousarray(CHANNELS.swapaxes(0, 1))
            tifffile.imwrite(path, stored, metadata={"axes": axes})
        image = read_image(path)
        np.testing.assert_array_equal(image.array, CHANNELS.swapaxes(0, 1))
        with pytest.raises(DataError, match="this has 3 channels"):
            read_label_map(path)

    def test_composite_channels_of_one_slice(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", CHANNELS[0], imagej=True, metadata={"axes": "CYX", "mode": "composite"})
        assert read_image(tmp_path / "a.tif").array.shape == (3, 1, 12, 10)

    def test_a_shape_that_is_there_twice_is_refused(self, tmp_path: Path) -> None:
        text = f'{{"shape": {list(STACK.shape)}, "shape": {list(STACK.shape)}}}'
        tifffile.imwrite(tmp_path / "a.tif", STACK, metadata=None, description=text)
        with pytest.raises(DataError, match=r"a\.tif: its description is damaged \(key 'shape' is there twice"):
            read_image(tmp_path / "a.tif")

    @pytest.mark.parametrize("text", ["{not JSON}", "{" + "[" * 30_000, '{"a": 1}', '{"shape": 3}', '{"shape": ["a"]}'])
    def test_a_description_of_another_program_is_ignored(self, tmp_path: Path, text: str) -> None:
        tifffile.imwrite(tmp_path / "a.tif", STACK, metadata=None, description=text)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array[0], STACK)

    @pytest.mark.parametrize("kind", ["imagej", "ome", "shaped"])
    def test_frames_in_time_are_refused(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
        tifffile.imwrite(path, STACK, imagej=kind == "imagej", metadata={"axes": "TYX"})
        with pytest.raises(DataError, match=r"tif: .*frames in time|tif: frames=5 in time"):
            read_image(path)

    @pytest.mark.parametrize(("field", "value"), [("images", "7"), ("images", "x"), ("slices", "2")])
    def test_a_description_of_other_planes_is_refused(self, tmp_path: Path, field: str, value: str) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, STACK, metadata=None, description=f"ImageJ=1.53\nimages=5\nslices=5\n{field}={value}\n")
        with pytest.raises(DataError, match=r"a\.tif: .*images="):
            read_image(path)


class TestPixelSize:
    def spacing(self, path: Path) -> tuple[float, ...]:
        image = read_image(path)
        assert np.diag(image.affine)[:3].tolist() == list(image.spacing_mm[::-1])
        return image.spacing_mm

    @pytest.mark.parametrize(("unit", "length_mm"), [("um", 1e-3), ("µm", 1e-3), ("micron", 1e-3), ("mm", 1.0)])
    def test_of_imagej(self, tmp_path: Path, unit: str, length_mm: float) -> None:
        metadata = {"axes": "ZYX", "spacing": 3.0, "unit": unit.replace("µ", "\\u00B5")}
        tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(2.0, 4.0), metadata=metadata)
        assert self.spacing(tmp_path / "a.tif") == pytest.approx((3.0 * length_mm, 0.25 * length_mm, 0.5 * length_mm))

    @pytest.mark.parametrize(("unit", "length_mm"), [("µm", 1e-3), ("nm", 1e-6), ("mm", 1.0), ("cm", 10.0)])
    def test_of_ome(self, tmp_path: Path, unit: str, length_mm: float) -> None:
        sizes = {f"PhysicalSize{axis}": size for axis, size in zip("XYZ", (0.5, 0.25, 3.0), strict=True)}
        units = {f"PhysicalSize{axis}Unit": unit for axis in "XYZ"}
        tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata={"axes": "ZYX", **sizes, **units})
        expected = (3.0 * length_mm, 0.25 * length_mm, 0.5 * length_mm)
        assert self.spacing(tmp_path / "a.ome.tif") == pytest.approx(expected)

    def test_pixels_per_centimetre_are_a_size_and_per_inch_are_for_printing(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", PICTURE, resolution=(20, 40), resolutionunit="CENTIMETER")
        assert self.spacing(tmp_path / "a.tif") == pytest.approx((1.0, 0.25, 0.5))
        tifffile.imwrite(tmp_path / "b.tif", PICTURE, resolution=(72, 72), resolutionunit="INCH")
        assert self.spacing(tmp_path / "b.tif") == (1.0, 1.0, 1.0)

    @pytest.mark.parametrize("ending", ["tif", "png"])
    @pytest.mark.parametrize(("image", "beside"), [("a", "a"), ("a_0000", "a"), ("a_0000", "a_0000")])
    def test_of_a_file_beside(self, tmp_path: Path, image: str, beside: str, ending: str) -> None:
        Image.fromarray(PICTURE).save(tmp_path / f"{image}.{ending}")
        (tmp_path / f"{beside}.json").write_text(json.dumps({"spacing": [2.5, 0.5, 0.25]}), encoding="utf-8")
        assert self.spacing(tmp_path / f"{image}.{ending}") == (2.5, 0.5, 0.25)

    @pytest.mark.parametrize("spacing", [[0, 1, 1], ["1", 1, 1], [1], 2.0, [1, 1, -3], [1, 1, 1e9]])
    def test_of_a_file_beside_that_is_none_is_refused(self, tmp_path: Path, spacing: object) -> None:
        Image.fromarray(PICTURE).save(tmp_path / "a.tif")
        (tmp_path / "a.json").write_text(json.dumps({"spacing": spacing}), encoding="utf-8")
        with pytest.raises(DataError, match=r"a\.json: 'spacing' is .*; write \[z, y, x\] in mm"):
            read_image(tmp_path / "a.tif")

    def test_another_json_beside_is_left_alone(self, tmp_path: Path) -> None:
        Image.fromarray(PICTURE).save(tmp_path / "a.png")
        (tmp_path / "a.json").write_text('{"shapes": []}', encoding="utf-8")
        assert self.spacing(tmp_path / "a.png") == (1.0, 1.0, 1.0)

    def test_unknown_units_and_no_distance_of_slices_are_refused(self, tmp_path: Path) -> None:
        metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "furlong"}
        tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(2.0, 4.0), metadata=metadata)
        with pytest.raises(DataError, match=r"a\.tif: unit of length 'furlong' is not known"):
            read_image(tmp_path / "a.tif")
        tifffile.imwrite(tmp_path / "b.tif", STACK, resolution=(20, 40), resolutionunit="CENTIMETER")
        with pytest.raises(DataError, match=r"b\.tif: states the size of a pixel and not the distance of its slices"):
            read_image(tmp_path / "b.tif")

    def test_a_label_picture_without_a_size_fits_and_one_of_another_size_does_not(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "i.tif", PICTURE, resolution=(20, 40), resolutionunit="CENTIMETER")
        Image.fromarray((PICTURE > 99).astype(np.uint8)).save(tmp_path / "l.png")
        (tmp_path / "t.csv").write_text("image,label\ni.tif,l.png\n", encoding="utf-8")
        source = Folder(tmp_path / "t.csv", labels="1=a")
        case = source.read(source.list_cases()[0])
        np.testing.assert_array_equal(case.annotations["dense"].labels[0], PICTURE > 99)
        assert case.spacing_mm == pytest.approx((1.0, 0.25, 0.5))
        (tmp_path / "l.json").write_text('{"spacing": [1, 1, 2]}', encoding="utf-8")
        with pytest.raises(DataError, match=r"l\.png: voxel size \(z, y, x\) is 1 × 1 × 2 mm, that of i\.tif is"):
            source.read(source.list_cases()[0])


class TestSignsAndDepths:
    @pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "f4"])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_of_a_tiff(self, tmp_path: Path, kind: str, order: str) -> None:
        limits = (-100, 100) if kind == "f4" else (np.iinfo(kind).min, np.iinfo(kind).max)
        values = np.linspace(*limits, 120).astype(kind).reshape(12, 10)
        tifffile.imwrite(tmp_path / "a.tif", values, byteorder=order, photometric="minisblack")
        if (kind, order) == ("u4", ">"):  # which Pillow does not read
            with pytest.raises(DataError, match=r"a\.tif: not a readable picture"):
                read_image(tmp_path / "a.tif")
            return
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array[0, 0], values.astype(np.float32))
        if kind[0] != "f" and kind != "u4":
            np.testing.assert_array_equal(read_label_map(tmp_path / "a.tif").array[0], values)

    @pytest.mark.parametrize("bits", [1, 2, 4, 8])
    def test_of_a_grey_png_of_few_bits(self, tmp_path: Path, bits: int) -> None:
        """A label of 1 stays 1; Pillow makes 85 or 17 of it."""
        values = PICTURE & (2**bits - 1)
        (tmp_path / "a.png").write_bytes(png_of(values, bits))
        np.testing.assert_array_equal(read_label_map(tmp_path / "a.png").array[0], values)

    def test_colours_of_16_bits_and_channels_beside_colours_are_refused(self, tmp_path: Path) -> None:
        colours = np.zeros((12, 10, 3), np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb")
        with pytest.raises(DataError, match=r"a\.tif: page 1: 16-bit colours cannot be read whole"):
            read_image(tmp_path / "a.tif")
        four = np.zeros((12, 10, 4), np.uint8)
        tifffile.imwrite(tmp_path / "b.tif", four, photometric="rgb", extrasamples=["unspecified"])
        with pytest.raises(DataError, match=r"b\.tif: page 1: has a channel beside its colours"):
            read_image(tmp_path / "b.tif")

    def test_white_as_zero_is_refused(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", PICTURE, photometric="miniswhite")
        with pytest.raises(DataError, match=r"a\.tif: page 1: 0 is white \(PhotometricInterpretation 0\)"):
            read_label_map(tmp_path / "a.tif")


def png_of(values: np.ndarray, bits: int) -> bytes:
    """A grey PNG of some bits a pixel, as few programs write and all read."""
    import struct
    import zlib

    rows = b""
    for row in values:
        packed = "".join(f"{value:0{bits}b}" for value in row)
        packed += "0" * (-len(packed) % 8)
        rows += b"\x00" + bytes(int(packed[start : start + 8], 2) for start in range(0, len(packed), 8))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


@pytest.mark.parametrize("key", ["Spacing", "spacing_mm", "PixelSpacing", "voxel_size"])
def test_a_size_beside_a_picture_under_another_key_is_refused(tmp_path: Path, key: str) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps({key: [1, 0.5, 0.5]}))
    with pytest.raises(DataError, match=rf"a\.json: '{key}' is not read; write the voxel size as 'spacing'"):
        read_image(tmp_path / "a.png")


def test_one_side_of_a_pixel_alone_is_refused(tmp_path: Path) -> None:
    sizes = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "mm"}
    tifffile.imwrite(tmp_path / "a.tif", PICTURE, ome=True, metadata=sizes)
    with pytest.raises(DataError, match=r"states one side of a pixel and not the other \(PhysicalSizeY\)"):
        read_image(tmp_path / "a.tif")
