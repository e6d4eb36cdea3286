"""The base class of sources with a list of cases and their files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.formats.pictures import is_mask_picture
from lesslabel.data.formats.reading import has_segments, list_names, read_label_map
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import is_code, is_name, require_one_spelling
from lesslabel.data.sources.nifti_case import label_roles, read_case, read_channels
from lesslabel.errors import ConfigError, DataError

_LARGEST_CODE = IGNORE - 1


class Listed(Source):
    """Cases whose files are known. Subclasses list them; here labels and channels are found and cases are read.

    Args:
        raw: the list, or the folder.
        cases: every case with its files, at least one.
        channels: names of the channels; by default counted in the first case.
        labels: codes and names, ``"1=RV,2=Myo"`` or a mapping; by default found in the label files.
        unknown: the value of an unannotated voxel in the scribbles, 255 by default.

    Raises:
        DataError: if `raw` is absent, or no label is found.
        ConfigError: if `labels` or `unknown` is not valid.
    """

    def __init__(
        self,
        raw: Path,
        cases: Sequence[RawCase],
        channels: Sequence[str] = (),
        *,
        labels: str | Mapping[int, str] | None = None,
        unknown: int | None = None,
    ) -> None:
        super().__init__(raw)
        self.unknown = IGNORE if unknown is None else unknown
        self._cases = list(cases)
        require_one_spelling(self._cases, raw)
        named = parse_labels(labels) if isinstance(labels, str) else labels
        self.labels = dict(named) if named is not None else self._find_labels()
        if self.unknown in self.labels:
            raise ConfigError(
                f"{self.name}: {self.unknown} cannot be both a label and unknown; change LABELS or UNKNOWN"
            )
        self.channels: Sequence[str] = list(channels) or self._count_channels()
        self._require_known_names()

    def list_cases(self) -> list[RawCase]:
        """List the cases in the order of the list; see `Source.list_cases`."""
        return list(self._cases)

    def read(self, raw: RawCase) -> Case:
        """Read one case; see `Source.read`."""
        return read_case(raw, self, self.unknown)

    @classmethod
    def _require_raw(cls, raw: Path) -> Path:
        """The listed cases; a subclass lists them before it calls this constructor."""
        if not Path(raw).exists():
            raise DataError(f"{raw}: no such file or folder; pass the raw data of '{cls.name}' as RAW")
        return Path(raw)

    def _count_channels(self) -> list[str]:
        count = len(read_channels(self._cases[0]).array)
        return ["image"] if count == 1 else [f"image {index + 1}" for index in range(count)]

    def _label_files(self) -> Iterator[tuple[Path, int | None]]:
        """The dense label files and the value of unknown, or the scribbles where there are no dense ones."""
        paths = [case.files[role] for case in self._cases for role in label_roles(case)]
        scribbles = [case.files["scribble"] for case in self._cases if "scribble" in case.files]
        yield from (
            ((path, self.dense_unknown) for path in paths) if paths else ((path, self.unknown) for path in scribbles)
        )

    def _find_labels(self) -> dict[int, str]:
        """Every value of plain label maps, or the names of segments in the order of the alphabet."""
        found: set[int] = set()
        names: set[str] = set()
        for path, unknown in self._label_files():
            if has_segments(path):
                names |= set(list_names(path)) - {"background"}
            else:
                found |= _values_of(path, unknown)
        if found and names:
            raise DataError(f"{self.raw}: some label files name their segments and some do not; pass LABELS")
        if len(names) > _LARGEST_CODE:
            raise DataError(f"{self.raw}: {len(names)} names of segments are too many; pass LABELS with those to take")
        if names:
            return dict(enumerate(sorted(names), start=1))
        if not found:
            raise DataError(
                f"{self.raw}: no label found in the label maps or scribbles; pass LABELS, such as 1=RV,2=Myo"
            )
        return {code: f"label {code}" for code in sorted(found)}

    def _require_known_names(self) -> None:
        """Refuse a label that no file has, if all files name their segments: it may be misspelt."""
        paths = [path for path, _ in self._label_files()]
        if not paths or not all(has_segments(path) for path in paths):
            return
        there = {name for path in paths for name in list_names(path)}
        if absent := [name for name in self.labels.values() if name not in there]:
            raise ConfigError(
                f"{self.name}: no label file has a segment '{absent[0]}'; their segments are {', '.join(sorted(there))}"
            )


def parse_labels(text: str) -> dict[int, str]:
    """Read ``"1=RV,2=Myo"``.

    Raises:
        ConfigError: if it does not have that form, a code is not within 1 to 254, or a code or name occurs twice.
    """
    labels: dict[int, str] = {}
    for part in text.split(","):
        code, _, name = (piece.strip() for piece in part.partition("="))
        if not (is_code(code) and int(code) and is_name(name)):
            raise ConfigError(f"labels '{text}': '{part}' is not CODE=NAME with a code of 1 to 254; write 1=RV,2=Myo")
        if int(code) in labels or name in labels.values():
            raise ConfigError(f"labels '{text}': '{part}' repeats a code or a name")
        labels[int(code)] = name
    return labels


def _values_of(path: Path, unknown: int | None) -> set[int]:
    """The label values of a plain label map; 1 for a picture with only 0 and 255, which is a mask."""
    label_map = read_label_map(path).array
    if unknown in (None, IGNORE) and is_mask_picture(path, label_map):
        return {1}
    values: set[int] = set(np.unique(label_map).tolist())
    values -= {0, unknown}
    if strange := sorted(value for value in values if not 0 < value < IGNORE):
        raise DataError(
            f"{path}: label value {strange[0]} is not within 1 to 254, the codes that labels can have; give the labels "
            "such codes in the file, and prepare it again"
        )
    return values
