"""PROMISE12: the prostate in T2-weighted MR of several hospitals.

Litjens et al., "Evaluation of prostate segmentation algorithms for MRI: The PROMISE12 challenge", Medical Image
Analysis 2014.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from lesslabel.data.case import Case
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique
from lesslabel.data.sources.nifti_case import read_case
from lesslabel.errors import DataError

_IMAGE = re.compile(r"Case\d+")


class PROMISE12(Source):
    """The archives as published: ``Case00.mhd``, ``Case00.raw`` and ``Case00_segmentation.mhd`` with its ``.raw``.

    Files may lie anywhere below RAW. Every image counts as a separate patient. An image without a segmentation, such
    as a test image, is unlabelled; its name begins with ``test_``, since test numbers are of other patients.

    Args:
        raw: folder of ``training_data``, of ``test_data`` too or not.
    """

    name = "promise12"
    labels: Mapping[int, str] = MappingProxyType({1: "prostate"})

    def list_cases(self) -> list[RawCase]:
        """List every image by name; see `Source.list_cases`."""
        cases = [_locate(path) for path in self.raw.rglob("*.mhd") if _IMAGE.fullmatch(path.stem)]
        if not cases:
            raise DataError(f"{self.raw}: no PROMISE12 data; expected Case00.mhd and Case00_segmentation.mhd")
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one volume; see `Source.read`."""
        return read_case(raw, self)


def _locate(image: Path) -> RawCase:
    dense = image.with_name(f"{image.stem}_segmentation.mhd")
    if not dense.is_file():
        uid = f"test_{image.stem}"
        return RawCase(uid=uid, patient=uid, files={"image": image}, modality="MR")
    return RawCase(uid=image.stem, patient=image.stem, files={"image": image, "dense": dense}, modality="MR")
