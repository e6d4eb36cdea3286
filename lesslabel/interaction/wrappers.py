"""Wrappers around any interactive model, by name. This needs PyTorch."""

from collections.abc import Callable, Mapping, Sequence

from lesslabel.errors import ConfigError
from lesslabel.interaction.focus_view import FocusView
from lesslabel.interaction.model import InteractiveModel
from lesslabel.interaction.structure import StructureIntegrity

WRAPPERS: Mapping[str, Callable[[InteractiveModel], InteractiveModel]] = {
    "focus": FocusView,
    "structure-integrity": StructureIntegrity,
}
"""Every wrapper by its name, with its published settings."""


def wrapped(model: InteractiveModel, names: Sequence[str]) -> InteractiveModel:
    """Wrap a model; the last name is the outermost wrapper.

    Raises:
        ConfigError: if there is no such wrapper, or one is named twice.
    """
    for name in names:
        if name not in WRAPPERS:
            raise ConfigError(f"--wrap {name}: there is {', '.join(WRAPPERS)}")
        if names.count(name) > 1:
            raise ConfigError(f"--wrap {name}: named twice; name it once")
        model = WRAPPERS[name](model)
    return model
