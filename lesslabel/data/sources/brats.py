"""BraTS: gliomas in four co-registered MR images per patient, at 1 mm and without the skull.

Menze et al., "The multimodal brain tumor image segmentation benchmark (BRATS)", IEEE TMI 2015; Baid et al., "The
RSNA-ASNR-MICCAI BraTS 2021 benchmark", 2021.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lesslabel.data.case import Case
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique
from lesslabel.data.sources.nifti_case import find_nifti, nifti_in, read_case, without_ending
from lesslabel.errors import DataError

_UNTIL_2021 = {"FLAIR": "_flair", "T1": "_t1", "T1c": "_t1ce", "T2": "_t2"}
_SINCE_2023 = {"FLAIR": "-t2f", "T1": "-t1n", "T1c": "-t1c", "T2": "-t2w"}
_VISIT = re.compile(r"(BraTS-\w+-\d+)-\d+")


class BraTS(Source):
    """BraTS 2018 to 2021, or 2023 and later: a folder per patient with four images and the tumour's parts.

    - Until 2021: ``<case>/<case>_{flair,t1,t1ce,t2}.nii.gz`` with ``<case>_seg.nii.gz``; labels 1, 2 and 4.
    - Since 2023: ``<case>/<case>-{t2f,t1n,t1c,t2w}.nii.gz`` with ``<case>-seg.nii.gz``; labels 1, 2 and 3, which is
      the former 4. Codes are those of the release. Of ``BraTS-GLI-00005-001`` the patient is ``BraTS-GLI-00005``.

    Folders may lie anywhere below RAW. Channels are FLAIR, T1, T1c and T2 in both, so that a view names a task: the
    whole tumour on FLAIR is ``labels: {whole tumour: [1, 2, 4]}`` on ``channels: [0]``, the core on T1c
    ``{tumour core: [1, 4]}`` on ``[2]``. Cases without a label map, as in the validation parts, are unlabelled.

    Args:
        raw: folder of the cases.

    Raises:
        DataError: if both layouts are below it.
    """

    name = "brats"
    channels: Sequence[str] = tuple(_UNTIL_2021)

    def __init__(self, raw: Path) -> None:
        super().__init__(raw)
        self._cases = self._list()
        enhancing = 4 if self._cases[0].files["image"].name.partition(".")[0].endswith("_flair") else 3
        self.labels: Mapping[int, str] = {
            1: "necrotic and non-enhancing core",
            2: "oedema",
            enhancing: "enhancing tumour",
        }

    def list_cases(self) -> list[RawCase]:
        """List every case by name; see `Source.list_cases`."""
        return list(self._cases)

    def read(self, raw: RawCase) -> Case:
        """Read one case; see `Source.read`."""
        return read_case(raw, self)

    def _list(self) -> list[RawCase]:
        folders = [self.raw, *sorted(path for path in self.raw.rglob("*") if path.is_dir())]
        old, new = (
            [_locate(path, names) for folder in folders for path in nifti_in(folder) if _is_first(path, names)]
            for names in (_UNTIL_2021, _SINCE_2023)
        )
        if old and new:
            raise DataError(
                f"{self.raw}: {old[0].uid} and {new[0].uid} are of releases whose labels differ; pass the folder of one"
            )
        if not old and not new:
            raise DataError(
                f"{self.raw}: no BraTS data; expected <case>/<case>_flair.nii.gz or <case>/<case>-t2f.nii.gz below it"
            )
        return sorted_unique(old or new)


def _is_first(path: Path, names: Mapping[str, str]) -> bool:
    return without_ending(path.name).endswith(names["FLAIR"])


def _locate(flair: Path, names: Mapping[str, str]) -> RawCase:
    """The files of one case, by its FLAIR image."""
    uid = without_ending(flair.name).removesuffix(names["FLAIR"])
    files: dict[str, Path] = {}
    for number, (channel, ending) in enumerate(names.items(), start=1):
        found = find_nifti(flair.parent, f"{uid}{ending}")
        if found is None:
            raise DataError(f"{flair.parent}: no {uid}{ending}.nii.gz, the {channel} of this case; copy it again")
        files["image" if number == 1 else f"image {number}"] = found
    if dense := find_nifti(flair.parent, f"{uid}{names['FLAIR'][0]}seg"):
        files["dense"] = dense
    visit = _VISIT.fullmatch(uid)
    return RawCase(uid=uid, patient=visit[1] if visit else uid, files=files, modality="MR")
