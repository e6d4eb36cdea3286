"""What a picture says of its values: which is white, functions over them, their byte order and depth."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lesslabel.data.formats.reading import read_image, read_label_map
from lesslabel.errors import DataError

GENERATOR = np.random.default_rng(0)
PICTURE = GENERATOR.integers(0, 200, (20, 24)).astype(np.uint8)
MASK = np.zeros((20, 24), bool)
MASK[3:9, 4:10] = True


class TestWhiteAsZero:
    def test_of_one_bit_as_tifffile_saves_a_boolean_mask(self, tmp_path: Path) -> None:
        """Pillow turns these bits over and tifffile does not: the mask would be its opposite."""
        tifffile.imwrite(tmp_path / "a.tif", MASK)
        with pytest.raises(DataError, match=r"a\.tif: page 1: 0 is white \(PhotometricInterpretation 0\)"):
            read_label_map(tmp_path / "a.tif")

    def test_of_one_bit_with_0_as_black_is_read(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", MASK, photometric="minisblack")
        np.testing.assert_array_equal(read_label_map(tmp_path / "a.tif").array[0], MASK)


@pytest.mark.parametrize(
    ("lines", "fits"),
    [
        ("", True),
        ("cf=0\nc0=0\nc1=1\n", True),
        ("cf=20\n", True),
        ("cf=0\nc0=-1024\nc1=1\nvunit=HU\n", False),
        ("cf=0\nc0=-32768.0\nc1=1.0\n", False),
        ("cf=0\nc0=0\nc1=0.5\n", False),
        ("cf=3\nc0=1\nc1=2\nc2=3\n", False),
        ("cf=21\n", False),
        ("cf=x\n", False),
    ],
)
def test_a_calibration_of_imagej_changes_values(tmp_path: Path, lines: str, fits: bool) -> None:
    """ImageJ shows c0 + c1 × pixel, and so it keeps Hounsfield units and signs."""
    path = tmp_path / "a.tif"
    description = f"ImageJ=1.53\nimages=1\n{lines}"
    tifffile.imwrite(path, PICTURE.astype(np.uint16), description=description, metadata=None)
    if fits:
        np.testing.assert_array_equal(read_image(path).array[0, 0], PICTURE)
        return
    with pytest.raises(DataError, match=r"a\.tif: has a calibration of its values \(cf=.*; save it without"):
        read_image(path)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f4"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("predictor", [False, True])
def test_byte_order_of_compressed_values_is_right_or_refused(
    tmp_path: Path, kind: str, order: str, predictor: bool
) -> None:
    values = (PICTURE * (1 if kind[1] == "1" else 3)).astype(kind) // (2 if kind == "i1" else 1)
    path = tmp_path / "a.tif"
    packed = predictor and kind[0] != "f"
    tifffile.imwrite(
        path, values.astype(kind), byteorder=order, compression="zlib", predictor=packed, photometric="minisblack"
    )
    if order == ">" and kind in ("i2", "u4", "i4", "f4"):  # Pillow would exchange their bytes
        with pytest.raises(DataError, match=r"a\.tif: (page 1: compressed in the byte|not a readable)"):
            read_image(path)
        return
    found = read_image(path).array[0, 0]
    np.testing.assert_array_equal(found, tifffile.imread(path).astype(np.float32))


@pytest.mark.parametrize("unit", [(3, 10.0), (4, 1.0), (5, 0.001)])
def test_units_of_a_resolution(tmp_path: Path, unit: tuple[int, float]) -> None:
    code, length_mm = unit
    tifffile.imwrite(tmp_path / "a.tif", PICTURE, resolution=(2, 4), resolutionunit=code)
    assert read_image(tmp_path / "a.tif").spacing_mm == pytest.approx((1.0, length_mm / 4, length_mm / 2))


@pytest.mark.parametrize("orientation", [2, 3, 4, 6])
def test_slices_that_share_one_directory_are_turned_by_nobody(tmp_path: Path, orientation: int) -> None:
    stack = np.stack([PICTURE, PICTURE + 1, PICTURE + 2])
    turned = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, truncate=True, extratags=turned)
    with pytest.raises(DataError, match=rf"a\.tif: .*\(Orientation {orientation}\)"):
        read_image(tmp_path / "a.tif")


class TestDepthWhateverTheNameIs:
    """A picture is read by its content, so its depth is too."""

    @pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
    def test_colours_of_16_bits_are_refused(self, tmp_path: Path, name: str) -> None:
        colours = np.repeat(PICTURE[..., None] * np.uint16(200), 3, axis=2)
        (tmp_path / name).write_bytes(png(20, 24, 16, 2, [row.astype(">u2").tobytes() for row in colours]))
        with pytest.raises(DataError, match=rf"{name}: 16-bit colours cannot be read whole"):
            read_image(tmp_path / name)

    @pytest.mark.parametrize("name", ["a.png", "a.tif"])
    def test_labels_of_2_bits_are_not_stretched(self, tmp_path: Path, name: str) -> None:
        labels = MASK * 2
        rows = [np.packbits(np.stack([row >> 1, row & 1], axis=-1).astype(np.uint8)).tobytes() for row in labels]
        (tmp_path / name).write_bytes(png(20, 24, 2, 0, rows))
        np.testing.assert_array_equal(read_label_map(tmp_path / name).array[0], labels)

    def test_a_picture_under_another_name_is_read(self, tmp_path: Path) -> None:
        Image.fromarray(PICTURE).save(tmp_path / "a.jpg", format="PNG")
        np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").array[0, 0], PICTURE)


def png(height: int, width: int, bits: int, kind: int, rows: list[bytes]) -> bytes:
    """A PNG of rows that are packed already."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\x00" + row for row in rows))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
