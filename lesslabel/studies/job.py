"""A job of a study: one folder in which one process works."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lesslabel.errors import ConfigError
from lesslabel.studies.recipes import Clicked
from lesslabel.studies.steps import Step
from lesslabel.studies.work import JobFolder
from lesslabel.tables.label_costs import LabelCount

_SHOWN_DIGITS = 12
_LONGEST_NAME = 100
"""Largest number of characters of a method's name in a folder's name; file systems allow 255 bytes."""


@dataclass(frozen=True)
class Machines:
    """The machines of a job.

    Attributes:
        devices: accelerators on each node.
        nodes: machines.

    Raises:
        ConfigError: if a number is below 1.
    """

    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        if min(self.devices, self.nodes) < 1:
            raise ConfigError(f"--devices {self.devices}, --nodes {self.nodes}: a job has at least one of each")

    @property
    def processes(self) -> int:
        """The number of processes that share a batch."""
        return self.devices * self.nodes


ONE_DEVICE = Machines()


@dataclass(frozen=True)
class Job:
    """One fit and its test, or the steps of a recipe.

    Attributes:
        method: name in tables, the budget included; of a job that serves every method, the recipe.
        series: name of the method without its budget; its points make one curve.
        fold: of the split; None if no step depends on it.
        seed: of the run.
        arguments: of `lesslabel fit`, without the run folder; empty with steps.
        scoring: conventions of the test.
        checkpoint: the one that is tested.
        devices: accelerators on each node.
        nodes: machines.
        labels: the labels of the run, which an annotator would draw; None until the steps are done.
        parts: hashes of the sources, the configuration, the data, the lock file and the keys of the needs.
        key: hash of `parts`; jobs with one key give one result.
        folder: its folder.
        inputs: hashes by path of the files in the key; a job does not start if a file changed.
        sources: modules, classes and committed lists whose hash, imports included, is in `parts`.
        content: hash of the whole package as it was; where it is still so, the sources need not be parsed.
        recipe: name of the recipe, if a method has several jobs.
        steps: commands in order.
        needs: keys of the jobs that must be done first.
        scores: tested run folders by the name of the method in tables.
        clicks: simulated click protocols.
    """

    method: str
    series: str
    fold: int | None
    seed: int
    arguments: tuple[str, ...]
    scoring: Mapping[str, str]
    checkpoint: str
    devices: int
    nodes: int
    labels: LabelCount | None
    parts: Mapping[str, str]
    key: str
    folder: JobFolder
    inputs: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    content: str = ""
    recipe: str = ""
    steps: tuple[Step, ...] = ()
    needs: tuple[str, ...] = ()
    scores: Mapping[str, str] | None = None
    clicks: tuple[Clicked, ...] = ()

    @property
    def name(self) -> str:
        """Short text of method, recipe, fold and seed."""
        recipe = f": {self.recipe}" if self.recipe else ""
        fold = "" if self.fold is None else f", fold {self.fold}"
        return f"{self.method}{recipe}{fold}, seed {self.seed}"

    @property
    def tested(self) -> Mapping[str, Path]:
        """Tested run folders by the name of the method in tables."""
        if not self.steps:
            return {self.method: self.folder.run}
        return {name: Path(run) for name, run in (self.scores or {}).items()}

    def describe(self) -> dict[str, Any]:
        """The content of ``job.json``."""
        return {**asdict(self), "folder": self.folder.path.name}


def find_folder(output: Path, name: str, fold: int | None, seed: int, key: str) -> Path:
    """The folder of a job: an existing one with its key under any name, else a readable new name.

    So methods and seeds that share a job find it, whichever came first.
    """
    ending = key[:_SHOWN_DIGITS]
    if there := sorted(output.glob(f"*-{ending}")):
        return there[0]
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_NAME] or "job"
    return output / f"{slug}{'' if fold is None else f'-fold{fold}'}-seed{seed}-{ending}"
