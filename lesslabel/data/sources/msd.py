"""MSD: the layout of the Medical Segmentation Decathlon, ten tasks of CT and MR.

Antonelli et al., "The Medical Segmentation Decathlon", Nature Communications 2022.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.nifti import read_image, read_label_map, require_same_grid
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import sorted_unique, to_codes
from lesslabel.data.sources.folder import parse_labels
from lesslabel.errors import DataError

DESCRIPTION = "dataset.json"

_ENDINGS = (".nii.gz", ".nii")


class MSD(Source):
    """A task of the Decathlon: ``imagesTr/*.nii.gz`` with ``labelsTr`` beside it, ``dataset.json`` or not.

    ``dataset.json`` names labels and channels. Without it, or where it is silent, every value of the label maps becomes
    a label (``"label 1"``; all maps are read once to find them) unless `labels` names them. A training image without a
    label map is an unlabelled case. The images of ``imagesTs`` have no published labels and are left aside. Every
    image is a patient of its own, as the layout has it.

    Args:
        raw: folder of the task.
        labels: codes and names, ``"1=anterior,2=posterior"``; comes before ``dataset.json``.

    Raises:
        DataError: if ``dataset.json`` is damaged or no label is found.
        ConfigError: if `labels` makes no sense.
    """

    name = "msd"

    def __init__(self, raw: Path, labels: str | None = None) -> None:
        super().__init__(raw)
        self._cases = self._list()
        description = _read_description(self.raw / DESCRIPTION)
        named = parse_labels(labels) if labels is not None else _label_names(description, self.raw / DESCRIPTION)
        self.labels: Mapping[int, str] = named or self._find_labels()
        self.channels: Sequence[str] = _channel_names(description) or self._count_channels()

    def list_cases(self) -> list[RawCase]:
        """List every training image by name; see `Source.list_cases`."""
        return list(self._cases)

    def read(self, raw: RawCase) -> Case:
        """Read one image; see `Source.read`."""
        image = read_image(raw.files["image"])
        if len(image.array) != len(self.channels):
            raise DataError(
                f"{image.path}: {len(image.array)} channels, the task has {len(self.channels)} "
                f"({', '.join(self.channels)}); copy it again or correct {DESCRIPTION}"
            )
        annotations = {}
        if "dense" in raw.files:
            label_map = read_label_map(raw.files["dense"])
            require_same_grid(image, label_map)
            annotations["dense"] = Annotation(to_codes(label_map.array, self.labels, label_map.path), Kind.DENSE)
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=image.array,
            spacing_mm=image.spacing_mm,
            affine=image.affine,
            annotations=annotations,
        )

    def _list(self) -> list[RawCase]:
        cases = []
        for path in (self.raw / "imagesTr").glob("*.nii*"):
            uid = _without_ending(path.name)
            if path.name.startswith(".") or uid == path.name:
                continue  # archives made on a Mac hold a twin of every file, ._<name>
            files = {"image": path}
            for label in (self.raw / "labelsTr" / f"{uid}{ending}" for ending in _ENDINGS):
                if label.exists():
                    files["dense"] = label
            cases.append(RawCase(uid=uid, patient=uid, files=files))
        if not cases:
            raise DataError(f"{self.raw}: no MSD data; expected imagesTr/*.nii.gz and labelsTr beside it")
        return sorted_unique(cases)

    def _find_labels(self) -> dict[int, str]:
        found: set[int] = set()
        for path in (case.files["dense"] for case in self._cases if "dense" in case.files):
            found |= set(np.unique(read_label_map(path).array).tolist())
        if strange := sorted(value for value in found if not 0 <= value < IGNORE):
            raise DataError(f"{self.raw}: label value {strange[0]} is not within 0 to 254; correct the files")
        if not found - {0}:
            raise DataError(f"{self.raw}: no label found in labelsTr; pass LABELS, such as 1=anterior,2=posterior")
        return {code: f"label {code}" for code in sorted(found - {0})}

    def _count_channels(self) -> list[str]:
        count = len(read_image(self._cases[0].files["image"]).array)
        return ["image"] if count == 1 else [f"image {index + 1}" for index in range(count)]


def _without_ending(name: str) -> str:
    return next((name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)), name)


def _read_description(path: Path) -> dict[str, Any]:
    """``dataset.json``, or nothing where there is none."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); copy it again or remove it") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object with 'labels' and 'modality'; copy it again or remove it")
    return content


def _label_names(description: Mapping[str, Any], path: Path) -> dict[int, str]:
    """Codes and names, background left out."""
    labels = description.get("labels", {})
    valid = isinstance(labels, dict) and all(
        str(code).isdecimal() and int(code) < IGNORE and isinstance(name, str) for code, name in labels.items()
    )
    if not valid:
        raise DataError(f'{path}: labels must be {{"0": "background", "1": name, …}}; correct it or pass LABELS')
    return {int(code): name for code, name in sorted(labels.items(), key=lambda item: int(item[0])) if int(code)}


def _channel_names(description: Mapping[str, Any]) -> list[str]:
    modality = description.get("modality")
    if not isinstance(modality, dict):
        return []
    return [str(modality[key]) for key in sorted(modality, key=str)]
