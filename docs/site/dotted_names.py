"""A full name in a docstring's backticks becomes a link; the strict build fails where it leads nowhere."""

import re
from typing import Any

import griffe

CODE = re.compile(r"(``.+?``|`[^`\n]+`)")
OPTIONAL_AXIS = re.compile(r"\[([A-Z]),\]")
FULL_NAME = re.compile(r"(?<![`\[])`(lesslabel(?:\.\w+)+)`(?![`\]])")


def link_full_names(text: str) -> str:
    """Make every ``lesslabel.…`` in single backticks a link to its entry in the reference; short names stay code."""
    return FULL_NAME.sub(r"[`\1`][\1]", text)


def escape_optional_axes(text: str) -> str:
    """Keep ``([C,] [D,] H, W)`` from being read as a link, outside of code."""
    parts = CODE.split(text)
    parts[::2] = [OPTIONAL_AXIS.sub(r"\\[\1,\\]", part) for part in parts[::2]]
    return "".join(parts)


class DottedNames(griffe.Extension):
    """Links the full names in the docstrings of a package."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite the docstrings, once the package is read."""
        link_docstrings(pkg)


def link_docstrings(parent: griffe.Object) -> None:
    """Link the full names in the docstrings of an object and of its members."""
    if parent.docstring:
        parent.docstring.value = escape_optional_axes(link_full_names(parent.docstring.value))
    for member in parent.members.values():
        if isinstance(member, griffe.Object):
            link_docstrings(member)
