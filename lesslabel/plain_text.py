"""Text on one line: the characters that a name may have, and escapes for the others."""

import unicodedata

_CONTROLS = ("Cc", "Cs", "Zl", "Zp")
_TURNED = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of the text after them; letters have their direction without them."""


def visible(value: object) -> str:
    r"""The text of a value on one line, with every control character as its escape: ``\n``, ``\x1b``, ``\u202e``.

    Letters of any script, accents, emoji and their joiners are kept.
    """
    return "".join(_escape(sign) if _is_control(sign) else sign for sign in str(value))


def composed(text: str) -> str:
    """The text with every accent joined to its letter: macOS names files with the two apart, keyboards do not."""
    return unicodedata.normalize("NFC", text)


def is_word_sign(sign: str) -> bool:
    """Whether a character belongs to a word: a letter or digit of any script, ``_``, a vowel sign or a loose accent."""
    return sign == "_" or sign.isalnum() or unicodedata.category(sign).startswith("M")


def is_one_line(text: str) -> bool:
    """Whether a text needs no escape: no line break, no control character, no surrogate."""
    return not any(map(_is_control, text))


def _is_control(sign: str) -> bool:
    return sign in _TURNED or unicodedata.category(sign) in _CONTROLS


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
