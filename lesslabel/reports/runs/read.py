"""Read finished run folders, and refuse runs that cannot be compared."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesslabel.adaptation import ADAPTATION
from lesslabel.errors import RunError
from lesslabel.runs.reading import RunFiles


@dataclass(frozen=True, eq=False)
class Run:
    """One tested run folder, read into memory.

    Attributes:
        folder: the run folder.
        metrics: one row per case and label: ``uid``, ``patient``, ``label`` (a name), ``dice``, ``hd95``, ``asd``.
        summary: ``test/summary.json``.
        data: ``data.json``; empty if absent.
        environment: ``environment.json``; empty if absent.
        config: ``config.yaml``; empty if absent.
        curves: ``logs/metrics.csv``; an empty table if absent.
    """

    folder: Path
    metrics: pd.DataFrame
    summary: Mapping[str, Any]
    data: Mapping[str, Any]
    environment: Mapping[str, Any]
    config: Mapping[str, Any]
    curves: pd.DataFrame

    @property
    def name(self) -> str:
        """Base name of the run folder."""
        return self.folder.resolve().name

    @property
    def method(self) -> str:
        """The method's name as the test wrote it, or the folder's name."""
        return str(self.summary.get("method") or self.name)

    @property
    def seed(self) -> int | str | None:
        """The training seed, None if it was not recorded."""
        seed: int | str | None = _first_known(self.summary.get("seed"), self.environment.get("seed"))
        return seed

    @property
    def unit(self) -> str:
        """Unit of the distances, ``"mm"`` or ``"voxel"``."""
        return str(_first_known(self.summary.get("unit"), self.data.get("unit")) or "unknown unit")

    @property
    def label_names(self) -> list[str]:
        """Names of the labels, background left out, in the order of their codes."""
        names = self.data.get("label_names")
        return [str(name) for name in names[1:]] if names else list(dict.fromkeys(self.metrics["label"]))

    @property
    def label_cost(self) -> dict[str, int]:
        """The number of training cases with each annotation, ``{"scribble": 56}``."""
        return dict(sorted(Counter(self.labelled.values()).items()))

    @property
    def slice_cost(self) -> dict[str, int]:
        """The number of slices with each annotation in training cases that are annotated in part, ``{"dense": 24}``."""
        counts: Counter[str] = Counter()
        for of_case in self.labelled_slices.values():
            counts.update({name: len(slices) for name, slices in of_case.items()})
        return dict(sorted(counts.items()))

    @property
    def patch_cost(self) -> dict[str, int]:
        """The number of patches with each annotation in these slices, ``{"dense": 4}``; of other slices all counts."""
        counts: Counter[str] = Counter()
        for of_case in self.labelled_patches.values():
            counts.update({name: len(patches) for name, patches in of_case.items()})
        return dict(sorted(counts.items()))

    @property
    def labelled_patches(self) -> Mapping[str, Mapping[str, Sequence[Sequence[int]]]]:
        """The patches with each annotation, corner and size, by uid and annotation."""
        return self.data.get("labelled_patches") or {}

    @property
    def labelled_slices(self) -> Mapping[str, Mapping[str, Sequence[int]]]:
        """The slices with each annotation, by uid and annotation; empty for cases that are annotated completely."""
        return self.data.get("labelled_slices") or {}

    @property
    def labelled(self) -> dict[str, str]:
        """The annotation of each labelled training case, by uid."""
        training = self.training_cases
        pairs = {str(uid): str(name) for uid, name in (self.data.get("labelled") or {}).items()}
        return pairs if training is None else {uid: name for uid, name in pairs.items() if uid in training}

    @property
    def training_cases(self) -> set[str] | None:
        """The uids of the training part, None if they were not recorded."""
        uids = (self.data.get("parts") or {}).get("train")
        return None if uids is None else {str(uid) for uid in uids}

    @property
    def store(self) -> Path | None:
        """The store of this run, by its configuration."""
        return RunFiles(self.folder).store

    @property
    def reference(self) -> str:
        """The reference of the scores."""
        return str(self.view.get("reference") or "dense")

    @property
    def view(self) -> Mapping[str, Any]:
        """The view in `data.json`; empty if it is not recorded."""
        return self.data.get("view") or {}


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read run folders that share a test set.

    Raises:
        RunError: if there is none, one is not tested, a file is damaged, or they cannot be compared.
    """
    if not folders:
        raise RunError("no run folder given; pass at least one tested run")
    repeated = [folder for folder, times in Counter(Path(folder).resolve() for folder in folders).items() if times > 1]
    if repeated:
        raise RunError(f"{repeated[0]}: given twice; pass each run once")
    runs = [read_run(Path(folder)) for folder in folders]
    for other in runs[1:]:
        require_comparable(runs[0], other)
    return runs


def read_run(folder: Path) -> Run:
    """Read one tested run folder.

    Raises:
        RunError: if the folder is absent or not tested, or a file in it is damaged.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: no such run folder")
    if (folder / ADAPTATION).is_file():
        raise RunError(f"{folder}: an adaptation, no run; name its bundle with --bundle, or one of the runs in it")
    files = RunFiles(folder)
    if not files.is_tested:
        raise RunError(f"{folder}: not tested yet; run `lesslabel test --run {folder}` first")
    return Run(
        folder=folder,
        metrics=files.metrics,
        summary=files.summary,
        data=files.data,
        environment=files.environment,
        config=files.config,
        curves=files.history,
    )


def require_comparable(first: Run, other: Run) -> None:
    """Check that two runs were scored on the same cases and labels under the same conventions.

    Raises:
        RunError: names the difference.
    """
    pair = f"{first.folder} and {other.folder}"
    for column, noun in (("uid", "cases"), ("label", "labels")):
        ours, theirs = set(first.metrics[column]), set(other.metrics[column])
        if ours != theirs:
            only_first, only_other = _some(ours - theirs), _some(theirs - ours)
            raise RunError(
                f"{pair} were tested on different {noun} "
                f"(only the first: {only_first}; only the second: {only_other}); "
                f"report them apart or test both on the same {noun}"
            )
    if dict(zip(first.metrics["uid"], first.metrics["patient"], strict=True)) != dict(
        zip(other.metrics["uid"], other.metrics["patient"], strict=True)
    ):
        raise RunError(f"{pair} give the same test cases to different patients; test both from the same store")
    for key, noun in (("hd95", "HD95 convention"), ("empty", "empty-mask policy"), ("part", "part")):
        if first.summary.get(key) != other.summary.get(key):
            raise RunError(_convention(pair, noun, first.summary.get(key), other.summary.get(key)))
    if first.unit != other.unit:
        raise RunError(_convention(pair, "unit of distances", first.unit, other.unit))
    if first.reference != other.reference:
        raise RunError(_convention(pair, "reference annotation", first.reference, other.reference))


def _convention(pair: str, noun: str, ours: object, theirs: object) -> str:
    return f"{pair} were scored with another {noun} ({ours}; {theirs}); test both with the same one"


def _first_known(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _some(names: set[str]) -> str:
    shown = sorted(names)[:3]
    return (", ".join(shown) or "none") + (f" and {len(names) - 3} more" if len(names) > 3 else "")
