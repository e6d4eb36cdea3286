"""What the result of a step depends on beside its words: configurations and data, by their content."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lesslabel.data.module import SegmentationDataModule
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.studies.resolved import require_blind_to_test, require_validation, without_place
from lesslabel.studies.steps import Step, option, options, without

_OF_ADAPT = ("--bundle", "--store", "--queue", "--annotation", "--out", "--stages", "--confidence", "--without-labels")
_LATE = ("--run", "--seed", "--name", "--data.fold", "--weights")
_ADAPTED = {"tent": ("Tent",), "adami": ("AdaMI", "--model.class_shares", "[0.5,0.5]")}
_TARGET = "lesslabel.data.module.SegmentationDataModule"


class StepInputs:
    """Looks at steps; what only the fold, the seed and a name set apart is parsed once.

    Args:
        checkpoint: the one of the study; ``best`` asks every training for a validation part.
    """

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint
        self._runs: dict[Step, tuple[RunCLI, dict[str, Any]]] = {}
        self._parts: dict[tuple[object, ...], dict[str, Any]] = {}

    def describe(self, step: Step) -> tuple[object, object]:
        """The configuration and the data of a step.

        Args:
            step: its words; folders of jobs may still be placeholders, since nothing is looked up there.

        Raises:
            LesslabelError: if a configuration is wrong, does not fit the data, or selects on the test part.
        """
        if step[0] == "fit":
            return self._describe_training(step[1:], _LATE)
        if step[0] == "adapt":
            store = option(step, "--store") or ""
            rival = _ADAPTED.get(option(step, "--without-labels") or "", ("Supervised",))
            settings = without(step[1:], _OF_ADAPT, ["--restart-from-source"])
            # the model comes out of a bundle that is not made yet; its class is enough to resolve the rest
            model = ("--model", f"lesslabel.methods.{rival[0]}", "--model.num_classes", "2", *rival[1:])
            target = ("--data", _TARGET, "--data.store", store)
            return self._describe_training((*model, *target, *settings), _LATE)
        files = {str(number): _sha256(name) for number, name in enumerate(options(step, "--config"))}
        return files, self._describe_store(step)

    def _describe_training(self, arguments: Step, late: Sequence[str]) -> tuple[object, object]:
        common, fold = without(arguments, late), option(arguments, "--data.fold")
        if common not in self._runs:
            run = parse_run(common)
            config = run.plain_config()
            require_blind_to_test(config)
            self._runs[common] = run, without_place(config)
        run, config = self._runs[common]
        data = run.datamodule
        if fold is not None:
            data.fold = _number(fold, "--data.fold")
        described = self._once(("run", common, data.fold), lambda: _describe(data))
        if self.checkpoint == "best":
            require_validation(described["parts"])
        return config, described

    def _describe_store(self, step: Step) -> object:
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

    def _once(self, key: tuple[object, ...], look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        if key not in self._parts:
            self._parts[key] = look()
        return self._parts[key]


def _describe(data: SegmentationDataModule) -> dict[str, Any]:
    """Content and division of the data; which labels are shown follows from the configuration."""
    return {
        "data_hash": data.store.data_hash,
        "parts": {part: list(uids) for part, uids in data.divide().cases.items()},
    }


def _sha256(name: str) -> str:
    try:
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror}); name a configuration file") from error


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{name} is '{text}'; expected a number") from error
