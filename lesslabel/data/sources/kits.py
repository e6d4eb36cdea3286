"""KiTS: kidneys, renal tumours and cysts in contrast-enhanced CT, releases of 2019, 2021 and 2023.

Heller et al., "The state of the art in kidney and kidney tumor segmentation in contrast-enhanced CT imaging: results of
the KiTS19 challenge", Medical Image Analysis 2021.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import nibabel as nib
import numpy as np

from lesslabel.data.case import Case
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique
from lesslabel.data.sources.nifti_case import find_nifti, read_case
from lesslabel.errors import DataError

_CASE = re.compile(r"case_\d{5}")


class KiTS(Source):
    """The layout of the KiTS repositories: ``[data/|dataset/]case_00000/{imaging,segmentation}.nii.gz``.

    Its files are stored with slices along the first axis. On reading, axes are put into the order (z, y, x) that the
    header's affine gives them; none is reversed and no voxel changes, and the affine follows. Labels are 1 kidney,
    2 tumour and, since 2021, 3 cyst. Of 2021 the aggregate ``aggregated_MAJ_seg.nii.gz`` is read if there is no
    ``segmentation.nii.gz``. A case without either is unlabelled.

    Args:
        raw: folder with the layout.
    """

    name = "kits"
    labels: Mapping[int, str] = MappingProxyType({1: "kidney", 2: "tumour", 3: "cyst"})

    def list_cases(self) -> list[RawCase]:
        """List the cases by number; see `Source.list_cases`."""
        folders = [path for glob in ("case_*", "*/case_*", "*/*/case_*") for path in self.raw.glob(glob)]
        cases = [case for folder in folders if _CASE.fullmatch(folder.name) and (case := _locate(folder))]
        if not cases:
            raise DataError(f"{self.raw}: no KiTS data; expected [data/]case_00000/{{imaging,segmentation}}.nii.gz")
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one volume; see `Source.read`."""
        return _order_axes(read_case(raw, self))


def _locate(folder: Path) -> RawCase | None:
    """The files of one case; None for a folder with annotations only, whose image was not downloaded."""
    image = find_nifti(folder, "imaging")
    if image is None:
        return None
    files = {"image": image}
    if dense := find_nifti(folder, "segmentation") or find_nifti(folder, "aggregated_MAJ_seg"):
        files["dense"] = dense
    return RawCase(uid=folder.name, patient=folder.name, files=files, modality="CT")


def _order_axes(case: Case) -> Case:
    """Reorder the axes so that z runs between head and feet, y between front and back and x between the sides."""
    if case.affine is None:
        return case
    body_axes = nib.orientations.io_orientation(case.affine)[:, 0].astype(int)  # of x, y, z as stored
    stored_xyz = np.argsort(body_axes)
    axes = tuple(2 - int(axis) for axis in stored_xyz[::-1])  # arrays are (z, y, x)
    spacing_z_mm, spacing_y_mm, spacing_x_mm = (case.spacing_mm[axis] for axis in axes)
    order = np.eye(4)[:, [*stored_xyz, 3]]
    return replace(
        case,
        image=np.ascontiguousarray(case.image.transpose(0, *(axis + 1 for axis in axes))),
        spacing_mm=(spacing_z_mm, spacing_y_mm, spacing_x_mm),
        affine=case.affine @ order,
        qform=None if case.qform is None else case.qform.moved(order),
        annotations={
            name: replace(annotation, labels=np.ascontiguousarray(annotation.labels.transpose(axes)))
            for name, annotation in case.annotations.items()
        },
    )
