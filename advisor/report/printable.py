"""Text from outside, made harmless for a terminal."""

import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_KEPT = frozenset("\n\t")
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, format characters (they reverse the direction or hide), surrogates, and other kinds of line ends."""


def printable(text: str) -> str:
    """The text with what could steer a terminal replaced: no escape sequence, no reversed direction, no new line
    but a plain one."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(c if c in _KEPT or unicodedata.category(c) not in _HARMFUL else _REPLACEMENT for c in text)
