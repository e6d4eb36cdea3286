"""WORD: 16 organs in 150 abdominal CTs of one hospital, with scribbles for training.

Luo et al., "WORD: A large scale dataset, benchmark and clinical applicable study for abdominal organ segmentation from
CT image", Medical Image Analysis 2022.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique
from lesslabel.data.sources.nifti_case import find_nifti, nifti_in, read_case, without_ending
from lesslabel.errors import DataError

PARTS: Mapping[str, str] = MappingProxyType({"Tr": "train", "Val": "val", "Ts": "test"})
"""The group of a case by the ending of its folder."""


class WORD(Source):
    """WORD 0.1.0: ``images{Tr,Val,Ts}/word_0001.nii.gz``, ``labels{Tr,Val,Ts}`` and ``scribblesTr`` with these names.

    The folders are the official parts of 100, 20 and 30 patients, so ``split: groups`` gives them. A training case has
    the annotations ``dense`` and ``scribble`` if the files exist; a case without any is unlabelled.

    The scribbles were made from the dense labels by the authors' published program, which writes 255 for unknown and 0
    for drawn background. Files that differ are refused: pass `unknown` if yours have another value.

    Args:
        raw: folder ``WORD-V0.1.0``, or one that holds some of its folders.
        unknown: the value of an unknown voxel in the scribbles.
    """

    name = "word"
    labels: Mapping[int, str] = MappingProxyType(
        {
            1: "liver",
            2: "spleen",
            3: "left kidney",
            4: "right kidney",
            5: "stomach",
            6: "gallbladder",
            7: "oesophagus",
            8: "pancreas",
            9: "duodenum",
            10: "colon",
            11: "intestine",
            12: "adrenal",
            13: "rectum",
            14: "bladder",
            15: "head of left femur",
            16: "head of right femur",
        }
    )

    def __init__(self, raw: Path, unknown: int = IGNORE) -> None:
        super().__init__(raw)
        self.unknown = unknown

    def list_cases(self) -> list[RawCase]:
        """List every image by name; see `Source.list_cases`."""
        cases = [
            self._locate(image, part)
            for part in PARTS
            for image in nifti_in(self.raw / f"images{part}")
            if image.name.startswith("word_")
        ]
        if not cases:
            raise DataError(f"{self.raw}: no WORD data; expected imagesTr/word_*.nii.gz, labelsTr and scribblesTr")
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one volume; see `Source.read`."""
        return read_case(raw, self, self.unknown)

    def _locate(self, image: Path, part: str) -> RawCase:
        uid = without_ending(image.name)
        files = {"image": image}
        for role, folder in (("dense", "labels"), ("scribble", "scribbles")):
            if found := find_nifti(self.raw / f"{folder}{part}", uid):
                files[role] = found
        return RawCase(uid=uid, patient=uid, files=files, group=PARTS[part], modality="CT")
