"""CHAOS: healthy abdomens of one hospital, 40 patients in CT and 40 others in MR.

Kavur et al., "CHAOS Challenge - combined (CT-MR) healthy abdominal organ segmentation", Medical Image Analysis 2021;
data: doi 10.5281/zenodo.3431873.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.formats.dicom import read_series
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique
from lesslabel.data.sources.grey_picture import read_grey
from lesslabel.errors import ConfigError, DataError

_IMAGES: Mapping[str, Mapping[str, str]] = {
    "ct": {"CT": "DICOM_anon"},
    "t1dual": {"in phase": "T1DUAL/DICOM_anon/InPhase", "out of phase": "T1DUAL/DICOM_anon/OutPhase"},
    "t2spir": {"T2-SPIR": "T2SPIR/DICOM_anon"},
}
"""The folders of the channels of each sequence in the folder of a patient."""

_GROUND = {"ct": "Ground", "t1dual": "T1DUAL/Ground", "t2spir": "T2SPIR/Ground"}
_MR_GREYS = {1: (55, 70), 2: (110, 135), 3: (175, 200), 4: (240, 255)}
"""The range of grey values of each organ in MR, from the challenge."""


class CHAOS(Source):
    """The archive as published: ``{Train,Test}_Sets/{CT,MR}/<number>/``, a store for one of its sequences.

    - ``ct``: ``DICOM_anon/*.dcm`` with ``Ground/liver_GT_*.png``; the liver alone.
    - ``t1dual``: ``T1DUAL/DICOM_anon/{InPhase,OutPhase}/*.dcm`` with ``T1DUAL/Ground/*.png``; two channels.
    - ``t2spir``: ``T2SPIR/DICOM_anon/*.dcm`` with ``T2SPIR/Ground/*.png``.

    A label map is one picture per slice. Pictures and slices are paired in the order of their file names, and there
    must be equally many; grey values outside the ranges of the challenge are refused. The patients of
    ``Test_Sets`` have no published labels: they are unlabelled cases. Those of CT and of MR are different people.

    Args:
        raw: folder that holds ``CT`` and ``MR``, or ``Train_Sets``, or its parent folder.
        sequence: ``ct``, ``t1dual`` or ``t2spir``.

    Raises:
        ConfigError: if there is no such sequence.
    """

    name = "chaos"

    def __init__(self, raw: Path, sequence: str = "t2spir") -> None:
        super().__init__(raw)
        if sequence not in _IMAGES:
            raise ConfigError(f"chaos: sequence is '{sequence}'; choose among {', '.join(_IMAGES)}")
        self.sequence = sequence
        organs = ("liver",) if sequence == "ct" else ("liver", "right kidney", "left kidney", "spleen")
        self.labels: Mapping[int, str] = dict(enumerate(organs, start=1))
        self.channels: Sequence[str] = tuple(_IMAGES[sequence])

    def list_cases(self) -> list[RawCase]:
        """List the patients by number; see `Source.list_cases`."""
        cases = [case for folder in self._folders() if (case := self._locate(folder))]
        if not cases:
            where = next(iter(_IMAGES[self.sequence].values()))
            raise DataError(f"{self.raw}: no CHAOS data; expected Train_Sets/{self._body}/<number>/{where}/*.dcm")
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one patient; see `Source.read`."""
        volumes = [read_series(path.parent, by_name=True) for role, path in raw.files.items() if role != "dense"]
        volumes = [volumes[0], *(lay_on(volumes[0], volume) for volume in volumes[1:])]
        annotations = {}
        if "dense" in raw.files:
            labels = _read_pictures(raw.files["dense"].parent, volumes[0], _codes_of_greys(self.sequence))
            annotations["dense"] = Annotation(labels, Kind.DENSE)
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=np.stack([volume.array for volume in volumes]),
            spacing_mm=volumes[0].spacing_mm,
            affine=volumes[0].affine,
            modality=raw.modality,
            annotations=annotations,
        )

    @property
    def _body(self) -> str:
        return "CT" if self.sequence == "ct" else "MR"

    def _folders(self) -> Iterator[Path]:
        """The folders of patients, at most two levels below RAW's."""
        for above in ("", "*/", "*/*/"):
            for folder in self.raw.glob(f"{above}{self._body}/*"):
                if folder.is_dir() and folder.name.isdecimal():
                    yield folder

    def _locate(self, folder: Path) -> RawCase | None:
        files: dict[str, Path] = {}
        for number, place in enumerate(_IMAGES[self.sequence].values(), start=1):
            slices = sorted((folder / place).glob("*.dcm"))
            if not slices:
                return None
            files["image" if number == 1 else f"image {number}"] = slices[0]
        if pictures := sorted((folder / _GROUND[self.sequence]).glob("*.png")):
            files["dense"] = pictures[0]
        uid = f"{self._body}_{int(folder.name):02d}"
        return RawCase(uid=uid, patient=uid, files=files, modality=self._body)


def _codes_of_greys(sequence: str) -> NDArray[np.uint8]:
    """(256,) label code of each grey value, `IGNORE` for undefined ones."""
    codes = np.full(256, IGNORE, np.uint8)
    codes[0] = 0
    if sequence == "ct":
        codes[[1, 255]] = 1
    else:
        for code, (low, high) in _MR_GREYS.items():
            codes[low : high + 1] = code
    return codes


def _read_pictures(folder: Path, image: NiftiVolume, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    paths = sorted(folder.glob("*.png"))
    if len(paths) != len(image.array):
        raise DataError(f"{folder}: {len(paths)} pictures for {len(image.array)} slices; copy it again")
    labels = np.empty(image.array.shape, np.uint8)
    for index, path in enumerate(paths):
        values = read_grey(path)
        if values.shape != labels.shape[1:] or values.dtype != np.uint8:
            raise DataError(
                f"{path}: {values.dtype} of shape {values.shape}, its slice has {labels.shape[1:]}; copy it again"
            )
        labels[index] = codes[values]
        if (labels[index] == IGNORE).any():
            strange = values[labels[index] == IGNORE].min()
            raise DataError(f"{path}: grey value {strange} is no organ; copy it again")
    return labels
