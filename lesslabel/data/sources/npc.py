"""NPC: nasopharyngeal carcinoma in contrast-enhanced T1 MR of any number of hospitals, by one or several raters.

Wang et al., "Dual-reference source-free active domain adaptation for nasopharyngeal carcinoma tumor segmentation
across multiple hospitals", IEEE TMI 2024. The data are private; the layouts are those that NIfTI collections of
several hospitals use.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique
from lesslabel.data.sources.nifti_case import label_roles, name_annotation, nifti_in, read_case, without_ending
from lesslabel.data.sources.table import list_table
from lesslabel.errors import DataError

MODALITY = "T1c-MR"

_EXPECTED = (
    "expected <centre>/<patient>/image.nii.gz or <centre>/images/<patient>.nii.gz with labels beside, "
    "or a table with the columns image and centre"
)


class NPC(Source):
    """The primary tumour of nasopharyngeal carcinoma, one image per patient, in folders by centre or listed in a table.

    A centre is a folder of RAW with either of these, ``.nii`` or ``.nii.gz``:

    - ``<patient>/image.nii.gz`` with ``label.nii.gz``, or ``label_<rater>.nii.gz`` for every rater, beside it;
    - ``images/<patient>.nii.gz`` with ``labels/<patient>.nii.gz``, or ``labels_<rater>/<patient>.nii.gz``.

    ``label`` becomes the annotation ``dense``, ``label_<rater>`` one with the rater's name (``rater1`` for
    ``label_1``). A case is named ``<centre>_<patient>``, and so is its patient. An image without any label map is an
    unlabelled case; one that only some raters of its centre annotated is refused, since it may be a mistake.

    A table has the columns of `Folder`, of which ``centre`` is required; names are taken from it unchanged, and an
    empty cell means that a rater did not annotate the case. Other codes than 0, 1 and 255 (unknown) are
    refused, and so are maps with only 0 and 255.

    Args:
        raw: folder of centres, or the CSV.
    """

    name = "npc"
    dense_unknown = IGNORE
    labels: Mapping[int, str] = MappingProxyType({1: "GTV"})

    def list_cases(self) -> list[RawCase]:
        """List the cases by name, those of a table in its order; see `Source.list_cases`."""
        if self.raw.is_file():
            listed = list_table(self.raw, required=("image", "centre"))
            return [case if case.modality else replace(case, modality=MODALITY) for case in listed]
        cases = [case for centre in _folders_in(self.raw) for case in _list_centre(centre)]
        if not cases:
            raise DataError(f"{self.raw}: no NPC data; {_EXPECTED}")
        return sorted_unique(cases)

    def read(self, raw: RawCase) -> Case:
        """Read one case; see `Source.read`."""
        return read_case(raw, self)


def _list_centre(centre: Path) -> list[RawCase]:
    """The cases of one hospital, in either layout."""
    cases = []
    for patient, files in (*_by_patient(centre), *_by_kind(centre)):
        name = f"{centre.name}_{patient}"
        cases.append(RawCase(uid=name, patient=name, files=files, centre=centre.name, modality=MODALITY))
    _require_every_rater(cases)
    return cases


def _by_patient(centre: Path) -> Iterator[tuple[str, dict[str, Path]]]:
    """``<patient>/{image,label,label_<rater>}.nii.gz``."""
    for folder in _folders_in(centre):
        if _is_kind(folder.name):
            continue
        files: dict[str, Path] = {}
        for path in nifti_in(folder):
            stem = without_ending(path.name)
            if stem.startswith("image"):
                _add(files, "image", path)
            elif stem == "label" or stem.startswith("label_"):
                _add(files, name_annotation(stem, path), path)
        if "image" not in files:
            raise DataError(f"{folder}: no image.nii.gz in it; {_EXPECTED}")
        yield folder.name, files


def _by_kind(centre: Path) -> Iterator[tuple[str, dict[str, Path]]]:
    """``images/<patient>.nii.gz`` with ``labels`` and ``labels_<rater>`` beside."""
    patients: dict[str, dict[str, Path]] = {}
    for folder in _folders_in(centre):  # sorted by name: images come before labels
        if not _is_kind(folder.name):
            continue
        role = "image" if folder.name == "images" else name_annotation(folder.name, folder)
        for path in nifti_in(folder):
            patient = without_ending(path.name)
            if role != "image" and patient not in patients:
                raise DataError(f"{path}: no image of that name in {centre / 'images'}; add it or rename the label map")
            _add(patients.setdefault(patient, {}), role, path)
    yield from patients.items()


def _is_kind(folder: str) -> bool:
    return folder in ("images", "labels") or folder.startswith("labels_")


def _add(files: dict[str, Path], role: str, path: Path) -> None:
    if role in files:
        what = "a patient has one image" if role == "image" else f"both are annotation '{role}'"
        raise DataError(f"{path}: there is {files[role].name} too, and {what}; keep one, or list the files in a table")
    files[role] = path


def _require_every_rater(cases: Sequence[RawCase]) -> None:
    """Refuse a case that some raters of its centre annotated and others did not."""
    raters_of = {case.uid: set(label_roles(case)) - {"dense"} for case in cases}
    everyone = set().union(*raters_of.values())
    for case in cases:
        if raters_of[case.uid] and (missing := sorted(everyone - raters_of[case.uid])):
            raise DataError(
                f"{case.files['image']}: no label map of {missing[0]}, who annotated others of {case.centre}; add it, "
                "or list the files in a table and leave the cell empty"
            )


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
