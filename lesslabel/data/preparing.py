"""From the name of a public layout and its raw files to a store."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from lesslabel.data.sources import SOURCES
from lesslabel.data.sources.base import Source, source_options
from lesslabel.data.store import Store
from lesslabel.data.store import prepare as preparation
from lesslabel.data.store.prepare import Skipped
from lesslabel.errors import ConfigError


def prepare(
    source: str,
    raw: str | Path,
    store: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    workers: int | None = 0,
    skip_damaged: bool = False,
    same_grid: Collection[str] | Literal["all"] = (),
    skipped: Callable[[Skipped], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Store:
    """Read raw data into a store.

    Args:
        source: name of the layout, a key of `lesslabel.data.sources.SOURCES`: ``acdc``, ``folder`` …
        raw: raw folder, table for ``folder``, ``"-"`` for ``phantom``.
        store: folder to make.
        options: of the source, ``{"cases": 12}``.
        workers: processes that read, see `lesslabel.data.store.prepare.prepare`.
        skip_damaged: leave damaged cases out.
        same_grid: cases whose label maps are taken in the image's order of voxels, or ``"all"``.
        skipped: called with each case that was left out, once the store is there.
        progress: called with (cases done, cases in all).
        warn: called with each warning about a case, such as voxels that are not finite.

    Returns:
        The store.

    Raises:
        ConfigError: if there is no such source or option.
        DataError: if the folder exists, a case is damaged, or two cases share a uid.
    """
    made, left_out = preparation.prepare(
        _make_source(source, Path(raw), options or {}),
        Path(store),
        workers=workers,
        skip_damaged=skip_damaged,
        same_grid=same_grid,
        progress=progress,
        warn=warn,
    )
    if skipped is not None:
        for case in left_out:
            skipped(case)
    return made


def _make_source(name: str, raw: Path, options: Mapping[str, Any]) -> Source:
    if name not in SOURCES:
        raise ConfigError(f"source: '{name}' is not one of {', '.join(SOURCES)}")
    known = source_options(SOURCES[name])
    if unknown := [option for option in options if option not in known]:
        raise ConfigError(
            f"options: '{unknown[0]}' is none of the source '{name}'; it has {', '.join(known) or 'none'}"
        )
    return SOURCES[name](raw, **options)
