"""Sound files in which a field of the header has another legal value: what they mean changes, no byte is damaged.

Every change comes with what an independent reader makes of the file; `same_meaning` compares.
"""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import damaged_files
import nibabel as nib
import numpy as np
import SimpleITK

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Changed:
    """A file of one format with one field changed.

    Attributes:
        format: one of `damaged_files.FORMATS`.
        field: which one, as the header calls it.
        value: its new value, as text.
    """

    format: str
    field: str
    value: str

    def write(self, folder: Path) -> Path:
        """Write the image; its path, or the folder of the series."""
        contents = dict(damaged_files.sound_files(self.format, "image"))
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        image = folder / (
            "series" if self.format == "series" else min(contents, key=lambda name: name.endswith(".raw"))
        )
        CHANGES[kind_of(self.format)](image, self.field, self.value)
        return image


@dataclass(frozen=True)
class Meaning:
    """What a reader says of a file: values (C, z, y, x), and the place of every corner in mm, RAS."""

    values: np.ndarray
    affine: np.ndarray


def corpus() -> Iterator[Changed]:
    """All of them, in a fixed order."""
    for name in damaged_files.FORMATS:
        for field, values in VALUES.get(kind_of(name), {}).items():
            for value in values:
                yield Changed(name, field, value)


def by_another_reader(changed: Changed, path: Path) -> Meaning | None:
    """What SimpleITK makes of it; None if it refuses it too. Affines of NIfTI by nibabel, in the unit that it says."""
    try:
        if changed.format == "series":
            names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path))
            image = SimpleITK.ReadImage(names)
        else:
            image = SimpleITK.ReadImage(str(path))
    except RuntimeError:
        return None
    values = SimpleITK.GetArrayFromImage(image)
    planar = image.GetDimension() == 2
    affine = np.eye(4)
    if not planar:
        directions = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
        affine[:3, :3], affine[:3, 3] = directions, image.GetOrigin()
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    array = values[None] if planar else values
    return Meaning(array[None], affine)


def same_meaning(read: Meaning, other: Meaning) -> bool:
    """Equal values, each at the same place: axes may be stored in another direction."""
    return (
        read.values.shape == other.values.shape
        and np.allclose(read.values, other.values, rtol=1e-5)
        and np.allclose(read.affine, other.affine, rtol=1e-3, atol=1e-2)
    )


def change_nifti(path: Path, field: str, value: str) -> None:
    """A field of the binary header; ``pixdim 0`` is the first of its numbers."""
    packed = path.name.endswith(".gz")
    content = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    name, _, index = field.partition(" ")
    if index:
        header[name][int(index)] = float(value)
    else:
        header[name] = float(value)
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content), mtime=0) if packed else bytes(content))


def change_text(path: Path, field: str, value: str) -> None:
    """A line ``field: value`` or ``field = value`` of a text header, replaced where it is, added where it is not."""
    content = path.read_bytes()
    sign = b": " if content.startswith(b"NRRD") else b" = "
    line, old = field.encode() + sign + value.encode(), b"\n" + field.encode() + sign
    if old in content:
        start = content.index(old) + 1
        path.write_bytes(content[:start] + line + content[content.index(b"\n", start) :])
        return
    end = content.index(b"\n\n") + 1 if content.startswith(b"NRRD") and b"\n\n" in content else len(content)
    end = content.index(b"ElementDataFile") if content.startswith(b"ObjectType") else end
    path.write_bytes(content[:end] + line + b"\n" + content[end:])


def change_series(folder: Path, field: str, value: str) -> None:
    """An attribute of every slice; of several values joined by | each slice takes its own."""
    import pydicom

    values = value.split("|")
    for index, path in enumerate(sorted(folder.glob("*.dcm"))):
        file = pydicom.dcmread(path)
        own = values[index % len(values)]
        if field in ("PixelRepresentation", "BitsStored", "HighBit"):
            setattr(file, field, int(own))
        else:
            setattr(file, field, own.split(",") if "," in own else own or None)
        file.save_as(path)


def kind_of(name: str) -> str:
    """The family of headers that a format belongs to, empty if it has none that is changed here."""
    kinds = {"nii": "nifti", "nii.gz": "nifti", "mha": "meta", "zlib.mha": "meta", "mhd": "meta", "series": "series"}
    return kinds.get(name, "nrrd" if name.endswith(("nrrd", "nhdr")) else "")


CHANGES: dict[str, Callable[[Path, str, str], None]] = {
    "nifti": change_nifti,
    "nrrd": change_text,
    "meta": change_text,
    "series": change_series,
}
VALUES: dict[str, dict[str, tuple[str, ...]]] = {
    "nifti": {
        "xyzt_units": tuple(map(str, (*range(8), 10, 18, 26, 35))),
        "pixdim 0": ("-1", "0", "1"),
        "sform_code": tuple("01234"),
        "qform_code": tuple("01234"),
        "quatern_b": ("0", "0.5", "-1", "3"),
        "pixdim 1": ("-1.5", "1.5"),
        "scl_slope": ("0", "1", "2", "-3", "0.5"),
        "scl_inter": ("0", "7", "-1024"),
        "intent_code": ("0", "1002", "1003", "1007"),
        "dim_info": ("0", "57"),
        "cal_max": ("9",),
        "slice_code": tuple("0123"),
        "toffset": ("5",),
    },
    "nrrd": {
        "space": (
            *("left-posterior-superior", "LPS", "right-anterior-superior", "RAS", "left-anterior-superior", "LAS"),
            *("scanner-xyz", "3D-right-handed", "3D-left-handed", "right-anterior-superior-time"),
        ),
        "space units": ('"mm" "mm" "mm"', '"um" "um" "um"', '"m" "m" "m"', '"mm" "furlong" "mm"'),
        "kinds": ("domain domain domain", "space space space", "domain domain list", "domain domain time"),
        "centerings": ("cell cell cell", "node node node"),
        "endian": ("little", "Little", "LITTLE"),
        "type": ("short", "int16", "signed short", "ushort", "uint16", "unsigned short int"),
        "old min": ("3",),
        "old max": ("3",),
        "axis mins": ("0 0 0",),
        "units": ('"mm" "mm" "mm"', '"um" "um" "um"'),
        "measurement frame": ("(1,0,0) (0,1,0) (0,0,1)", "(0,1,0) (1,0,0) (0,0,1)"),
        "byte skip": ("0", "-1", "4"),
        "line skip": ("0", "1"),
        "thicknesses": ("1 1 1",),
        "sample units": ('"HU"',),
        "content": ("brain",),
    },
    "meta": {
        "BinaryData": ("True", "true", "1", "T", "False", "false", "0"),
        "BinaryDataByteOrderMSB": ("False", "false", "F", "0", "True", "true", "1", "no", "yes"),
        "ElementByteOrderMSB": ("False", "True"),
        "AnatomicalOrientation": ("LPS", "RAI", "RAS", "???"),
        "CenterOfRotation": ("0 0 0", "5 5 5"),
        "DistanceUnits": ("mm", "um", "cm", "?"),
        "ElementToIntensityFunctionSlope": ("1", "2"),
        "ElementToIntensityFunctionOffset": ("0", "7"),
        "ElementType": ("MET_SHORT", "MET_USHORT"),
        "ElementNumberOfChannels": ("1", "2"),
        "HeaderSize": ("0", "-1", "4"),
        "ElementSize": ("1 1 1", "3 3.25 10"),
        "Modality": ("MET_MOD_CT", "MET_MOD_MR"),
        "ObjectSubType": ("Image",),
    },
    "series": {
        "RescaleSlope": ("1", "2", "1|2", "-1", "0.5"),
        "RescaleIntercept": ("0", "-1024", "7|9"),
        "InstanceNumber": ("1|2|3|4|5|6", "6|5|4|3|2|1", "3|1|6|2|5|4", "1", "10|20|30|40|50|60"),
        "PhotometricInterpretation": ("MONOCHROME1", "MONOCHROME2"),
        "PixelRepresentation": ("0", "1"),
        "BitsStored": ("12", "16"),
        "HighBit": ("11", "15"),
        "PixelSpacing": ("", "1.5,1.25", "1,1|1,1.0001|1,1|1,1|1,1|1,1.5"),
        "ImagePositionPatient": ("",),
        "ImageOrientationPatient": ("", "1,0,0,0,1,0", "0,1,0,1,0,0"),
        "SliceThickness": ("1", "20"),
        "SpacingBetweenSlices": ("1", "-4"),
        "ImagerPixelSpacing": ("1,1",),
        "Modality": ("CT", "MR", "PT"),
        "AcquisitionNumber": ("1", "1|2"),
        "GantryDetectorTilt": ("0", "15"),
        "PatientPosition": ("HFS", "FFP"),
        "WindowCenter": ("40",),
        "NumberOfFrames": ("1", "2"),
    },
}
"""Legal values of fields, of which some change what the voxels mean and some do not."""
