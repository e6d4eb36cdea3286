"""A job of a study: one folder in which one process works."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lesslabel.errors import ConfigError
from lesslabel.studies.labels import LabelCount
from lesslabel.studies.recipes import Clicked
from lesslabel.studies.steps import Step
from lesslabel.studies.work import JobFolder

_SHOWN_DIGITS = 12
_LONGEST_NAME = 100
"""Characters of a folder's name that are taken from a method's; file systems end at 255 bytes."""


@dataclass(frozen=True)
class Machines:
    """What a job runs on, together.

    Attributes:
        devices: accelerators on each node.
        nodes: machines.

    Raises:
        ConfigError: if there is none of either.
    """

    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        if min(self.devices, self.nodes) < 1:
            raise ConfigError(f"--devices {self.devices}, --nodes {self.nodes}: a job has at least one of each")

    @property
    def processes(self) -> int:
        """How many share a batch."""
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
        arguments: of `lesslabel fit`, without the run folder; empty where there are steps.
        scoring: conventions of the test.
        checkpoint: the one that is tested.
        devices: accelerators on each node.
        nodes: machines.
        labels: what the run sees, and an annotator would have to draw; None until the steps have been done.
        parts: hashes of the sources, the configuration, the data, the lock file and the keys of the needs.
        key: hash of `parts`; jobs with one key give one result.
        folder: where it is worked on.
        inputs: hashes of the files that the key was made from, by their paths; a job does not start if one changed.
        sources: modules, classes and committed lists whose hash is among `parts`, with what they import.
        recipe: name of the recipe, where a method has several jobs by it.
        steps: commands in order.
        needs: keys of the jobs that come first.
        scores: tested run folders by the name of the method in tables.
        clicks: played protocols.
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
    recipe: str = ""
    steps: tuple[Step, ...] = ()
    needs: tuple[str, ...] = ()
    scores: Mapping[str, str] | None = None
    clicks: tuple[Clicked, ...] = ()

    @property
    def name(self) -> str:
        """Method, recipe, fold and seed in a few words."""
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
    """The folder of a job: one that is there with its key, whatever it was called, else a readable new name.

    Methods that share a job, and seeds that it does not depend on, so find it again whoever was asked for first.
    """
    ending = key[:_SHOWN_DIGITS]
    if there := sorted(output.glob(f"*-{ending}")):
        return there[0]
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_NAME] or "job"
    return output / f"{slug}{'' if fold is None else f'-fold{fold}'}-seed{seed}-{ending}"
