"""The inputs of a step besides its arguments: configurations, data and other files, by content."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesslabel.adaptation.without_labels import make_adaptation
from lesslabel.command_words import read_settings
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError
from lesslabel.runs.config_files import read_config
from lesslabel.runs.config_rules import require_own_folder
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.studies.resolved import (
    hash_content,
    require_blind_to_test,
    require_fresh,
    require_validation,
    what_counts,
)
from lesslabel.studies.steps import Step, option, options, placeholders, without

_OF_ADAPT = ("--bundle", "--store", "--queue", "--annotation", "--out", "--stages", "--confidence", "--without-labels")
_LATE = ("--run", "--seed", "--name", "--data.fold", "--weights")
_FILES = ("--bundle", "--queue", "--previous", "--weights")
_OF_A_CALL = ("ckpt_path", "config", "run", "weights")
_TARGET = "lesslabel.data.SegmentationDataModule"


@dataclass(frozen=True)
class Inputs:
    """The inputs of a step.

    Attributes:
        config: its resolved configuration, or the content of its configuration files.
        data: content and split of its data; None if they come from a job that it needs.
        files: hashes of the files and folders that no job makes, by name.
    """

    config: object
    data: dict[str, Any] | None
    files: dict[str, str]


class StepInputs:
    """Finds the inputs of steps; steps that differ only in fold, seed and names are parsed once.

    Args:
        checkpoint: that of the study; ``best`` requires a validation part of every training.
    """

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint
        self._runs: dict[Step, tuple[RunCLI, dict[str, Any], int]] = {}
        self._parts: dict[tuple[object, ...], dict[str, Any]] = {}

    def describe(self, step: Step) -> Inputs:
        """The configuration of a step, its data, and the files that no job makes.

        Args:
            step: its arguments; folders of jobs may still be placeholders, since nothing is read there.

        Raises:
            LesslabelError: if a configuration is wrong, does not fit the data, or selects on the test part.
        """
        config, data = self._describe_work(step)
        return Inputs(config, data, {name: hash_content(Path(name)) for name in _files_of(step)})

    def _describe_work(self, step: Step) -> tuple[object, dict[str, Any] | None]:
        if step[0] == "fit":
            return self._describe_training(step[1:], is_fit=True)
        if step[0] == "adapt":
            settings = without(step[1:], _OF_ADAPT, ["--restart-from-source"])
            target = ("--data", _TARGET, "--data.store", option(step, "--store") or "")
            return self._describe_training((*_stand_in(step), *target, *settings), is_fit=False)
        return [_settings_of(name) for name in options(step, "--config")], self._describe_store(step)

    def _describe_training(self, arguments: Step, *, is_fit: bool) -> tuple[object, dict[str, Any]]:
        common, fold = without(arguments, _LATE), option(arguments, "--data.fold")
        if common not in self._runs:
            run = parse_run(read_settings(common))
            config = run.plain_config()
            require_blind_to_test(config)
            require_own_folder(config, "settings")
            require_fresh(run.config)
            if run.config["weights"] is not None:
                raise ConfigError("weights in a configuration file; write --weights into the step")
            self._runs[common] = run, what_counts(config), run.datamodule.fold
        run, config, own_fold = self._runs[common]
        data = run.datamodule
        data.fold = own_fold if fold is None else _number(fold, "--data.fold")
        described = self._once(
            ("run", is_fit, common, data.fold), lambda: _describe_shown(data) if is_fit else _describe(data)
        )
        if self.checkpoint == "best":
            require_validation(described["parts"], described["patients"])
        return config, described

    def _describe_store(self, step: Step) -> dict[str, Any] | None:
        store = option(step, "--store")
        if store is None:
            return None
        if step[0] == "bundle":
            return self._once(("store", store), lambda: {"data_hash": Store(Path(store)).data_hash})
        split, fold = option(step, "--split") or "random", _number(option(step, "--fold") or "0", "--fold")
        missing = "--allow-missing" in step
        return self._once(
            ("split", store, split, fold, missing),
            lambda: _describe(SegmentationDataModule(store, split=split, fold=fold, allow_missing=missing)),
        )

    def _once(self, key: tuple[object, ...], read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        if key not in self._parts:
            self._parts[key] = read()
        return self._parts[key]


def _stand_in(step: Step) -> Step:
    """A substitute for the model of a bundle: its class is enough to resolve the configuration."""
    method, settings = "", {"num_classes": 2}
    if (name := option(step, "--without-labels")) is not None:
        adaptation = make_adaptation(name)
        method, settings = adaptation.method, {**settings, **adaptation.own_settings}
    given = (word for key, value in settings.items() for word in (f"--model.{key}", json.dumps(value)))
    return ("--model", f"lesslabel.methods.{method or 'Supervised'}", *given)


def _describe(data: SegmentationDataModule) -> dict[str, Any]:
    """Content and split of the data."""
    return {
        "data_hash": data.store.data_hash,
        "labels": {str(code): name for code, name in data.store.labels.items()},
        "parts": {part: list(uids) for part, uids in data.divide().cases.items()},
        "patients": {uid: record.patient for uid, record in data.store.records.items()},
    }


def _describe_shown(data: SegmentationDataModule) -> dict[str, Any]:
    """Also the visible labels, unless a job makes their list first."""
    lists = [*data.view.overlays, *(entry.queue for entry in data.view.supervision)]
    if placeholders(lists):
        return _describe(data)
    described = data.describe()
    shown: dict[str, Any] = {key: described.get(key) for key in ("labelled", "labelled_slices")}
    if "labelled_patches" in described:
        shown["labelled_patches"] = described["labelled_patches"]
    return {**_describe(data), **shown, "overlays": [each["sha256"] for each in described.get("overlays", [])]}


def _files_of(step: Step) -> list[str]:
    """Files and folders that a step reads and no job makes."""
    named = [path for name in _FILES for path in options(step, name)]
    if step[0] in ("clicks", "pseudo", "select"):
        named += options(step, "--run")
        if step[0] == "clicks":
            named += [name for name in options(step, "--model") if Path(name).is_dir()]  # a bundle
    elif step[0] == "bundle":
        named += step[2:3]
    return [path for path in named if not placeholders([path.partition("/")[0]])]


def _settings_of(name: str) -> dict[str, Any]:
    """The configuration of a step that does not train, without the settings of a single command."""
    content = read_config(Path(name))
    for key in _OF_A_CALL:
        if key in content:
            raise ConfigError(f"{name}: {key} does not belong into a configuration; leave it out")
    return content


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{name} is '{text}'; expected a number") from error
