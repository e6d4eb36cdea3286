"""ACDC: cine cardiac MR of 150 patients at end-diastole and end-systole, with scribbles.

Bernard et al., "Deep learning techniques for automatic MRI cardiac multi-structures segmentation and diagnosis: is the
problem solved?", IEEE TMI 2018. Scribbles: Valvano et al., IEEE TMI 2021.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.hdf5 import DAMAGE, read_array
from lesslabel.data.formats.nifti import read_image, read_label_map
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique, to_codes
from lesslabel.errors import ConfigError, DataError
from lesslabel.files import parse_json, require_regular

UNKNOWN = 4
"""The value of an unknown voxel in the scribble files."""

SPACING_FILE = "acdc_spacing.json"

_LARGEST_SPACING_MM = 1e6

_VOLUME = re.compile(r"(patient\d+)_frame\d+\.h5")
_FRAME = re.compile(r"((patient\d+)_frame\d+)\.nii(\.gz)?")


class ACDC(Source):
    """ACDC in the h5 layout of the scribble benchmark or in the NIfTI layout of the challenge.

    The h5 layout is any folder with ``patientXXX_frameYY.h5``, RAW itself or up to two levels below it, with the
    datasets ``image`` (z, y, x), ``label`` and, where there are scribbles, ``scribble``. The NIfTI layout is
    ``[training/]patientXXX/patientXXX_frameYY.nii.gz`` with ``…_gt.nii.gz`` beside it; ``patientXXX_4d.nii.gz`` is
    ignored. In scribbles 4 is unknown and 0 is annotated background.

    Args:
        raw: folder with either layout.
        spacing: JSON table ``{"patient021_frame01": [z, y, x]}`` in mm for the h5 layout, which has none. By default
            ``acdc_spacing.json`` in RAW or in its parent.
        scribbles: folder with ``patientXXX_frameYY_scribble.nii.gz`` at any depth, for the NIfTI layout. By default
            they are searched beside the images.
    """

    name = "acdc"
    labels: Mapping[int, str] = MappingProxyType({1: "RV", 2: "Myo", 3: "LV"})

    def __init__(self, raw: Path, spacing: Path | None = None, scribbles: Path | None = None) -> None:
        super().__init__(raw)
        self.spacing = spacing
        self.scribbles = scribbles
        self._spacing_table: dict[str, Any] | None = None

    def list_cases(self) -> list[RawCase]:
        """List every volume by name; see `Source.list_cases`."""
        cases = self._list_volumes()
        if cases and self.scribbles is not None:
            raise ConfigError(f"{self.scribbles}: the h5 files in {self.raw} hold the scribbles; leave out SCRIBBLES")
        cases = cases or self._list_frames()
        if not cases:
            raise DataError(
                f"{self.raw}: no ACDC data; expected patientXXX_frameYY.h5 at most two levels below it "
                "or [training/]patientXXX/patientXXX_frameYY.nii.gz"
            )
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one volume; see `Source.read`."""
        return self._read_volume(raw) if raw.files["image"].suffix == ".h5" else self._read_frame(raw)

    def _list_volumes(self) -> list[RawCase]:
        return [
            RawCase(uid=path.stem, patient=match[1], files={"image": path})
            for pattern in ("*.h5", "*/*.h5", "*/*/*.h5")
            for path in self.raw.glob(pattern)
            if (match := _VOLUME.fullmatch(path.name))
        ]

    def _list_frames(self) -> list[RawCase]:
        scribbles = self._find_scribbles()
        cases = []
        for pattern in ("*.nii*", "patient*/*.nii*", "*/patient*/*.nii*", "*/*/patient*/*.nii*"):
            for path in self.raw.glob(pattern):
                if not (match := _FRAME.fullmatch(path.name)):
                    continue
                uid, ending = match[1], path.name[len(match[1]) :]
                files = {"image": path, "dense": path.with_name(f"{uid}_gt{ending}")}
                files["scribble"] = scribbles.get(uid, path.with_name(f"{uid}_scribble{ending}"))
                part = path.parent.parent.name
                cases.append(
                    RawCase(
                        uid=uid,
                        patient=match[2],
                        files={role: file for role, file in files.items() if role == "image" or file.exists()},
                        group=part if part in ("training", "testing") else "",
                    )
                )
        return cases

    def _find_scribbles(self) -> dict[str, Path]:
        """Scribble files by case, from the folder that was passed."""
        if self.scribbles is None:
            return {}
        found = {path.name.partition("_scribble")[0]: path for path in sorted(self.scribbles.rglob("*_scribble.nii*"))}
        if not found:
            raise DataError(f"{self.scribbles}: no patientXXX_frameYY_scribble.nii.gz in it; correct SCRIBBLES")
        return found

    def _read_volume(self, raw: RawCase) -> Case:
        path = raw.files["image"]
        spacing_mm = self._spacing_of(raw.uid)
        require_regular(path)
        try:
            with h5py.File(path, "r") as volume:
                arrays = {key: read_array(volume, key) for key in ("image", "label", "scribble") if key in list(volume)}
        except DAMAGE as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{path}: not a readable h5 file ({reason}); copy it again") from error
        if "image" not in arrays:
            raise DataError(f"{path}: holds no dataset 'image'; expected image, label and scribble of shape (z, y, x)")
        image = arrays.pop("image")
        for key, array in {"image": image, **arrays}.items():
            if array.ndim != 3 or array.shape != image.shape:
                raise DataError(
                    f"{path}: '{key}' is {array.shape}, the image {image.shape}; all must be of one (z, y, x)"
                )
        roles = {"dense": "label", "scribble": "scribble"}
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=image[None].astype(np.float32),
            spacing_mm=spacing_mm,
            modality="cine-MR",
            group=raw.group,
            annotations=self._annotations({role: (arrays[key], path) for role, key in roles.items() if key in arrays}),
        )

    def _read_frame(self, raw: RawCase) -> Case:
        image = read_image(raw.files["image"])
        maps = {
            role: lay_on(image, read_label_map(path), same_grid=raw.same_grid)
            for role, path in raw.files.items()
            if role != "image"
        }
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=image.array,
            spacing_mm=image.spacing_mm,
            affine=image.affine,
            modality="cine-MR",
            group=raw.group,
            annotations=self._annotations({role: (volume.array, volume.path) for role, volume in maps.items()}),
            qform=image.qform,
        )

    def _annotations(self, maps: dict[str, tuple[NDArray[Any], Path]]) -> dict[str, Annotation]:
        """Annotations by name from raw label maps by role."""
        annotations = {}
        for role, (values, path) in maps.items():
            unknown, kind = (UNKNOWN, Kind.SCRIBBLE) if role == "scribble" else (None, Kind.DENSE)
            annotations[role] = Annotation(to_codes(values, self.labels, f"{path} ({role})", unknown), kind)
        return annotations

    def _spacing_of(self, uid: str) -> tuple[float, float, float]:
        """Spacing (z, y, x) in mm of an h5 volume, from the table."""
        path = self._spacing_path()
        if self._spacing_table is None:
            self._spacing_table = _read_spacing_table(path)
        spacing = self._spacing_table.get(uid)
        sides = spacing if isinstance(spacing, list) else []
        possible = [isinstance(side, int | float) and 0.0 < side < _LARGEST_SPACING_MM for side in sides]
        if possible != [True, True, True]:
            raise DataError(
                f"{path}: spacing of {uid} is {str(spacing)[:60]}; add three positive numbers in mm, [z, y, x]"
            )
        return float(sides[0]), float(sides[1]), float(sides[2])

    def _spacing_path(self) -> Path:
        candidates = [self.raw / SPACING_FILE, self.raw.resolve().parent / SPACING_FILE]
        if self.spacing is not None:
            candidates = [self.spacing]
        for path in candidates:
            if path.is_file():
                return path
        raise DataError(
            f"{candidates[0]}: no such file; the h5 files hold no spacing: pass --spacing FILE, a JSON table "
            '{"patient021_frame01": [z, y, x]} in mm'
        )


def _read_spacing_table(path: Path) -> dict[str, Any]:
    require_regular(path)
    try:
        table = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a readable JSON table of spacings ({error})") from error
    if not isinstance(table, dict):
        raise DataError(f'{path}: expected a table {{"patient021_frame01": [z, y, x]}} in mm')
    return table
