"""MSCMR: late gadolinium enhanced cardiac MR of one hospital, with scribbles for training.

Zhuang, "Multivariate mixture model for myocardial segmentation combining multi-source images", IEEE TPAMI 2019.
Scribbles: Zhang and Zhuang, "CycleMix: a holistic strategy for medical image segmentation from scribble supervision",
CVPR 2022.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from lesslabel.data.case import Annotation, Case, Kind
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.nifti import read_image, read_label_map
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique, to_codes
from lesslabel.errors import DataError

GROUPS = ("train", "val", "TestSet")
UNKNOWN = 4
"""The value of an unknown voxel in the scribble files."""

_ROLES = {"dense": ("manual", None, Kind.DENSE), "scribble": ("scribble", UNKNOWN, Kind.SCRIBBLE)}
_ENDING = ".nii.gz"


class MSCMR(Source):
    """MSCMR as published with its scribbles: ``{train,val,TestSet}/{images,labels}/*.nii.gz``.

    Labels of ``train`` are scribbles (``subject13_DE_scribble.nii.gz``, 4 is unknown), those of ``val`` and ``TestSet``
    are dense (``subject1_DE_manual.nii.gz``). The folder's name is the case's group.

    Args:
        raw: folder with the three folders, or some of them.
    """

    name = "mscmr"
    labels: Mapping[int, str] = MappingProxyType({1: "RV", 2: "Myo", 3: "LV"})

    def list_cases(self) -> list[RawCase]:
        """List every image by name; see `Source.list_cases`."""
        cases = [
            _locate(path, group)
            for group in GROUPS
            for path in (self.raw / group / "images").glob(f"subject*{_ENDING}")
        ]
        if not cases:
            raise DataError(f"{self.raw}: no MSCMR data; expected {{train,val,TestSet}}/images/subject*_DE.nii.gz")
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one stack; see `Source.read`."""
        image = read_image(raw.files["image"])
        annotations = {}
        for role, (_, unknown, kind) in _ROLES.items():
            if role in raw.files:
                label_map = lay_on(image, read_label_map(raw.files[role]), same_grid=raw.same_grid)
                annotations[role] = Annotation(to_codes(label_map.array, self.labels, label_map.path, unknown), kind)
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=image.array,
            spacing_mm=image.spacing_mm,
            affine=image.affine,
            modality="LGE-MR",
            group=raw.group,
            annotations=annotations,
            qform=image.qform,
        )


def _locate(image: Path, group: str) -> RawCase:
    """The files of one case; absent label maps have no entry."""
    uid = image.name.removesuffix(_ENDING)
    labels = image.parent.parent / "labels"
    files = {role: labels / f"{uid}_{suffix}{_ENDING}" for role, (suffix, _, _) in _ROLES.items()}
    found = {role: path for role, path in files.items() if path.exists()}
    return RawCase(uid=uid, patient=uid.partition("_")[0], files={"image": image, **found}, group=group)
