"""Text on one line: what a name may hold, and how what it may not hold is shown."""

import unicodedata

_CONTROLS = ("Cc", "Cs", "Zl", "Zp")
_TURNED = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""These turn the direction of the text that follows; the letters of a script have their direction without them."""


def visible(value: object) -> str:
    r"""The text of a value on one line, with every control character as its escape: ``\n``, ``\x1b``, ``\u202e``.

    Letters of any script, accents, emoji and their joiners stay as they are.
    """
    return "".join(_escape(sign) if _is_control(sign) else sign for sign in str(value))


def is_one_line(text: str) -> bool:
    """Whether a text is shown as it is: no line break, no control character, no half of a character."""
    return not any(map(_is_control, text))


def _is_control(sign: str) -> bool:
    return sign in _TURNED or unicodedata.category(sign) in _CONTROLS


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
