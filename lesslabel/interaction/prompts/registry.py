"""All prompt classes by name, and their construction from JSON."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from lesslabel.errors import DataError
from lesslabel.interaction.prompts.base import SCHEMA_VERSION, Prompt
from lesslabel.interaction.prompts.clicks import CentreEdgePoints, Click, ExtremePoints, InteriorMarginPoints
from lesslabel.interaction.prompts.regions import Box, EnclosingScribble, Polygon
from lesslabel.interaction.prompts.strokes import CutLine, Scribble

PROMPTS: Mapping[str, type[Prompt]] = {
    kind.name: kind
    for kind in (
        Click,
        InteriorMarginPoints,
        CentreEdgePoints,
        ExtremePoints,
        Scribble,
        CutLine,
        Box,
        Polygon,
        EnclosingScribble,
    )
}

KINDS: tuple[str, ...] = (*PROMPTS, "boundary-click", "boundary-scribble")
"""Every value of `Prompt.kind`: what models take or refuse."""


def prompt_from_json(content: Any) -> Prompt:
    """Read what `Prompt.to_json` wrote.

    Args:
        content: the JSON object: ``type``, ``version``, and exactly the fields of that type.

    Raises:
        DataError: if it is not a prompt of this version, or a value is not allowed.
    """
    if not isinstance(content, dict):
        raise DataError(f"prompt: {type(content).__name__}; give a JSON object with a 'type'")
    name, version = content.get("type"), content.get("version")
    if not isinstance(name, str) or name not in PROMPTS:
        raise DataError(f"prompt: type {name!r} is unknown; known are {', '.join(sorted(PROMPTS))}")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise DataError(f"{name}: version {version!r}; this program reads version {SCHEMA_VERSION}")
    make: Callable[..., Prompt] = PROMPTS[name]
    wanted = [field.name for field in fields(PROMPTS[name])]
    if set(content) != {"type", "version", *wanted}:
        raise DataError(f"{name}: fields {sorted(set(content) - {'type', 'version'})}; give exactly {sorted(wanted)}")
    return make(*(content[field] for field in wanted))
