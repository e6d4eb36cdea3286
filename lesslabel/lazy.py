"""Names of a package that are imported when they are first used, so that the package itself is imported fast."""

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package that offers names without importing their modules.

    Args:
        package: name of the package, as in ``__name__``.
        homes: the module in which each name is defined, ``module:other`` where it has another name there.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        module, _, own = homes[name].partition(":")
        return getattr(import_module(module), own or name)

    return get, lambda: sorted(homes)


def renamed_names(package: str, renamed: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package in which old names still work for one version, with a warning.

    Args:
        package: name of the package, as in ``__name__``.
        renamed: the new name of each old name; the package defines the new one.
    """

    def get(name: str) -> Any:
        if name not in renamed:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        new = renamed[name]
        warnings.warn(f"{package}.{name} is now {new}; the old name will go", FutureWarning, stacklevel=2)
        return getattr(import_module(package), new)

    return get
