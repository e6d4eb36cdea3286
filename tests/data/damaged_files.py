"""Damaged files by seed: sound ones of every format, and what accidents and malice make of them.

Every file comes with a sound twin: a damaged image with a sound label map, a damaged label map with a sound image.
"""

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
import replicas
import SimpleITK
from PIL import Image

from lesslabel.data.formats.seg_nrrd import Segment, SegNrrd, write_segmentation

SHAPE = (6, 12, 10)
DETACHED = ("nhdr", "mhd")
FORMATS = ("nii", "nii.gz", "nrrd", "gz.nrrd", "seg.nrrd", "nhdr", "mha", "zlib.mha", "mhd", "png", "tif", "series")
"""Each is the ending of its files; series is a folder; of nhdr and mhd the voxels lie in a file beside."""

Damage = Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Damaged:
    """A case with one file that is not as it was.

    Attributes:
        format: one of `FORMATS`.
        kind: what was done.
        seed: of it.
        role: ``image`` or ``label``.
    """

    format: str
    kind: str
    seed: int
    role: str

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write image and label map; the paths of both."""
        paths = {}
        for role in ("image", "label"):
            contents = dict(sound_files(self.format, role))
            if role == self.role:
                generator = np.random.default_rng([self.seed, FORMATS.index(self.format)])
                places = [name for name in sorted(contents) if name.endswith(".raw") == self.kind.startswith("voxels")]
                if not places or self.format not in DETACHED:
                    places = sorted(contents)
                name = places[int(generator.integers(len(places)))]
                contents[name] = DAMAGES[self.format][self.kind](contents[name], generator)
            for name, content in contents.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            series = self.format == "series" and role == "image"
            paths[role] = folder / ("series" if series else min(contents, key=lambda name: name.endswith(".raw")))
        return paths["image"], paths["label"]


def corpus() -> Iterator[Damaged]:
    """All of them, in a fixed order."""
    for name, damages in DAMAGES.items():
        for kind in damages:
            for seed in range(SEEDS.get(kind, 4)):
                label_too = name == "seg.nrrd" or (name != "series" and seed % 2 == 1)
                yield Damaged(name, kind, seed, "label" if label_too else "image")


def arrays(flat: bool) -> tuple[np.ndarray, np.ndarray]:
    """The sound image, int16, or uint8 if it is a picture, and label map, (z, y, x)."""
    generator = np.random.default_rng(0)
    shape = (1, *SHAPE[1:]) if flat else SHAPE
    image = generator.integers(1, 250, shape).astype(np.uint8 if flat else np.int16)
    return image, generator.integers(0, 3, shape).astype(np.uint8)


@cache
def sound_files(name: str, role: str) -> dict[str, bytes]:
    """Content by file name."""
    image, label = arrays(flat=name in ("png", "tif"))
    array = image if role == "image" else label
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if name == "series" and role == "image":
            replicas.write_series(folder / "series", array)
        elif name == "seg.nrrd":
            _write_segments(folder, role, array)
        else:
            _write_file(folder / f"{role}.{'nii.gz' if name == 'series' else name}", array)
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
        }


def _write_file(path: Path, array: np.ndarray) -> None:
    if path.suffix in (".png", ".tif"):
        Image.fromarray(array[0]).save(path)
    elif path.name.endswith((".nii", ".nii.gz")):
        nib.Nifti1Image(array.T, replicas.OBLIQUE_AFFINE).to_filename(path)
    else:
        image = SimpleITK.GetImageFromArray(array)
        to_lps = np.diag([-1.0, -1.0, 1.0]) @ replicas.OBLIQUE_AFFINE[:3]
        image.SetSpacing(replicas.SPACING_MM[::-1])
        image.SetDirection((to_lps[:, :3] / replicas.SPACING_MM[::-1]).ravel().tolist())
        image.SetOrigin(to_lps[:, 3].tolist())
        SimpleITK.WriteImage(image, path, useCompression=path.name.count(".") == 2)


def _write_segments(folder: Path, role: str, array: np.ndarray) -> None:
    """The image is a plain NRRD."""
    if role == "image":
        _write_file(folder / "image.nrrd", array)
        return
    segments = (Segment("RV", 1, colour=(1.0, 0.0, 0.5)), Segment("Myo", 2))
    path = folder / "label.seg.nrrd"
    write_segmentation(path, SegNrrd(array[None], segments, replicas.SPACING_MM, replicas.OBLIQUE_AFFINE, path))


def truncate(content: bytes, generator: np.random.Generator) -> bytes:
    return content[: int(generator.integers(len(content)))]


def flip(content: bytes, generator: np.random.Generator, fields: tuple[tuple[int, int], ...] = ()) -> bytes:
    """One bit, anywhere or within some bytes."""
    places = [index for start, end in fields for index in range(start, end)] or range(len(content))
    place = int(generator.choice(places))
    return content[:place] + bytes([content[place] ^ 1 << int(generator.integers(8))]) + content[place + 1 :]


def wrong_magic(content: bytes, generator: np.random.Generator) -> bytes:
    return generator.bytes(8) + content[8:]


def wrong_dicom_magic(content: bytes, generator: np.random.Generator) -> bytes:
    """The magic follows a preamble that may hold anything."""
    return content[:128] + generator.bytes(8) + content[136:]


def noise(content: bytes, generator: np.random.Generator) -> bytes:
    return generator.bytes(len(content))


def empty(_content: bytes, _generator: np.random.Generator) -> bytes:
    return b""


def nothing_but_zeros(content: bytes, _generator: np.random.Generator) -> bytes:
    """What a crash of the file system leaves."""
    return bytes(len(content))


def replace_text(content: bytes, generator: np.random.Generator, old: bytes, new: tuple[bytes, ...]) -> bytes:
    """A field of a text header takes another value."""
    start = content.index(old) + len(old)
    end = content.index(b"\n", start)
    return content[:start] + new[int(generator.integers(len(new)))] + content[end:]


def replace_nifti(
    content: bytes, generator: np.random.Generator, field: str, index: int | None, values: tuple[float, ...]
) -> bytes:
    """A field of the binary header takes another value."""
    packed = content[:2] == b"\x1f\x8b"
    plain = bytearray(gzip.decompress(content) if packed else content)
    header = nib.Nifti1Header(bytes(plain[:348]), check=False)
    value = values[int(generator.integers(len(values)))]
    if index is None:
        header[field] = value
    else:
        header[field][index] = value
    plain[:348] = header.binaryblock
    return gzip.compress(bytes(plain), mtime=0) if packed else bytes(plain)


def voxels_not_a_number(content: bytes, generator: np.random.Generator) -> bytes:
    """A NIfTI of NaN here and there."""
    packed = content[:2] == b"\x1f\x8b"
    array, _ = arrays(flat=False)
    values = array.astype(np.float32)
    values.flat[generator.integers(values.size, size=3)] = (np.nan, np.inf, -np.inf)
    written = nib.Nifti1Image(values.T, replicas.OBLIQUE_AFFINE).to_bytes()
    return gzip.compress(written, mtime=0) if packed else written


def png_chunk(content: bytes, generator: np.random.Generator) -> bytes:
    """A PNG that declares another size, its checksum made to fit."""
    sides = [int(side) for side in generator.choice([0, 11, 13, 2**15, 2**31 - 1], 2)]
    start = struct.pack(">II", *sides) + content[24:29]
    return content[:16] + start + struct.pack(">I", zlib.crc32(b"IHDR" + start)) + content[33:]


def tiff_size(content: bytes, generator: np.random.Generator) -> bytes:
    """A TIFF that declares another width or height."""
    tag = struct.pack("<HH", int(generator.choice([256, 257])), 4)
    place = content.find(tag)
    if place < 0:
        tag = tag[:2] + struct.pack("<H", 3)
        place = content.find(tag)
    return (
        content[: place + 4] + struct.pack("<II", 1, int(generator.choice([0, 40000, 2**31]))) + content[place + 12 :]
    )


def dicom_size(content: bytes, generator: np.random.Generator) -> bytes:
    """Rows and columns that are not there."""
    for tag in (b"\x28\x00\x10\x00\x02\x00\x00\x00", b"\x28\x00\x11\x00\x02\x00\x00\x00"):
        place = content.index(tag) + len(tag)
        content = content[:place] + struct.pack("<H", int(generator.choice([0, 13, 65535]))) + content[place + 2 :]
    return content


def dicom_text(content: bytes, generator: np.random.Generator, tag: bytes) -> bytes:
    """Digits of a number turn into others, or into letters."""
    place = content.index(tag, 132) + 8
    size = struct.unpack("<I", content[place - 4 : place])[0]
    signs = generator.choice(list(b"0123456789.-\\x "), size).astype(np.uint8).tobytes()
    return content[:place] + signs + content[place + size :]


_EVERY = {
    "truncated": truncate,
    "wrong magic": wrong_magic,
    "noise": noise,
    "empty": empty,
    "zeros": nothing_but_zeros,
}
_NUMBERS = (b"nan", b"inf", b"1e400", b"-1", b"0", b"x", b"", b"99999999999999999999")
_SIZES = (
    b"10 12 600000000",
    b"0 12 6",
    b"-10 12 6",
    b"10 12 5",
    b"10 12 7",
    b"10 12",
    b"12 10 6",
    b"nan 12 6",
    b"1 " * 4,
)
_NIFTI = {
    **_EVERY,
    "huge": partial(replace_nifti, field="dim", index=3, values=(32767, -1, 0, 5, 7)),
    "dimensions": partial(replace_nifti, field="dim", index=0, values=(0, 1, 2, 5, 8, -3)),
    "type": partial(replace_nifti, field="datatype", index=None, values=(0, 1, 2, 32, 64, 128, 999)),
    "offset": partial(replace_nifti, field="vox_offset", index=None, values=(0, 340, 380, 1e30, np.nan, np.inf, -8)),
    "zero spacing": partial(replace_nifti, field="pixdim", index=2, values=(0, -1, np.nan, np.inf)),
    "affine not a number": partial(replace_nifti, field="srow_x", index=1, values=(np.nan, np.inf)),
    "oblique by mistake": partial(replace_nifti, field="srow_z", index=1, values=(0.5, 2.0, -4.0)),
    "singular": partial(replace_nifti, field="srow_z", index=2, values=(0.0,)),
    "voxels not a number": voxels_not_a_number,
}
_FLIPPED_NIFTI = partial(flip, fields=((0, 4), (40, 56), (70, 74), (80, 92), (108, 112), (280, 328), (344, 348)))
_NRRD = {
    **_EVERY,
    "flipped": flip,
    "huge": partial(replace_text, old=b"sizes: ", new=_SIZES),
    "spacing": partial(
        replace_text,
        old=b"space directions: ",
        new=(
            b"(0,0,0) (0,3,0) (0,0,9)",
            b"(nan,0,0) (0,3,0) (0,0,9)",
            b"(3,0,0) (3,1,0) (0,0,9)",
            b"(3,0,0) (3,0,0) (0,0,9)",
            b"none none none",
            b"(3,0) (0,3)",
        ),
    ),
    "origin": partial(replace_text, old=b"space origin: ", new=(b"(nan,0,0)", b"(1,2)", b"(0,0,0)", b"")),
    "encoding": partial(replace_text, old=b"encoding: ", new=(b"hex", b"bzip2", b"ascii", b"", b"gzip\nbyte skip: -1")),
    "type": partial(replace_text, old=b"type: ", new=(b"block", b"double", b"uint64", b"int8", b"")),
    "elsewhere": partial(
        replace_text, old=b"encoding: ", new=(b"raw\ndata file: ../../etc/passwd", b"raw\ndata file: LIST")
    ),
}
_META = {
    **_EVERY,
    "huge": partial(replace_text, old=b"DimSize = ", new=_SIZES),
    "spacing": partial(
        replace_text, old=b"ElementSpacing = ", new=(b"0 3 9", b"nan 3 9", b"3 9", b"-3 0 9", b"3 3 1e400")
    ),
    "direction": partial(
        replace_text, old=b"TransformMatrix = ", new=(b"1 0 0 0 1 0", b"1 0 0 1 0.2 0 0 0 1", b"0 " * 9, b"nan " * 9)
    ),
    "origin": partial(replace_text, old=b"Offset = ", new=_NUMBERS),
    "channels": partial(
        replace_text,
        old=b"CenterOfRotation = ",
        new=(b"0\nElementNumberOfChannels = 1000000000", b"0\nElementNumberOfChannels = 0"),
    ),
    "type": partial(replace_text, old=b"ElementType = ", new=(b"MET_OTHER", b"MET_DOUBLE", b"MET_CHAR_ARRAY", b"")),
    "elsewhere": partial(
        replace_text, old=b"ElementDataFile = ", new=(b"../../etc/passwd", b"LIST", b"%d.raw", b"/dev/zero", b"")
    ),
}
_LONG = b"9" * 5000
_SEGMENTS = {
    "value": partial(replace_text, old=b"Segment0_LabelValue:=", new=(*_NUMBERS, _LONG, b"2", b"7", b"300")),
    "layer": partial(replace_text, old=b"Segment1_Layer:=", new=(*_NUMBERS, _LONG, b"1", b"-1")),
    "segment": partial(replace_text, old=b"Segment1_Name:=", new=(b"RV", b"", b"Myo\nSegment2_Name:=Myo")),
    "many segments": partial(
        replace_text,
        old=b"Segment1_LabelValue:=",
        new=(
            b"2\nSegment" + _LONG + b"_Name:=LV",
            b"2\n" + b"\n".join(b"Segment%d_Name:=s%d" % (number, number) for number in range(2, 3000)),
        ),
    ),
}
_BESIDE = (b"../../etc/passwd", b"/etc/passwd", b"/dev/zero", b"LIST", b"%d.raw", b"nothing.raw", b"..", b"", b".")
_VOXELS = {
    "voxels truncated": truncate,
    "voxels empty": empty,
    "voxels doubled": lambda content, _generator: 2 * content,
}
DAMAGES: dict[str, dict[str, Damage]] = {
    "nii": {**_NIFTI, "flipped": _FLIPPED_NIFTI},
    "nii.gz": {**_NIFTI, "flipped": flip},
    "nrrd": {**_NRRD, "flipped": lambda content, generator: flip(content, generator, ((0, content.index(b"\n\n")),))},
    "gz.nrrd": _NRRD,
    "seg.nrrd": {**_NRRD, **_SEGMENTS},
    "nhdr": {**_NRRD, **_VOXELS, "beside": partial(replace_text, old=b"data file: ", new=_BESIDE)},
    "mhd": {**_META, **_VOXELS, "beside": partial(replace_text, old=b"ElementDataFile = ", new=_BESIDE)},
    "mha": {**_META, "flipped": lambda content, generator: flip(content, generator, ((0, content.index(b"LOCAL")),))},
    "zlib.mha": {**_META, "flipped": flip},
    "png": {**_EVERY, "flipped": flip, "huge": png_chunk},
    "tif": {**_EVERY, "huge": tiff_size},
    "series": {
        **_EVERY,
        "wrong magic": wrong_dicom_magic,
        "huge": dicom_size,
        "position": partial(dicom_text, tag=b"\x20\x00\x32\x00"),
        "direction": partial(dicom_text, tag=b"\x20\x00\x37\x00"),
        "number": partial(dicom_text, tag=b"\x20\x00\x13\x00"),
        "spacing": partial(dicom_text, tag=b"\x28\x00\x30\x00"),
    },
}
SEEDS = {
    "truncated": 6,
    "flipped": 12,
    "empty": 2,
    "zeros": 2,
    "noise": 2,
    "huge": 6,
    "beside": 12,
    "value": 12,
    "layer": 12,
}
"""How often each kind is made, where it is not four times."""
