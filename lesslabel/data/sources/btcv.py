"""BTCV: 13 abdominal organs and vessels in 30 contrast-enhanced CTs, as used by the Synapse multi-organ benchmark.

Landman et al., "Multi-Atlas Labeling Beyond the Cranial Vault", MICCAI 2015 workshop and challenge,
doi 10.7303/syn3193805.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from lesslabel.data.case import Case
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique
from lesslabel.data.sources.nifti_case import find_nifti, nifti_in, read_case
from lesslabel.errors import DataError

_IMAGE = re.compile(r"img(\d{4})\.nii(?:\.gz)?")


class BTCV(Source):
    """The abdomen of BTCV: ``[RawData/][Training/]img/img0001.nii.gz`` with ``label/label0001.nii.gz`` beside.

    RAW may be the folder that holds ``RawData``, or any folder below it. ``Testing/img`` has no published labels: its
    cases are unlabelled. A case and its patient are both named ``case0001``.

    Args:
        raw: folder with the layout.
    """

    name = "btcv"
    labels: Mapping[int, str] = MappingProxyType(
        {
            1: "spleen",
            2: "right kidney",
            3: "left kidney",
            4: "gallbladder",
            5: "oesophagus",
            6: "liver",
            7: "stomach",
            8: "aorta",
            9: "inferior vena cava",
            10: "portal and splenic veins",
            11: "pancreas",
            12: "right adrenal gland",
            13: "left adrenal gland",
        }
    )

    def list_cases(self) -> list[RawCase]:
        """List the images by number; see `Source.list_cases`."""
        cases = [
            _locate(image, match[1])
            for folder in (self.raw / "img", *self.raw.glob("*/img"), *self.raw.glob("*/*/img"))
            for image in nifti_in(folder)
            if (match := _IMAGE.fullmatch(image.name))
        ]
        if not cases:
            raise DataError(
                f"{self.raw}: no BTCV data; expected [RawData/][Training/]img/img0001.nii.gz and label/label0001.nii.gz"
            )
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one volume; see `Source.read`."""
        return read_case(raw, self)


def _locate(image: Path, number: str) -> RawCase:
    uid = f"case{number}"
    files = {"image": image}
    if dense := find_nifti(image.parent.parent / "label", f"label{number}"):
        files["dense"] = dense
    return RawCase(uid=uid, patient=uid, files=files, modality="CT")
