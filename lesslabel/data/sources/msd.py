"""MSD: the layout of the Medical Segmentation Decathlon, ten tasks of CT and MR.

Antonelli et al., "The Medical Segmentation Decathlon", Nature Communications 2022.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.nifti import NiftiVolume, read_grid, read_image, read_label_map
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import is_code, is_name, sorted_unique, to_codes
from lesslabel.data.sources.folder import parse_labels
from lesslabel.data.sources.nifti_case import find_nifti, nifti_in, without_ending
from lesslabel.errors import ConfigError, DataError
from lesslabel.files import parse_json, require_regular

DESCRIPTION = "dataset.json"

_SLICE = re.compile(r"_z(\d+)$")


class MSD(Source):
    """A task of the Decathlon: ``imagesTr/*.nii.gz`` with ``labelsTr`` beside it, ``dataset.json`` or not.

    ``dataset.json`` names labels and channels. Without it or without its names, every value of the label maps becomes
    a label (``"label 1"``; all maps are read once to find them) unless `labels` names them. A training image without a
    label map is an unlabelled case. The images of ``imagesTs`` have no published labels and are ignored. The fourth
    dimension of an image, as in the brain tumours and the prostate, is its channels. Every image is a patient of its
    own, as the layout has it.

    With `slices_of` every axial slice that holds this label is a case, ``lung_001_z045``, of the patient ``lung_001``:
    for studies of interactive methods in 2D. Each reading process keeps one volume in memory.

    Args:
        raw: folder of the task.
        labels: codes and names, ``"1=anterior,2=posterior"``; comes before ``dataset.json``.
        slices_of: code of a label; all label maps are read once to find its slices.

    Raises:
        DataError: if ``dataset.json`` is damaged, no label is found, or no slice holds the given label.
        ConfigError: if `labels` or `slices_of` is not valid.
    """

    name = "msd"

    def __init__(self, raw: Path, labels: str | None = None, slices_of: int | None = None) -> None:
        super().__init__(raw)
        self.slices_of = slices_of
        self._volume: Case | None = None
        self._cases = self._list()
        description = _read_description(self.raw / DESCRIPTION)
        named = parse_labels(labels) if labels is not None else _label_names(description, self.raw / DESCRIPTION)
        self.labels: Mapping[int, str] = named or self._find_labels()
        self.channels: Sequence[str] = _channel_names(description, self.raw / DESCRIPTION) or self._count_channels()
        if slices_of is not None:
            self._cases = self._list_slices(slices_of)

    def list_cases(self) -> list[RawCase]:
        """List every training image, or slice, by name; see `Source.list_cases`."""
        return list(self._cases)

    def read(self, raw: RawCase) -> Case:
        """Read one image or slice; see `Source.read`."""
        if self.slices_of is None:
            return self._read_volume(raw)
        if self._volume is None or self._volume.uid != raw.patient:
            self._volume = self._read_volume(replace(raw, uid=raw.patient))
        return _cut_slice(self._volume, raw.uid)

    def __getstate__(self) -> dict[str, Any]:
        """Another process has its own cache."""
        return {**self.__dict__, "_volume": None}

    def _read_volume(self, raw: RawCase) -> Case:
        image = read_image(raw.files["image"])
        if len(image.array) != len(self.channels):
            raise DataError(
                f"{image.path}: {len(image.array)} channels, the task has {len(self.channels)} "
                f"({', '.join(self.channels)}); copy it again or correct {DESCRIPTION}"
            )
        annotations = {}
        if "dense" in raw.files:
            label_map = _label_map(raw, image)
            annotations["dense"] = Annotation(to_codes(label_map.array, self.labels, label_map.path), Kind.DENSE)
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=image.array,
            spacing_mm=image.spacing_mm,
            affine=image.affine,
            annotations=annotations,
            qform=image.qform,
        )

    def _list(self) -> list[RawCase]:
        cases = []
        for path in nifti_in(self.raw / "imagesTr"):
            uid = without_ending(path.name)
            files = {"image": path}
            if dense := find_nifti(self.raw / "labelsTr", uid):
                files["dense"] = dense
            cases.append(RawCase(uid=uid, patient=uid, files=files))
        if not cases:
            raise DataError(f"{self.raw}: no MSD data; expected imagesTr/*.nii.gz and labelsTr beside it")
        return sorted_unique(cases)

    def _list_slices(self, code: int) -> list[RawCase]:
        if code not in self.labels:
            known = ", ".join(f"{known} {name}" for known, name in self.labels.items())
            raise ConfigError(f"msd: slices_of is {code}; choose among the labels {known}")
        slices = [
            replace(case, uid=f"{case.uid}_z{index:03d}")
            for case in self._cases
            if "dense" in case.files
            for index in _slices_of(code, _label_map(case, read_grid(case.files["image"])))
        ]
        if not slices:
            raise DataError(f"{self.raw}: no slice holds label {code}, {self.labels[code]}; choose another SLICES_OF")
        return slices

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


def _label_map(raw: RawCase, image: NiftiVolume) -> NiftiVolume:
    return lay_on(image, read_label_map(raw.files["dense"]), same_grid=raw.same_grid)


def _slices_of(code: int, label_map: NiftiVolume) -> list[int]:
    return [int(index) for index in np.flatnonzero((label_map.array == code).any(axis=(1, 2)))]


def _cut_slice(volume: Case, uid: str) -> Case:
    """The slice of a uid as a case with z = 1."""
    match = _SLICE.search(uid)
    if match is None or int(match[1]) >= len(volume.image[0]):
        raise DataError(f"case {uid}: names no slice of {volume.uid}; list the cases again")
    index = int(match[1])
    shift = np.eye(4)
    shift[2, 3] = index
    return replace(
        volume,
        uid=uid,
        image=volume.image[:, index : index + 1],
        affine=None if volume.affine is None else volume.affine @ shift,
        qform=None if volume.qform is None else volume.qform.moved(shift),
        annotations={
            name: replace(annotation, labels=annotation.labels[index : index + 1])
            for name, annotation in volume.annotations.items()
        },
    )


def _read_description(path: Path) -> dict[str, Any]:
    """``dataset.json``; empty if it is absent."""
    if not path.exists():
        return {}
    require_regular(path)
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); copy it again or remove it") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object with 'labels' and 'modality'; copy it again or remove it")
    return content


def _label_names(description: Mapping[str, Any], path: Path) -> dict[int, str]:
    """Codes and names, background left out."""
    labels = description.get("labels", {})
    valid = isinstance(labels, dict) and all(is_code(str(code)) and is_name(name) for code, name in labels.items())
    if not valid:
        raise DataError(f'{path}: labels must be {{"0": "background", "1": name, …}}; correct it or pass LABELS')
    return {int(code): name for code, name in sorted(labels.items(), key=lambda item: int(item[0])) if int(code)}


def _channel_names(description: Mapping[str, Any], path: Path) -> list[str]:
    modality = description.get("modality")
    if not isinstance(modality, dict):
        return []
    if not all(is_name(name) for name in modality.values()):
        raise DataError(f'{path}: modality must be {{"0": name, …}}; correct it or remove it')
    return [modality[key] for key in sorted(modality, key=lambda key: (len(key), key))]  # "2" before "10"
