"""What a resolved configuration must be to take part in a study, and which part of it a key is made of."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lesslabel.errors import ConfigError


def without_place(config: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved configuration but for where the data lie: their hash says what they are."""
    data = {key: value for key, value in config["data"]["init_args"].items() if key != "store"}
    return {**config, "data": {**config["data"], "init_args": data}}


def require_blind_to_test(config: Mapping[str, Any]) -> None:
    """Refuse a callback of the trainer that watches a value of the test part.

    Raises:
        ConfigError: names it.
    """
    for callback in config["trainer"].get("callbacks") or []:
        watched = str((callback.get("init_args") or {}).get("monitor") or "")
        if re.match(r"test\b", watched):
            raise ConfigError(
                f"trainer.callbacks: {callback.get('class_path')} watches '{watched}'; a study that selects on test "
                "does not start, watch validation/dice"
            )


def require_validation(parts: Mapping[str, Sequence[str]]) -> None:
    """Refuse to take the best checkpoint of a training that nothing validates.

    Args:
        parts: uids by part.

    Raises:
        ConfigError: if the validation part is empty.
    """
    if not parts["validation"]:
        raise ConfigError(
            "selection: best needs a validation part, and the split has none; choose last, the end of the training"
        )
