"""nnU-Net's raw layout: ``imagesTr`` with a file for every channel, ``labelsTr``, ``dataset.json``.

Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation", Nature
Methods 2021.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lesslabel.data.case import IGNORE, Case, Kind
from lesslabel.data.formats.endings import has_ending, without_ending
from lesslabel.data.formats.reading import ENDINGS
from lesslabel.data.sources.base import RawCase
from lesslabel.data.sources.checks import is_case_name, is_code, is_name, require_within
from lesslabel.data.sources.listed import Listed
from lesslabel.data.sources.nifti_case import read_case
from lesslabel.errors import ConfigError, DataError
from lesslabel.files import is_file, read_json

DESCRIPTION = "dataset.json"

_UNKNOWN_NAME = "ignore"
_CHANNEL = re.compile(r"(.+)_(\d{4})")
_SHOWN = 5


class NNUNet(Listed):
    """A data set of nnU-Net, version 1 or 2.

    ``imagesTr/<case>_0000.nii.gz`` is the first channel of a case, ``_0001`` the second; ``labelsTr/<case>.nii.gz`` its
    label map. ``imagesTs`` is read too, with ``labelsTs`` if it exists. The parts are the groups ``train`` and
    ``test``; without a label map a case is unlabelled. ``dataset.json`` names labels, channels and the files'
    ending; its section ``dataset`` (version 2), if there, names the files instead.

    The label ``ignore`` of version 2 means unknown: a case with such voxels gets the annotation
    ``scribble``, others ``dense``. For regions (labels of several codes) use a view: codes are the values of the label
    maps, with the name of a region of one code. Every case counts as a separate patient, as in the layout.

    Args:
        raw: folder with ``dataset.json``.
        splits: ``splits_final.json`` of nnU-Net's preprocessing: the cases that its fold validates on are the group
            ``validation``.
        fold: the fold of it, by default 0.
        within: folder that every file must lie in, by default `raw`: a data set that came from elsewhere cannot name
            other files. Files that ``dataset`` borrows from other data sets lie in a folder above.

    Raises:
        DataError: if ``dataset.json``, the splits or the files do not fit the layout.
    """

    name = "nnunet"

    def __init__(
        self, raw: Path, splits: Path | None = None, fold: int | None = None, within: Path | None = None
    ) -> None:
        path = self._require_raw(raw) / DESCRIPTION
        description = _read_object(path, "dataset.json of nnU-Net")
        labels, ignored = _read_labels(description, path)
        self.dense_unknown = ignored
        cases = _list_cases(Path(raw), description, path)
        require_within(cases, raw if within is None else within, path)
        self.warnings = _name_missing(path, description, cases)
        if splits is not None:
            kept = _validate_on(cases, splits, 0 if fold is None else fold)
            self.warnings += _name_left_out(splits, cases, kept)
            cases = kept
        elif fold is not None:
            raise ConfigError(f"nnunet: fold is {fold} without splits; pass --splits splits_final.json too")
        super().__init__(raw, cases, _read_channels(description, path), labels=labels)

    def read(self, raw: RawCase) -> Case:
        """Read one case; see `Source.read`."""
        case = read_case(raw, self)
        dense = case.annotations.get("dense")
        if dense is None or not (dense.labels == IGNORE).any():
            return case
        return replace(case, annotations={"scribble": replace(dense, kind=Kind.SCRIBBLE)})


def _read_object(path: Path, what: str) -> dict[str, Any]:
    content = read_json(path, what)
    if not isinstance(content, dict):
        raise DataError(f"{path}: not readable as {what}; expected an object")
    return content


def _read_labels(description: Mapping[str, Any], path: Path) -> tuple[dict[int, str], int | None]:
    """Label codes and names, and the code of unknown voxels."""
    stored = description.get("labels")
    if not isinstance(stored, dict):
        raise DataError(f"{path}: no 'labels'; expected {{'background': 0, 'liver': 1}}")
    named = [(name, codes) for name, codes in stored.items() if not str(name).isdecimal()]
    pairs = named or [
        (name, int(code)) for code, name in stored.items() if is_code(code)
    ]  # version 1 stores them the other way round
    if len(pairs) < len(stored) and not named:
        raise DataError(f"{path}: a label's code is not within 0 to 254; correct it")
    names: dict[int, str] = {}
    regions: set[int] = set()
    ignored: int | None = None
    for name, codes in pairs:
        listed = codes if isinstance(codes, list) else [codes]
        if not listed or not all(type(code) is int and 0 <= code < IGNORE for code in listed):
            raise DataError(
                f"{path}: label '{str(name)[:60]}' is {repr(codes)[:60]}; expected a code of 0 to 254, or a list"
            )
        if not is_name(name):
            raise DataError(f"{path}: label {listed[0]} is named {str(name)[:60]!r}; use text on one line")
        if name == _UNKNOWN_NAME:
            ignored = listed[0]
        elif len(listed) == 1 and names.setdefault(listed[0], name) != name:
            raise DataError(f"{path}: labels '{names[listed[0]]}' and '{name}' are both {listed[0]}; correct one")
        regions |= set(listed)
    codes_there = sorted(regions - {0, ignored})
    return {code: names.get(code, f"label {code}") for code in codes_there}, ignored


def _read_channels(description: Mapping[str, Any], path: Path) -> list[str]:
    stored = description.get("channel_names", description.get("modality"))
    if not isinstance(stored, dict) or sorted(stored, key=str) != sorted(str(index) for index in range(len(stored))):
        raise DataError(f"{path}: no 'channel_names'; expected {{'0': 'T1', '1': 'T2'}}")
    if not all(is_name(name) for name in stored.values()):
        raise DataError(f"{path}: a channel has no name; expected {{'0': 'T1', '1': 'T2'}}")
    return [stored[str(index)] for index in range(len(stored))]


def _list_cases(raw: Path, description: Mapping[str, Any], path: Path) -> list[RawCase]:
    stated = description.get("file_ending", ".nii.gz")
    ending = str(stated).lower()
    if ending not in ENDINGS:
        raise DataError(f"{path}: file_ending '{stated}' is not read; expected one of {', '.join(ENDINGS)}")
    if "dataset" in description:
        cases = list(_named_cases(raw, description["dataset"], path))
    else:
        cases = [*_cases_in(raw, "Tr", "train", ending), *_cases_in(raw, "Ts", "test", ending)]
    if not cases:
        raise DataError(f"{raw}: no nnU-Net data; expected imagesTr/<case>_0000{ending} and labelsTr beside it")
    return cases


def _name_missing(path: Path, description: Mapping[str, Any], cases: list[RawCase]) -> tuple[str, ...]:
    """A line if there are fewer or more training cases than stated, as after a copy that was cut off."""
    there = sum(case.group == "train" for case in cases)
    if (stated := description.get("numTraining", there)) == there:
        return ()
    return (f"{path}: 'numTraining' is {str(stated)[:20]}, imagesTr holds {there} cases; was everything copied?",)


def _cases_in(raw: Path, part: str, group: str, ending: str) -> Iterator[RawCase]:
    """The cases of ``images<part>`` by name, with the label maps of ``labels<part>``."""
    channels: dict[str, dict[int, Path]] = {}
    for image in _files_in(raw / f"images{part}", ending):
        if (match := _CHANNEL.fullmatch(without_ending(image.name, [ending]))) is None:
            raise DataError(f"{image}: not named <case>_0000{ending}; rename it with the number of its channel")
        channels.setdefault(match[1], {})[int(match[2])] = image
    labels = {without_ending(label.name, [ending]): label for label in _files_in(raw / f"labels{part}", ending)}
    if strangers := sorted(labels.keys() - channels.keys()):
        raise DataError(f"{labels[strangers[0]]}: no image {strangers[0]}_0000{ending} in images{part}; add it")
    for case, images in sorted(channels.items()):
        if missing := sorted(set(range(len(images))) - images.keys()):
            raise DataError(f"{raw / f'images{part}'}: no {case}_{missing[0]:04d}{ending}; every channel must be there")
        files = _name_images([images[index] for index in range(len(images))])
        yield RawCase(case, case, files | ({"dense": labels[case]} if case in labels else {}), group)


def _named_cases(raw: Path, listed: Any, path: Path) -> Iterator[RawCase]:
    """The cases of the section ``dataset``."""
    if not isinstance(listed, dict):
        raise DataError(f"{path}: 'dataset' must be {{case: {{'images': […], 'label': …}}}}; correct it")
    for case, entry in listed.items():
        images = entry.get("images") if isinstance(entry, dict) else None
        if not isinstance(images, list) or not images or not all(is_name(image) for image in images):
            raise DataError(f"{path}: case '{case}' of 'dataset' has no list 'images'; correct it")
        files = _name_images([raw / image for image in images])
        if (label := entry.get("label")) is not None and not is_name(label):
            raise DataError(f"{path}: case '{case}' of 'dataset' has a label that is no path; correct it")
        if label is not None:
            files["dense"] = raw / label
        if not is_case_name(case):
            raise DataError(f"{path}: case name {case[:60]!r} of 'dataset' cannot name a file; use letters and digits")
        for file in files.values():
            if not is_file(file):
                raise DataError(f"{path}: case '{case}': {file}: no such file; copy it there")
        yield RawCase(case, case, files, "train")


def _name_left_out(splits: Path, cases: list[RawCase], kept: list[RawCase]) -> tuple[str, ...]:
    """A line if the fold lists some of the cases only, as a split of few labelled cases does on purpose."""
    if not (out := [case.uid for case in cases if case.uid not in {case.uid for case in kept}]):
        return ()
    named = ", ".join(out[:_SHOWN]) + " …" * (len(out) > _SHOWN)
    return (f"{splits}: {len(out)} of {len(cases)} cases are in neither part of the fold and are left out ({named})",)


def _name_images(paths: list[Path]) -> dict[str, Path]:
    return {"image" if index == 0 else f"image {index + 1}": path for index, path in enumerate(paths)}


def _files_in(folder: Path, ending: str) -> list[Path]:
    """By name; archives made on a Mac hold a twin of every file, ``._<name>``."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if has_ending(path, ending) and not path.name.startswith("."))


def _validate_on(cases: list[RawCase], splits: Path, fold: int) -> list[RawCase]:
    """The same cases, with the groups of a fold of ``splits_final.json``."""
    folds = read_json(Path(splits), "splits_final.json of nnU-Net")
    if not isinstance(folds, list) or not 0 <= fold < len(folds) or not isinstance(folds[fold], dict):
        raise DataError(f"{splits}: no fold {fold}; expected a list of {{'train': […], 'val': […]}}")
    parts = (("train", "train"), ("val", "validation"))
    members = {group: folds[fold].get(part, []) for part, group in parts}
    if not all(isinstance(cases_of, list) for cases_of in members.values()):
        raise DataError(f"{splits}: fold {fold} holds no lists; expected {{'train': […], 'val': […]}}")
    if twice := sorted(set(map(str, members["train"])) & set(map(str, members["validation"]))):
        raise DataError(f"{splits}: fold {fold} has case '{twice[0]}' in 'train' and in 'val'; keep it in one")
    groups = {str(case): group for group, cases_of in members.items() for case in cases_of}
    if strangers := sorted(groups.keys() - {case.uid for case in cases}):
        raise DataError(f"{splits}: fold {fold} has case '{strangers[0]}', which is not in imagesTr; add it")
    if empty := [part for part, group in parts if not members[group]]:
        raise DataError(f"{splits}: fold {fold} lists no case under '{empty[0]}'; expected 'train' and 'val'")
    if strange := sorted(set(folds[fold]) - {part for part, _ in parts}):
        raise DataError(f"{splits}: fold {fold} has '{strange[0][:60]}', which is not read; expected 'train' and 'val'")
    kept = [case for case in cases if case.group == "test" or case.uid in groups]
    return [replace(case, group=groups.get(case.uid, case.group)) for case in kept]
